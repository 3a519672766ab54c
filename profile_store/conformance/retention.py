"""What every store promises about values that are kept for a time: then they are not there."""

from __future__ import annotations

import time

import pytest

from profile_store import ProfileKey, ProfileStore, Release, SlotWrite
from profile_store.conformance.contract import Contract, OpenStore
from profile_store.conformance.event_loop import in_own_event_loop

HOUR = 3600.0
KEPT = {"default": "90d", "slots": {"otp": "1h", "language": "forever"}}


def ago(slot: str, hours: float, value: object = "a value") -> SlotWrite:
    """Return a write of some hours ago."""
    return SlotWrite(slot, value, time.time() - hours * HOUR)


@in_own_event_loop
class Retention(Contract):
    """What is past its time is not there any more, and does not come back."""

    @pytest.fixture
    def store_for_a_time(self, open_for_a_time: OpenStore) -> ProfileStore:
        """A store that keeps most slots for 90 days, `otp` for an hour and `language` for ever."""
        return open_for_a_time(KEPT)

    @pytest.fixture
    def store_for_ever(
        self, store_for_a_time: ProfileStore, another_store: ProfileStore
    ) -> ProfileStore:
        """Another store on the same database that keeps everything: what it holds grows old."""
        return another_store

    async def test_a_value_past_its_time_is_nowhere_any_more(
        self, store_for_a_time: ProfileStore, store_for_ever: ProfileStore, ann: ProfileKey
    ) -> None:
        name = ago("name", 3)
        await store_for_ever.store(ann, [name, ago("otp", 3)])
        await store_for_ever.store(ann, [ago("otp", 2)])
        assert len(await store_for_ever.history(ann, "otp")) == 2
        store = store_for_a_time
        assert dict(await store.fetch(ann)) == {"name": "a value"}
        assert dict((await store.sync(ann, [name])).profile) == {"name": "a value"}
        assert [write.slot for write in await store.history(ann)] == ["name"]
        assert [write.slot for write in await store.history(ann, limit=1)] == ["name"]
        exported = await store.export(ann)
        assert list(exported["slots"]) == ["name"]
        assert [write["slot"] for write in exported["history"]] == ["name"]

    async def test_a_history_ends_where_its_time_does(
        self, store_for_a_time: ProfileStore, store_for_ever: ProfileStore, ann: ProfileKey
    ) -> None:
        await store_for_ever.store(ann, [ago("otp", 2, "old")])
        await store_for_ever.store(ann, [ago("otp", 0.5, "new")])
        assert [write.value for write in await store_for_a_time.history(ann)] == ["new"]

    async def test_slots_are_kept_for_a_time_of_their_own(
        self, store_for_a_time: ProfileStore, ann: ProfileKey
    ) -> None:
        days = 24.0
        for slot in ("name", "otp", "language"):
            for hours in (100 * days, 80 * days, 0.5):
                outcome = await store_for_a_time.store(ann, [ago(slot, hours, hours)])
                kept = slot == "language" or hours == 0.5 or (slot == "name" and hours < 90 * days)
                assert outcome.profile.get(slot) == (hours if kept else None)

    async def test_a_write_that_comes_too_late_is_not_kept_and_not_refused(
        self, store_for_a_time: ProfileStore, store_for_ever: ProfileStore, ann: ProfileKey
    ) -> None:
        outcome = await store_for_a_time.store(ann, [ago("otp", 2), ago("name", 2)])
        assert dict(outcome.profile) == {"name": "a value"}
        assert outcome.refused == {}
        assert list(await store_for_ever.fetch(ann)) == ["name"]
        assert [write.slot for write in await store_for_ever.history(ann)] == ["name"]

    async def test_a_write_that_comes_too_late_leaves_a_newer_one(
        self, store_for_a_time: ProfileStore, ann: ProfileKey
    ) -> None:
        await store_for_a_time.store(ann, [ago("otp", 0.5, "new")])
        outcome = await store_for_a_time.store(ann, [ago("otp", 2, "old")])
        assert dict(outcome.profile) == {"otp": "new"}

    async def test_the_next_write_counts_again(
        self, store_for_a_time: ProfileStore, store_for_ever: ProfileStore, ann: ProfileKey
    ) -> None:
        await store_for_ever.store(ann, [ago("otp", 2, "old")])
        outcome = await store_for_a_time.store(ann, [ago("otp", 0.5, "new")])
        assert dict(outcome.profile) == {"otp": "new"}
        assert dict(await store_for_ever.fetch(ann)) == {"otp": "new"}

    async def test_a_release_outlasts_the_value_for_a_write_that_is_late(
        self, store_for_a_time: ProfileStore, store_for_ever: ProfileStore, ann: ProfileKey
    ) -> None:
        released = Release("otp", time.time() - 0.25 * HOUR)
        await store_for_ever.store(ann, [ago("otp", 2)], [released])
        assert "otp" not in await store_for_a_time.fetch(ann)
        outcome = await store_for_a_time.store(ann, [ago("otp", 0.5)])
        assert outcome.profile.state("otp").released

    async def test_what_is_past_its_time_is_not_linked(
        self,
        store_for_a_time: ProfileStore,
        store_for_ever: ProfileStore,
        ann: ProfileKey,
        phone: ProfileKey,
    ) -> None:
        await store_for_ever.store(phone, [ago("otp", 2), ago("name", 2)])
        linked = await store_for_a_time.link(phone, ann)
        assert dict(linked) == {"name": "a value"}
        assert list(await store_for_ever.fetch(ann)) == ["name"]
        assert [write.slot for write in await store_for_ever.history(ann)] == ["name"]

    async def test_what_is_past_its_time_takes_no_room(
        self, open_for_a_time: OpenStore, another_store: ProfileStore, ann: ProfileKey
    ) -> None:
        store = open_for_a_time(KEPT, max_slots=1)
        await another_store.store(ann, [ago("otp", 2)])
        outcome = await store.store(ann, [ago("name", 2)])
        assert outcome.refused == {}
        assert dict(outcome.profile) == {"name": "a value"}

    async def test_a_write_after_an_erasure_is_not_told_to_be_erased_when_its_time_is_past(
        self, store_for_a_time: ProfileStore, ann: ProfileKey
    ) -> None:
        """Who still holds the value would empty it, though nobody asked for that."""
        await store_for_a_time.forget(ann, at=time.time() - 3 * HOUR)
        said_after = await store_for_a_time.store(ann, [ago("otp", 2)])
        assert not said_after.profile.state("otp").erased
        said_before = await store_for_a_time.store(ann, [ago("otp", 4)])
        assert said_before.profile.state("otp").erased

    async def test_what_is_erased_stays_erased_when_its_time_would_be_past(
        self, store_for_a_time: ProfileStore, store_for_ever: ProfileStore, ann: ProfileKey
    ) -> None:
        await store_for_a_time.forget(ann, ["otp"], at=time.time() - 2 * HOUR)
        await store_for_ever.store(ann, [ago("otp", 3)])
        assert dict(await store_for_ever.fetch(ann)) == {}
