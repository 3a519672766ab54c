"""Defects of linking: something is lost, or comes back, or moves again."""

from __future__ import annotations

from typing import Any

from profile_store import (
    Profile,
    SlotWrite,
    Source,
)
from tests.profile_store.broken_stores.defect import caught_by, changed
from tests.profile_store.shared_memory import SharedMemoryStore


@caught_by(
    "test_linking_both_ways_moves_the_profile_there_and_back",
    "test_what_was_linked_away_comes_back_after_an_erasure_of_that_very_moment",
)
class LinksOneWayOnly(SharedMemoryStore):
    """Takes the tombstone that a link leaves for one that a user asked for."""

    async def link(self, source: Any, target: Any) -> Profile:
        linked = await super().link(source, target)
        left = self._profile(source)
        self._profiles[source] = Profile(
            {slot: changed(state, source=Source()) for slot, state in left.states.items()},
            left.erased_at,
        )
        return linked


@caught_by(
    "test_a_linked_profile_is_merged_into_the_other",
    "test_a_store_does_what_the_model_does",
    "test_any_order_of_arrival_around_links_ends_in_the_same_profile",
    "test_linking_again_changes_nothing",
    "test_what_was_linked_is_erased_where_it_was",
)
class LinkingIsNotIdempotent(SharedMemoryStore):
    """Gives what it links a new time, and keeps it where it was."""

    async def link(self, source: Any, target: Any) -> Profile:
        before = self._profile(source)
        later = [
            SlotWrite(slot, value, before.state(slot).written_at + 1)
            for slot, value in before.items()
        ]
        await self.sync(target, later)
        self._profiles[source] = Profile(
            {
                slot: changed(state, written_at=state.written_at + 1)
                for slot, state in before.states.items()
            },
            before.erased_at,
        )
        return self._profile(target)


@caught_by("test_what_was_linked_does_not_come_back_where_it_was")
class LinkingLeavesNoTombstones(SharedMemoryStore):
    async def link(self, source: Any, target: Any) -> Profile:
        linked = await super().link(source, target)
        if source != target:
            self._profiles[source] = Profile()
        return linked


@caught_by(
    "test_a_release_that_came_before_its_write_is_linked_too",
    "test_linking_a_profile_to_itself_changes_nothing",
    "test_linking_keeps_a_release",
)
class LinkingMovesValuesOnly(SharedMemoryStore):
    async def link(self, source: Any, target: Any) -> Profile:
        held = self._profile(source)
        writes = [SlotWrite(slot, held[slot], held.state(slot).written_at) for slot in held]
        outcome = await self.sync(target, writes)
        await self.forget(source, list(held), at=0.1)
        return outcome.profile


@caught_by("test_linking_a_user_who_is_not_known_changes_nothing")
class LinkingOverwrites(SharedMemoryStore):
    async def link(self, source: Any, target: Any) -> Profile:
        if source != target:
            self._profiles[target] = self._profile(source)
            self._histories[target] = self._histories.get(source, {})
            self._profiles[source] = Profile()
            self._histories[source] = {}
        return self._profile(target)


@caught_by(
    "test_linking_does_not_bring_back_what_the_target_has_erased",
    "test_linking_does_not_bring_what_was_erased_into_a_history_that_went_on",
)
class LinkingBringsTheWholeHistory(SharedMemoryStore):
    async def link(self, source: Any, target: Any) -> Profile:
        past = self._past(source)
        linked = await super().link(source, target)
        self._remember(target, past)
        return linked


@caught_by("test_of_two_linked_histories_the_same_write_of_one_time_stays")
class LinkingPutsItsHistoryFirst(SharedMemoryStore):
    """Lets what is linked take the place of a write of the same time, whatever it says."""

    async def link(self, source: Any, target: Any) -> Profile:
        past = {(write.slot, write.written_at): write for write in self._past(source)}
        linked = await super().link(source, target)
        known = self._histories.setdefault(target, {})
        known.update({place: write for place, write in past.items() if place in known})
        return linked


@caught_by("test_linking_a_profile_to_itself_changes_nothing")
class LinkingToItselfErases(SharedMemoryStore):
    async def link(self, source: Any, target: Any) -> Profile:
        linked = await super().link(source, target)
        if source == target:
            await self.forget(source, at=0.1)
        return linked


@caught_by(
    "test_a_slot_for_which_the_target_has_no_room_stays_where_it_was",
    "test_linking_a_profile_to_itself_changes_nothing",
)
class LinkingErasesWhatDidNotFit(SharedMemoryStore):
    async def link(self, source: Any, target: Any) -> Profile:
        linked = await super().link(source, target)
        await self.forget(source, list(self._profile(source)), at=0.1)
        return linked


@caught_by("test_linking_brings_no_write_that_lost_into_the_history")
class LinkingOverwritesTheHistory(SharedMemoryStore):
    async def link(self, source: Any, target: Any) -> Profile:
        past = self._past(source)
        linked = await super().link(source, target)
        begun = min((write.written_at for write in self._past(target)), default=0.0)
        self._histories.setdefault(target, {}).update(
            {(write.slot, write.written_at): write for write in past if write.written_at > begun}
        )
        return linked
