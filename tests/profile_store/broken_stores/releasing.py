"""Defects of releasing: what should sleep is awake, or gone."""

from __future__ import annotations

import contextlib
from typing import Any

from profile_store import (
    Outcome,
    Profile,
    SlotWrite,
)
from tests.profile_store.broken_stores.defect import caught_by, changed
from tests.profile_store.shared_memory import SharedMemoryStore


@caught_by(
    "test_a_release_that_comes_before_its_write_still_holds",
    "test_a_released_slot_keeps_its_value_asleep",
)
class KnowsNoReleases(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), releases: Any = (), **clock: Any) -> Outcome:
        return await super().sync(key, writes, **clock)


@caught_by("test_a_release_adds_nothing_to_the_history")
class ErasesWhatIsReleased(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), releases: Any = (), **clock: Any) -> Outcome:
        outcome = await super().sync(key, writes, **clock)
        for release in releases:
            with contextlib.suppress(Exception):
                await self.forget(key, [release.slot], at=release.released_at)
        return changed(outcome, profile=self._profile(key)) if releases else outcome


@caught_by("test_an_older_release_does_not_move_a_newer_one_back")
class KeepsTheLastReleaseToArrive(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), releases: Any = (), **clock: Any) -> Outcome:
        before = self._profile(key)
        slots = {release.slot for release in releases}
        self._profiles[key] = Profile(
            {
                slot: changed(state, released_at=0.0) if slot in slots else state
                for slot, state in before.states.items()
            },
            before.erased_at,
        )
        return await super().sync(key, writes, releases, **clock)


@caught_by("test_an_older_release_does_not_touch_a_newer_write")
class ReleasesForGood(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), releases: Any = (), **clock: Any) -> Outcome:
        later = [changed(release, released_at=1e9) for release in releases]
        return await super().sync(key, writes, later, **clock)


@caught_by("test_a_release_adds_nothing_to_the_history")
class WritesReleasesIntoTheHistory(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), releases: Any = (), **clock: Any) -> Outcome:
        outcome = await super().sync(key, writes, releases, **clock)
        self._remember(
            key, [SlotWrite(release.slot, None, release.released_at) for release in releases]
        )
        return outcome


@caught_by(
    "test_a_release_far_ahead_of_the_database_is_set_back_to_the_tolerance",
    "test_a_slot_that_was_written_is_live",
    "test_an_older_release_does_not_touch_a_newer_write",
    "test_the_next_write_makes_a_released_slot_live_again",
)
class WritesAreReleased(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), releases: Any = (), **clock: Any) -> Outcome:
        outcome = await super().sync(key, writes, releases, **clock)
        states = {
            slot: changed(state, released_at=state.written_at)
            for slot, state in outcome.profile.states.items()
        }
        return changed(outcome, profile=Profile(states, outcome.profile.erased_at))
