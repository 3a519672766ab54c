"""Which values are kept, and that it does not matter when who looks at them, or removes them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_store import (
    InvalidSettings,
    Profile,
    ProfileKey,
    SlotState,
    SlotWrite,
    StoreSettings,
    durations,
    merge,
    settings,
)
from profile_store.retention import Kept, Retention, RetentionSettings
from tests.conftest import OpenStore

# Durations


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("10m", 600), ("1h", 3600), ("365d", 31_536_000), ("2w", 1_209_600),
     (" 5 m ", 300), ("forever", None)],
)  # fmt: skip
def test_a_duration_is_a_number_and_a_unit(written: str, seconds: float | None) -> None:
    assert durations.seconds(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "10", "m", "1.5h", "-1h", "1y", "1M", "10 minutes", "inf", "٣m", 10, 10.0, True, None,
     ["1h"], "0s", "00d", "1h\n1h", "9999999999s"],
)  # fmt: skip
def test_anything_else_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match=r"write a number and one of|kept for no time"):
        durations.seconds(written)


# Settings


def load(section: Any) -> RetentionSettings:
    return settings.make(StoreSettings, {"retention": section}).retention


def test_retention_is_set_for_all_slots_and_for_single_ones() -> None:
    made = load({"default": "365d", "slots": {"otp": "10m", "language": "forever"}})
    assert (made.default, made.slots) == (31_536_000, {"otp": 600, "language": None})


def test_retention_is_set_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_RETENTION", '{"slots": {"otp": "10m"}}')
    made = load({"default": "1d", "slots": {"otp": "1h"}})
    assert (made.default, made.slots) == (86_400, {"otp": 600})


@pytest.mark.parametrize("section", [{}, {"default": "forever"}, {"default": None}])
def test_by_default_everything_is_kept(section: dict[str, Any]) -> None:
    assert not Retention(load(section)).limits


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"default": "s3cret"}, "profile_store.retention.default: write a number and one of"),
        ({"slots": {"otp": "5"}}, "profile_store.retention.slots.otp: write a number and one of"),
        ({"slots": {"otp": None}}, "profile_store.retention.slots.otp: write a number and one of"),
        ({"slots": {"otp": "0m"}}, "profile_store.retention.slots.otp: nothing can be kept for no"),
        ({"slots": ["otp"]}, "profile_store.retention.slots: "),
        ({"otp": "10m"}, "profile_store.retention.otp: no such setting"),
        ("365d", "profile_store.retention: "),
        ({"default": "2d", "erasures": "1d"}, "profile_store.retention: erasures must be kept as"),
        ({"erasures": "9w"}, "profile_store.retention: erasures must be kept as"),
        ({"default": "1d", "slots": {"a": "forever"}, "erasures": "9w"},
         "profile_store.retention: erasures must be kept as"),
    ],
)  # fmt: skip
def test_what_is_impossible_is_named_and_its_value_is_not(section: Any, told: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        load(section)
    assert str(refused.value).startswith(told)
    assert "\n" not in str(refused.value)
    assert "s3cret" not in str(refused.value)


# What is past its time


def retention(**given: Any) -> Retention:
    return Retention(RetentionSettings(**given))


def test_a_value_is_past_its_time_when_it_is_as_old_as_it_may_get() -> None:
    kept = retention(default="10s")
    assert not kept.is_past("a", 90.5, now=100.0)
    assert kept.is_past("a", 90.0, now=100.0)


def test_a_profile_of_which_everything_is_kept_is_the_same_object() -> None:
    profile = Profile({"a": SlotState(b"1", 95.0), "b": SlotState(written_at=1.0, erased=True)})
    assert retention(default="10s").seen(profile, 100.0) is profile
    assert retention().seen(profile, 1e12) is profile


def test_without_a_limit_nobody_asks_for_the_time() -> None:
    def now() -> float:
        raise AssertionError

    kept = Kept(retention(), now)
    news = {"a": SlotState(b"1", 1.0)}
    assert kept.arriving(news) == (news, {})
    profile = Profile(news)
    assert kept.profile(profile) is profile


def test_of_a_value_past_its_time_only_a_release_that_still_counts_is_left() -> None:
    states = {"a": SlotState(b"1", 80.0, released_at=95.0), "b": SlotState(b"1", 80.0, False, 85.0)}
    seen = retention(default="10s").seen(Profile(states), 100.0)
    assert dict(seen.states) == {"a": SlotState(released_at=95.0)}


def test_a_release_that_counts_for_nothing_any_more_is_not_merged_again() -> None:
    """A session repeats it on every turn, and what was purged must not be back each time."""
    news = {"a": SlotState(released_at=80.0), "b": SlotState(released_at=95.0)}
    assert retention(default="10s").arriving(news, 100.0) == ({"b": news["b"]}, {})


TIMES = st.integers(1, 40).map(float)
STATES = st.one_of(
    st.builds(SlotState, st.sampled_from([b"1", b"2"]), TIMES),
    st.builds(lambda at: SlotState(released_at=at), TIMES),
    st.builds(lambda at: SlotState(written_at=at, erased=True), TIMES),
)
ARRIVALS = st.lists(
    st.tuples(st.sampled_from(["short", "long", "ever"]), STATES), min_size=1, max_size=8
)
KEPT = retention(default="30s", slots={"short": "5s", "ever": "forever"})


def told(profile: Profile) -> dict[str, Any]:
    """Return what can be told apart of a profile."""
    return {
        slot: (state.encoded, state.written_at, state.released)
        for slot, state in profile.states.items()
        if state.held
    }


@given(ARRIVALS, st.data())
def test_expiry_commutes_with_merging(
    arrivals: list[tuple[str, SlotState]], data: st.DataObject
) -> None:
    """Whatever arrives when, in what order, however often, and whether it is purged in between."""
    end = 41.0
    everything = Profile()
    for slot, state in arrivals:
        everything = merge.merge_profile(everything, {slot: state})
    expected = told(KEPT.seen(everything, end))
    for _ in range(2):
        profile = Profile()
        now = 0.0
        repeated = data.draw(st.lists(st.sampled_from(arrivals), max_size=4))
        for slot, state in data.draw(st.permutations([*arrivals, *repeated])):
            now = data.draw(st.floats(max(now, 0.0), end))
            news = {slot: state}
            if not state.erased:
                news, _ = KEPT.arriving(news, now)  # type: ignore[assignment]
            if data.draw(st.booleans()):
                profile = KEPT.seen(profile, now)  # as if it was purged
            profile = merge.merge_profile(profile, news)
            assert told(KEPT.seen(profile, end)).items() <= told(profile).items()
        assert told(KEPT.seen(profile, end)) == expected


# The store


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_profile_in_memory_grows_old_too(
    open_store: OpenStore, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(retention={"slots": {"otp": "10m"}})
    now = time.time()
    await store.store(ann, [SlotWrite("otp", 1, now), SlotWrite("name", "Ann", now)])
    submit = store._batcher.submit
    handed = []

    async def counted(request: Any) -> Any:
        handed.append(request)
        return await submit(request)

    monkeypatch.setattr(store._batcher, "submit", counted)
    assert dict(await store.fetch(ann)) == {"otp": 1, "name": "Ann"}
    monkeypatch.setattr(store._database, "_clock_offset", 601.0)
    assert dict(await store.fetch(ann)) == {"name": "Ann"}
    again = await store.sync(ann, [SlotWrite("otp", 1, now)])
    assert dict(again.profile) == {"name": "Ann"}
    assert handed == [], "the worker was not asked"


async def test_the_databases_clock_decides(
    open_store: OpenStore, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(retention={"default": "1h"})
    await store.fetch(ann)
    monkeypatch.setattr(store._database, "_clock_offset", -1e6)
    behind = time.time() - 1e6
    await store.store(ann, [SlotWrite("name", "Ann", behind)])
    assert dict(await store.fetch(ann)) == {"name": "Ann"}
    assert len(await store.history(ann)) == 1
    monkeypatch.setattr(store._database, "_clock_offset", 0.0)
    assert dict(await store.fetch(ann)) == {}
    assert await store.history(ann) == []


async def test_a_value_that_cannot_be_read_is_no_error_any_more_when_its_time_is_past(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    from tests.profile_store.sealed import NEW, OLD

    await open_store(encryption_keys=OLD).store(ann, [SlotWrite("name", "Ann", time.time() - 7200)])
    store = open_store(encryption_keys=NEW, retention={"default": "1h"})
    assert (await store.fetch(ann)).unreadable == {}
    assert await store.history(ann) == []
    assert (await store.export(ann))["slots"] == {}
