"""Defects of clocks: a bad one freezes a slot, or a right one is not believed."""

from __future__ import annotations

import logging
import time
from typing import Any

from profile_store import Outcome, Profile, Receipt, arrivals
from tests.profile_store.broken_stores.defect import caught_by, changed
from tests.profile_store.shared_memory import SharedMemoryStore

logger = logging.getLogger(__name__)


@caught_by("test_a_write_far_ahead_of_the_database_is_set_back_to_the_tolerance")
class TrustsEveryClock(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), releases: Any = (), **clock: Any) -> Outcome:
        outcome = await super().sync(key, writes, releases)
        states = dict(self._profile(key).states)
        for write in writes:
            if write.slot in states:
                states[write.slot] = changed(states[write.slot], written_at=write.written_at)
        for release in releases:
            if release.slot in states:
                states[release.slot] = changed(
                    states[release.slot], released_at=release.released_at
                )
        self._profiles[key] = Profile(states, self._profile(key).erased_at)
        return changed(outcome, profile=self._profile(key))


@caught_by("test_a_write_far_ahead_of_the_database_is_set_back_to_the_tolerance")
class DistrustsEveryClock(SharedMemoryStore):
    """Gives what arrives the time of its arrival."""

    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        now = [changed(write, written_at=time.time()) for write in writes]
        return await super().sync(key, now, *rest)


@caught_by(
    "test_a_clock_that_is_ahead_is_set_back_and_the_order_of_its_writes_kept",
    "test_a_right_clock_wins_over_what_a_bad_one_wrote_before",
)
class SetsEachWriteBackByItself(SharedMemoryStore):
    """Two writes of a fast clock end at one time, and their order is lost."""

    async def sync(self, *arguments: Any, **_: Any) -> Outcome:
        return await super().sync(*arguments)


@caught_by("test_a_clock_that_is_behind_is_left_as_it_is")
class SetsSlowClocksForward(SharedMemoryStore):
    async def sync(
        self, key: Any, writes: Any = (), *rest: Any, clock: float | None = None
    ) -> Outcome:
        behind = 0.0 if clock is None else max(0.0, time.time() - clock)
        forward = [changed(write, written_at=write.written_at + behind) for write in writes]
        return await super().sync(key, forward, *rest, clock=clock)


@caught_by("test_an_erasure_by_a_fast_clock_swallows_nothing_that_comes_after_it")
class ErasesByAFastClock(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, *, at: float, **_: Any) -> Receipt:
        return await super().forget(key, slots, at=at)


@caught_by(
    "test_an_erasure_far_ahead_of_the_database_is_set_back_to_the_tolerance",
    "test_what_claims_to_be_newer_is_forgotten_too",
)
class ErasesByAnyClock(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, *, at: float, **_: Any) -> Receipt:
        receipt = await super().forget(key, slots, at=at)
        if slots is None:
            self._profiles[key] = Profile(self._profile(key).states, at)
        return changed(receipt, erased_at=at)


@caught_by("test_a_clock_that_is_ahead_is_logged_without_the_value")
class SaysNothingOfClocks(SharedMemoryStore):
    async def sync(self, *arguments: Any, **clock: Any) -> Outcome:
        arrivals.logger.disabled = True
        try:
            return await super().sync(*arguments, **clock)
        finally:
            arrivals.logger.disabled = False


@caught_by("test_a_clock_that_is_ahead_is_logged_without_the_value")
class LogsWhatItIsGiven(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        logger.warning("The clock of %s is ahead: %s", key, writes)
        return await super().sync(key, writes, *rest, **clock)
