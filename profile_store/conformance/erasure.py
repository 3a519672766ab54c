"""What every store promises about forgetting: what was erased is gone, and stays gone."""

from __future__ import annotations

import asyncio
import time

import pytest

from profile_store import ProfileKey, ProfileStore, Release, SlotWrite
from profile_store.conformance.contract import Contract
from profile_store.conformance.event_loop import in_own_event_loop

SECRET = SlotWrite("name", "Ann", 10.0)
OTHER = SlotWrite("city", "Bonn", 10.0)
SLACK = 60.0
"""Seconds that the test and the database may take and differ."""


async def assert_nowhere(store: ProfileStore, key: ProfileKey, slot: str) -> None:
    """Assert that nothing tells any more what a slot held."""
    assert slot not in await store.fetch(key)
    assert await store.history(key, slot) == []
    exported = await store.export(key)
    assert exported["slots"].get(slot, {"value": None})["value"] is None
    assert [write for write in exported["history"] if write["slot"] == slot] == []


@in_own_event_loop
class Erasure(Contract):
    """What was erased is gone, and stays gone."""

    async def test_a_forgotten_slot_is_nowhere_any_more(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SECRET, OTHER])
        await store.store(ann, [SlotWrite("name", "Anna", 11.0)])
        assert len(await store.history(ann, "name")) == 2
        await store.forget(ann, ["name"], at=12.0)
        await assert_nowhere(store, ann, "name")

    async def test_forgetting_a_slot_leaves_the_others(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SECRET, OTHER])
        await store.forget(ann, ["name"], at=12.0)
        assert dict(await store.fetch(ann)) == {"city": "Bonn"}
        assert [write.slot for write in await store.history(ann)] == ["city"]

    async def test_a_forgotten_profile_is_nowhere_any_more(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SECRET, OTHER])
        await store.forget(ann, at=12.0)
        await assert_nowhere(store, ann, "name")
        await assert_nowhere(store, ann, "city")

    async def test_forgetting_a_profile_leaves_other_users(
        self, store: ProfileStore, ann: ProfileKey, bob: ProfileKey
    ) -> None:
        await store.store(ann, [SECRET])
        await store.store(bob, [SECRET])
        await store.forget(ann, at=12.0)
        assert dict(await store.fetch(bob)) == {"name": "Ann"}
        assert len(await store.history(bob)) == 1

    @pytest.mark.parametrize("slots", [["name"], None], ids=["slot", "profile"])
    @pytest.mark.parametrize("at", [11.0, 12.0], ids=["older", "as old"])
    async def test_a_late_write_does_not_bring_back_what_was_forgotten(
        self, store: ProfileStore, ann: ProfileKey, slots: list[str] | None, at: float
    ) -> None:
        await store.store(ann, [SECRET])
        await store.forget(ann, slots, at=12.0)
        await store.store(ann, [SlotWrite("name", "late", at)])
        await assert_nowhere(store, ann, "name")

    @pytest.mark.parametrize("slots", [["name"], None], ids=["slot", "profile"])
    async def test_a_newer_write_counts_again(
        self, store: ProfileStore, ann: ProfileKey, slots: list[str] | None
    ) -> None:
        await store.store(ann, [SECRET])
        await store.forget(ann, slots, at=12.0)
        await store.store(ann, [SlotWrite("name", "Anna", 12.5)])
        assert dict(await store.fetch(ann)) == {"name": "Anna"}
        assert [write.value for write in await store.history(ann)] == ["Anna"]

    async def test_a_profile_erasure_covers_slots_that_were_never_stored(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.forget(ann, at=12.0)
        await store.store(ann, [SECRET])
        await assert_nowhere(store, ann, "name")

    @pytest.mark.parametrize("slots", [["name"], None], ids=["slot", "profile"])
    async def test_what_claims_to_be_newer_is_forgotten_too(
        self, store: ProfileStore, ann: ProfileKey, slots: list[str] | None
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 20.0)])
        receipt = await store.forget(ann, slots, at=12.0)
        assert receipt.erased_at == 20.0
        await store.store(ann, [SlotWrite("name", "Ann", 20.0)])
        await assert_nowhere(store, ann, "name")

    @pytest.mark.parametrize("slots", [["name", "city", "unknown"], None], ids=["slots", "profile"])
    async def test_the_receipt_names_what_was_held(
        self, store: ProfileStore, ann: ProfileKey, slots: list[str] | None
    ) -> None:
        await store.store(ann, [SECRET, OTHER])
        receipt = await store.forget(ann, slots, at=12.0)
        assert (receipt.key, receipt.slots, receipt.erased_at) == (ann, ("city", "name"), 12.0)

    @pytest.mark.parametrize("slots", [["name", "unknown"], None], ids=["slots", "profile"])
    async def test_the_receipt_counts_what_went_from_the_history(
        self, store: ProfileStore, ann: ProfileKey, slots: list[str] | None
    ) -> None:
        for at in (9.0, 10.0, 11.0):
            await store.store(ann, [SlotWrite("name", at, at)])
        await store.store(ann, [OTHER])
        receipt = await store.forget(ann, slots, at=12.0)
        assert receipt.history == (3 if slots else 4)
        assert (await store.forget(ann, slots, at=12.0)).history == 0

    async def test_the_receipt_tells_when_it_was_and_what_is_left_to_be_done(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SECRET])
        receipt = await store.forget(ann, at=12.0)
        assert abs(receipt.done_at - time.time()) < SLACK
        assert receipt.bytes_gone is not bool(receipt.remains)

    async def test_forgetting_again_finds_nothing(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SECRET])
        await store.forget(ann, at=12.0)
        assert (await store.forget(ann, at=12.0)).slots == ()

    async def test_an_older_erasure_does_not_move_a_newer_one_back(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.forget(ann, at=12.0)
        assert (await store.forget(ann, at=5.0)).erased_at == 12.0
        await store.store(ann, [SECRET])
        assert (await store.fetch(ann)).erased_at == 12.0
        await assert_nowhere(store, ann, "name")

    async def test_forgetting_no_slots_forgets_nothing(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SECRET])
        receipt = await store.forget(ann, [], at=12.0)
        assert receipt.slots == ()
        assert dict(await store.fetch(ann)) == {"name": "Ann"}

    async def test_a_release_outlasts_an_older_erasure_of_the_profile(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, releases=[Release("name", 20.0)])
        await store.forget(ann, at=12.0)
        await store.store(ann, [SlotWrite("name", "Anna", 15.0)])
        assert (await store.fetch(ann)).state("name").released

    @pytest.mark.parametrize("slots", [["name"], None], ids=["slot", "profile"])
    async def test_writes_that_race_an_erasure_leave_nothing_of_what_it_covers(
        self,
        two_writers: tuple[ProfileStore, ProfileStore],
        ann: ProfileKey,
        slots: list[str] | None,
    ) -> None:
        one, other = two_writers
        await one.store(ann, [SECRET])
        await asyncio.gather(
            *(
                store.store(ann, [SlotWrite("name", f"{number}", number / 10)])
                for number in range(1, 100)
                for store in (one, other)
            ),
            one.forget(ann, slots, at=10.0),
            other.forget(ann, slots, at=10.0),
        )
        await assert_nowhere(one, ann, "name")

    async def test_what_one_store_forgets_another_has_forgotten(
        self, store: ProfileStore, another_store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SECRET])
        assert dict(await another_store.fetch(ann)) == {"name": "Ann"}
        await store.forget(ann, at=12.0)
        await assert_nowhere(another_store, ann, "name")
        await another_store.store(ann, [SECRET])
        await assert_nowhere(store, ann, "name")
