"""What every store promises about released slots: the value is kept, asleep."""

from __future__ import annotations

import pytest

from profile_store import ProfileKey, ProfileStore, Release, SlotWrite
from profile_store.conformance.contract import Contract
from profile_store.conformance.event_loop import in_own_event_loop


@in_own_event_loop
class Releases(Contract):
    """A released slot keeps its value, asleep."""

    async def test_a_slot_that_was_written_is_live(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        outcome = await store.store(ann, [SlotWrite("amount", 5, 10.0)])
        state = outcome.profile.state("amount")
        assert (state.live, state.released) == (True, False)

    @pytest.mark.parametrize("released_at", [10.0, 11.0], ids=["at once", "later"])
    async def test_a_released_slot_keeps_its_value_asleep(
        self, store: ProfileStore, ann: ProfileKey, released_at: float
    ) -> None:
        await store.store(ann, [SlotWrite("amount", 5, 10.0)])
        await store.store(ann, releases=[Release("amount", released_at)])
        profile = await store.fetch(ann)
        assert profile["amount"] == 5
        assert (profile.state("amount").live, profile.state("amount").released) == (False, True)

    async def test_the_next_write_makes_a_released_slot_live_again(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("amount", 5, 10.0)], [Release("amount", 11.0)])
        await store.store(ann, [SlotWrite("amount", 6, 12.0)])
        state = (await store.fetch(ann)).state("amount")
        assert (state.value, state.live) == (6, True)

    async def test_a_release_that_comes_before_its_write_still_holds(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, releases=[Release("amount", 11.0)])
        assert dict(await store.fetch(ann)) == {}
        await store.store(ann, [SlotWrite("amount", 5, 10.0)])
        assert (await store.fetch(ann)).state("amount").released

    async def test_an_older_release_does_not_touch_a_newer_write(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("amount", 5, 10.0)])
        await store.store(ann, releases=[Release("amount", 9.0)])
        assert (await store.fetch(ann)).state("amount").live

    async def test_an_older_release_does_not_move_a_newer_one_back(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("amount", 5, 10.0)], [Release("amount", 12.0)])
        await store.store(ann, releases=[Release("amount", 11.0)])
        await store.store(ann, [SlotWrite("amount", 6, 11.5)])
        assert (await store.fetch(ann)).state("amount").released

    async def test_a_write_and_its_release_may_come_in_one_call(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        outcome = await store.store(ann, [SlotWrite("amount", 5, 10.0)], [Release("amount", 11.0)])
        assert outcome.profile["amount"] == 5
        assert outcome.profile.state("amount").released

    async def test_a_release_adds_nothing_to_the_history(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("amount", 5, 10.0)])
        before = await store.history(ann)
        await store.store(ann, releases=[Release("amount", 11.0)])
        assert await store.history(ann) == before

    async def test_a_release_does_not_bring_back_a_forgotten_value(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("amount", 5, 10.0)])
        await store.forget(ann, ["amount"], at=11.0)
        await store.store(ann, releases=[Release("amount", 12.0)])
        profile = await store.fetch(ann)
        assert dict(profile) == {}
        assert profile.state("amount").erased
