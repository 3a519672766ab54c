"""Defects of the history and the export."""

from __future__ import annotations

from typing import Any

from profile_store import (
    Outcome,
    Profile,
    ProfileKey,
    SlotState,
    SlotWrite,
    Source,
    values,
)
from tests.profile_store.broken_stores.defect import caught_by, changed
from tests.profile_store.shared_memory import SharedMemoryStore

News = dict[str, SlotState]


@caught_by(
    "test_a_limit_keeps_the_newest_of_the_history",
    "test_linking_keeps_the_history_with_its_provenance",
    "test_the_history_holds_each_change_with_its_provenance_newest_first",
)
class HistoryIsOldestFirst(SharedMemoryStore):
    async def history(self, *arguments: Any, **limit: Any) -> list[SlotWrite]:
        return (await super().history(*arguments, **limit))[::-1]


@caught_by("test_the_history_of_one_slot_leaves_out_the_others")
class HistoryIgnoresItsArguments(SharedMemoryStore):
    async def history(self, key: Any, slot: Any = None, *, limit: Any = None) -> list[SlotWrite]:
        return await super().history(key)


@caught_by(
    "test_a_profile_erasure_covers_slots_that_were_never_stored",
    "test_a_write_that_lost_is_not_in_the_history",
)
class HistoryHoldsWhatLost(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        outcome = await super().sync(key, writes, *rest, **clock)
        self._remember(key, writes)
        return outcome


@caught_by("test_a_limit_keeps_the_newest_of_the_history")
class HistoryKeepsOneChange(SharedMemoryStore):
    async def history(self, *arguments: Any, **limit: Any) -> list[SlotWrite]:
        return (await super().history(*arguments, **limit))[:1]


@caught_by(
    "test_a_profile_tells_where_a_value_is_from",
    "test_of_two_writes_at_one_time_the_winner_is_in_the_history",
)
class ForgetsWhereValuesAreFrom(SharedMemoryStore):
    def _merge(self, key: ProfileKey, news: News) -> Profile:
        unknown = {slot: changed(state, source=Source()) for slot, state in news.items()}
        return super()._merge(key, unknown)


@caught_by("test_a_write_of_unknown_provenance_is_kept_as_such")
class MakesSourcesUp(SharedMemoryStore):
    def _merge(self, key: ProfileKey, news: News) -> Profile:
        made_up = {
            slot: changed(state, source=Source("", "", "")) if state.source == Source() else state
            for slot, state in news.items()
        }
        return super()._merge(key, made_up)


@caught_by("test_a_write_that_is_repeated_changes_nothing")
class ReplacesTheSourceOfARepeatedWrite(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        outcome = await super().sync(key, writes, *rest, **clock)
        states = dict(self._profile(key).states)
        for write in writes:
            if write.slot in states:
                states[write.slot] = changed(states[write.slot], source=write.source)
        self._profiles[key] = Profile(states, self._profile(key).erased_at)
        return outcome


@caught_by(
    "test_an_export_is_all_that_is_kept_about_a_user",
    "test_an_export_tells_of_the_erasure_of_a_profile",
)
class ExportsNoTombstones(SharedMemoryStore):
    async def export(self, key: Any) -> dict[str, Any]:
        exported = await super().export(key)
        slots = exported["slots"].items()
        alive = {slot: state for slot, state in slots if not state["erased"]}
        return {**exported, "erased_at": None, "slots": alive}


@caught_by(
    "test_a_forgotten_slot_is_nowhere_any_more",
    "test_a_late_write_does_not_bring_back_what_was_forgotten",
    "test_an_export_is_json",
)
class ExportsBytes(SharedMemoryStore):
    async def export(self, key: Any) -> dict[str, Any]:
        exported = await super().export(key)
        for state in exported["slots"].values():
            state["value"] = values.encode(state["value"])
        return exported
