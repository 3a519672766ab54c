"""The profiles that were used last: only as of one version of the database, and within limits."""

from __future__ import annotations

import asyncio

import pytest

from profile_store import Profile, ProfileKey, SlotWrite, committing, recent, rows
from profile_store.profile import SlotState
from profile_store.recent import RecentProfiles
from tests.conftest import OpenStore

ANN, BOB = ProfileKey("bank", "ann"), ProfileKey("bank", "bob")


def profile(slots: int = 1, size: int = 1) -> Profile:
    return Profile({f"slot {number}": SlotState(b"x" * size, 1.0) for number in range(slots)})


def test_a_profile_is_known_as_of_the_version_it_was_read_at() -> None:
    known = RecentProfiles()
    assert known.get([ANN], 1) == {}
    known.put({ANN: profile()})
    assert set(known.get([ANN, BOB], 1)) == {ANN}
    assert known.get([ANN], 2) == {}
    assert known.get([ANN], 1) == {}, "a version never comes back"


@pytest.mark.parametrize(
    ("slots", "size"), [(recent.MAX_SLOTS // 2 - 1, 0), (1, recent.MAX_BYTES // 2)]
)
def test_the_one_not_used_for_longest_is_let_go(slots: int, size: int) -> None:
    known = RecentProfiles()
    known.get([], 1)
    keys = [ProfileKey("bank", name) for name in ("a", "b", "c")]
    known.put({keys[0]: profile(slots, size), keys[1]: profile(slots, size)})
    known.get([keys[0]], 1)
    known.put({keys[2]: profile(slots, size)})
    assert set(known.get(keys, 1)) == {keys[0], keys[2]}


def test_one_that_is_larger_than_all_of_the_room_is_not_kept() -> None:
    known = RecentProfiles()
    known.get([], 1)
    known.put({ANN: profile(1, recent.MAX_BYTES + 1)})
    assert known.get([ANN], 1) == {}


def test_putting_a_profile_again_takes_the_room_of_one() -> None:
    known = RecentProfiles()
    known.get([], 1)
    for _ in range(10):
        known.put({ANN: profile(1, recent.MAX_BYTES // 2), BOB: profile(1, 1)})
    assert set(known.get([ANN, BOB], 1)) == {ANN, BOB}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_store_reads_a_profile_once_until_somebody_else_writes(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = open_store(), open_store()
    await ours.store(ANN, [SlotWrite("name", "Ann", 10.0)])
    reads = []
    read_profiles = rows.read_profiles
    monkeypatch.setattr(
        rows, "read_profiles", lambda *given: (reads.append(1), read_profiles(*given))[1]
    )
    for _ in range(3):
        assert dict(await ours.fetch(ANN)) == {"name": "Ann"}
    assert reads == []
    await theirs.store(ANN, [SlotWrite("name", "Anna", 11.0)])
    reads.clear()
    assert dict(await ours.fetch(ANN)) == {"name": "Anna"}
    assert reads == [1]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_calls_of_one_turn_of_the_loop_look_once_whether_somebody_else_has_written(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = open_store(), open_store()
    await ours.store(ANN, [SlotWrite("name", "Ann", 10.0)])
    looks = []
    is_current = committing.is_current
    monkeypatch.setattr(
        committing, "is_current", lambda connection: (looks.append(1), is_current(connection))[1]
    )
    found = await asyncio.gather(*(ours.fetch(ANN) for _ in range(5)))
    assert [dict(profile) for profile in found] == [{"name": "Ann"}] * 5
    assert len(looks) == 1
    await theirs.store(ANN, [SlotWrite("name", "Anna", 11.0)])
    found = await asyncio.gather(*(ours.fetch(ANN) for _ in range(5)))
    assert [dict(profile) for profile in found] == [{"name": "Anna"}] * 5


async def test_a_profile_forgotten_by_another_process_is_not_remembered(
    open_store: OpenStore,
) -> None:
    ours, theirs = open_store(), open_store()
    await ours.store(ANN, [SlotWrite("name", "Ann", 10.0)])
    assert dict(await ours.fetch(ANN)) == {"name": "Ann"}
    await theirs.forget(ANN, at=20.0)
    assert dict(await ours.fetch(ANN)) == {}
    late = await ours.sync(ANN, [SlotWrite("name", "Ann", 15.0)])
    assert dict(late.profile) == {}
    assert await ours.history(ANN) == []


async def test_what_this_store_forgets_or_links_is_not_remembered(open_store: OpenStore) -> None:
    store = open_store()
    await store.store(ANN, [SlotWrite("name", "Ann", 10.0)])
    await store.fetch(BOB)
    await store.link(ANN, BOB)
    assert dict(await store.fetch(ANN)) == {}
    assert dict(await store.fetch(BOB)) == {"name": "Ann"}
    await store.forget(BOB, at=20.0)
    assert dict(await store.fetch(BOB)) == {}


def test_profiles_without_slots_take_room_too() -> None:
    known = RecentProfiles()
    known.get([], 1)
    keys = [ProfileKey("bank", str(number)) for number in range(recent.MAX_SLOTS + 1)]
    known.put(dict.fromkeys(keys, Profile()))
    assert len(known.get(keys, 1)) == recent.MAX_SLOTS


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_new_connection_knows_nothing(open_store: OpenStore) -> None:
    # Versions of two connections are not comparable: after a fork or an outage they may be equal.
    ours, theirs = open_store(), open_store()
    await ours.store(ANN, [SlotWrite("name", "Ann", 10.0)])
    ours._database.drop()
    await theirs.forget(ANN, at=20.0)
    assert dict(await ours.fetch(ANN)) == {}
