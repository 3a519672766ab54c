"""Defects of erasing: too much goes, or too little, or it comes back."""

from __future__ import annotations

from typing import Any

from profile_store import (
    Profile,
    Receipt,
)
from tests.profile_store.broken_stores.defect import caught_by, changed
from tests.profile_store.shared_memory import SharedMemoryStore


@caught_by(
    "test_a_late_write_does_not_bring_back_what_was_forgotten",
    "test_a_profile_erasure_covers_slots_that_were_never_stored",
    "test_a_release_does_not_bring_back_a_forgotten_value",
    "test_a_store_does_what_the_model_does",
    "test_any_order_of_arrival_around_an_erasure_ends_in_the_same_profile",
)
class LeavesNoTombstones(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        receipt = await super().forget(key, slots, **at)
        states = self._profile(key).states
        self._profiles[key] = Profile(
            {slot: state for slot, state in states.items() if not state.erased}
        )
        return receipt


@caught_by(
    "test_a_forgotten_profile_is_nowhere_any_more",
    "test_a_forgotten_slot_is_nowhere_any_more",
    "test_a_newer_write_counts_again",
    "test_a_store_does_what_the_model_does",
)
class KeepsTheHistoryOfWhatIsErased(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        before = dict(self._histories.get(key, {}))
        receipt = await super().forget(key, slots, **at)
        self._histories[key] = before
        return receipt


@caught_by("test_forgetting_a_profile_leaves_other_users")
class ForgetsEveryUser(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        for other in list(self._profiles):
            await super().forget(other, slots, **at)
        return await super().forget(key, slots, **at)


@caught_by(
    "test_forgetting_a_slot_leaves_the_others",
    "test_forgetting_no_slots_forgets_nothing",
)
class ForgetsEverySlot(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        return await super().forget(key, None, **at)


@caught_by(
    "test_an_erasure_far_ahead_of_the_database_is_set_back_to_the_tolerance",
    "test_any_order_of_arrival_around_an_erasure_ends_in_the_same_profile",
    "test_what_claims_to_be_newer_is_forgotten_too",
)
class ForgetsOnlyWhatIsOlder(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, *, at: float, **clock: Any) -> Receipt:
        before = self._profile(key)
        receipt = await super().forget(key, slots, at=at, **clock)
        newer = {slot: state for slot, state in before.states.items() if state.written_at > at}
        self._profiles[key] = Profile({**self._profile(key).states, **newer}, at)
        return changed(receipt, erased_at=at)


@caught_by("test_a_newer_write_counts_again")
class ForgetsForGood(SharedMemoryStore):
    """Takes nothing any more for what was erased once."""

    async def forget(self, key: Any, slots: Any = None, *, at: float, **clock: Any) -> Receipt:
        await super().forget(key, slots, at=1e12)
        return await super().forget(key, slots, at=at + 100.0, **clock)


@caught_by("test_the_receipt_names_what_was_held")
class NamesEverySlotInReceipts(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        known = self._profile(key).states if slots is None else slots
        receipt = await super().forget(key, slots, **at)
        return changed(receipt, slots=tuple(sorted(known)))


@caught_by("test_forgetting_again_finds_nothing")
class NamesWhatWasErasedBefore(SharedMemoryStore):
    _erased: tuple[str, ...] = ()

    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        receipt = await super().forget(key, slots, **at)
        self._erased = tuple(sorted({*self._erased, *receipt.slots}))
        return changed(receipt, slots=self._erased)


@caught_by("test_forgetting_no_slots_forgets_nothing")
class ForgetsAllWhenAskedForNone(SharedMemoryStore):
    """Takes an empty list for none given."""

    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        return await super().forget(key, slots or None, **at)


@caught_by("test_an_older_erasure_does_not_move_a_newer_one_back")
class MovesErasuresBack(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, *, at: float, **clock: Any) -> Receipt:
        self._profiles[key] = Profile(self._profile(key).states)
        return await super().forget(key, slots, at=at, **clock)


@caught_by("test_a_release_outlasts_an_older_erasure_of_the_profile")
class ErasesReleases(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        receipt = await super().forget(key, slots, **at)
        if slots is None:
            self._profiles[key] = Profile({}, receipt.erased_at)
        return receipt


@caught_by("test_the_receipt_counts_what_went_from_the_history")
class CountsSlotsForHistory(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        receipt = await super().forget(key, slots, **at)
        return changed(receipt, history=len(receipt.slots))


@caught_by("test_the_receipt_tells_when_it_was_and_what_is_left_to_be_done")
class TellsNothingOfTheBytes(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        return changed(await super().forget(key, slots, **at), bytes_gone=False)
