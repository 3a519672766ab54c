"""Defects of merging: another write stays than the newest."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from profile_store import (
    Outcome,
    Profile,
)
from tests.profile_store.broken_stores.defect import caught_by, changed
from tests.profile_store.shared_memory import SharedMemoryStore


@caught_by(
    "test_a_store_does_what_the_model_does",
    "test_any_order_of_arrival_ends_in_the_same_profile",
    "test_the_newer_write_stays_when_it_comes_first",
)
class TheLastToArriveWins(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        before = self._profile(key)
        arriving = {write.slot for write in writes}
        self._profiles[key] = Profile(
            {slot: state for slot, state in before.states.items() if slot not in arriving},
            before.erased_at,
        )
        return await super().sync(key, writes, *rest, **clock)


@caught_by(
    "test_the_newer_write_stays_when_it_comes_second",
    "test_the_newest_of_several_writes_in_one_call_stays",
)
class TheFirstToArriveStays(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        held = self._profile(key)
        new = {write.slot: write for write in reversed(writes) if write.slot not in held}
        return await super().sync(key, list(new.values()), *rest, **clock)


@caught_by("test_of_two_writes_at_one_time_the_same_stays_in_either_order")
class TheLastOfATieWins(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        held = self._profile(key)
        later = [
            changed(write, written_at=math.nextafter(write.written_at, math.inf))
            if held.state(write.slot).written_at == write.written_at
            else write
            for write in writes
        ]
        return await super().sync(key, later, *rest, **clock)


@caught_by(
    "test_a_write_and_its_release_may_come_in_one_call",
    "test_store_answers_with_the_merged_profile",
    "test_sync_writes_and_reads_in_one_call",
)
class AnswersBeforeMerging(SharedMemoryStore):
    async def sync(self, key: Any, *rest: Any, **clock: Any) -> Outcome:
        before = self._profile(key)
        return Outcome(before, (await super().sync(key, *rest, **clock)).refused)


@caught_by(
    "test_any_order_of_arrival_ends_in_the_same_profile",
    "test_calls_made_at_once_are_each_answered_with_their_own_write",
    "test_links_at_once_lose_nothing",
    "test_writes_that_race_an_erasure_leave_nothing_of_what_it_covers",
)
class ReadsThenWritesLater(SharedMemoryStore):
    """Two callers at once read the same, and the second overwrites what the first wrote."""

    async def sync(self, key: Any, *rest: Any, **clock: Any) -> Outcome:
        before = self._profile(key)
        await asyncio.sleep(0)
        self._profiles[key] = before
        return await super().sync(key, *rest, **clock)


@caught_by("test_what_was_stored_is_fetched")
class SyncsOnlyOneWrite(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        return await super().sync(key, writes[:1], *rest, **clock)
