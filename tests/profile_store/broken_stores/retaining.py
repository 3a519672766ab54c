"""Defects of keeping for a time: too long, too short, or with harm to what is kept."""

from __future__ import annotations

from typing import Any

from profile_store import Outcome, Profile, SlotState, SlotWrite, StoreSettings
from profile_store.retention import News, Retention, RetentionSettings
from tests.profile_store.broken_stores.defect import caught_by, changed
from tests.profile_store.shared_memory import Memory, SharedMemoryStore


class _OfItsOwn(SharedMemoryStore):
    """A store with a retention of its own kind."""

    kind: type[Retention]

    def __init__(self, config: StoreSettings, memory: Memory | None) -> None:
        super().__init__(config, memory)
        self._retention = self.kind(config.retention)


@caught_by(
    "test_a_history_ends_where_its_time_does",
    "test_a_value_past_its_time_is_nowhere_any_more",
    "test_a_write_that_comes_too_late_is_not_kept_and_not_refused",
    "test_slots_are_kept_for_a_time_of_their_own",
    "test_what_is_past_its_time_is_not_linked",
    "test_what_is_past_its_time_takes_no_room",
)
class KeepsEverythingForEver(SharedMemoryStore):
    def __init__(self, config: StoreSettings, memory: Memory | None) -> None:
        super().__init__(config.model_copy(update={"retention": RetentionSettings()}), memory)


class _OneTime(Retention):
    def __init__(self, settings: RetentionSettings) -> None:
        super().__init__(RetentionSettings(default="90d"))  # type: ignore[arg-type]


@caught_by("test_slots_are_kept_for_a_time_of_their_own")
class KeepsAllSlotsForOneTime(_OfItsOwn):
    kind = _OneTime


@caught_by("test_a_write_that_comes_too_late_is_not_kept_and_not_refused")
class RefusesWhatComesTooLate(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        outcome = await super().sync(key, writes, *rest, **clock)
        lacking = {write.slot: "It is late." for write in writes if write.slot == "otp"}
        return changed(outcome, refused={**outcome.refused, **lacking})


@caught_by("test_a_write_that_comes_too_late_leaves_a_newer_one")
class LetsWhatComesTooLateRemoveWhatIsThere(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        _, late = self._retention.arriving(
            {write.slot: SlotState(b"1", write.written_at) for write in writes}, 4e9
        )
        states = self._profile(key).states
        self._profiles[key] = Profile({slot: states[slot] for slot in set(states) - set(late)})
        return await super().sync(key, [] if states else writes, *rest, **clock)


class _WithoutReleases(Retention):
    def seen(self, profile: Profile, now: float, late: News | None = None) -> Profile:
        seen = super().seen(profile, now, late)
        return Profile(
            {slot: state for slot, state in seen.states.items() if state.held or state.erased},
            seen.erased_at,
        )


@caught_by("test_a_release_outlasts_the_value_for_a_write_that_is_late")
class ForgetsReleasesWithTheirValues(_OfItsOwn):
    kind = _WithoutReleases


class _TellingOfErasures(Retention):
    def seen(self, profile: Profile, now: float, late: News | None = None) -> Profile:
        return super().seen(profile, now)


@caught_by("test_a_write_after_an_erasure_is_not_told_to_be_erased_when_its_time_is_past")
class TellsOfAnErasureBeforeAWriteThatIsLate(_OfItsOwn):
    kind = _TellingOfErasures


class _WithoutTombstones(Retention):
    def seen(self, profile: Profile, now: float, late: News | None = None) -> Profile:
        seen = super().seen(profile, now, late)
        return Profile(
            {
                slot: state
                for slot, state in seen.states.items()
                if not self.is_past(slot, state.written_at, now)
            },
            seen.erased_at,
        )


@caught_by("test_what_is_erased_stays_erased_when_its_time_would_be_past")
class PurgesTombstonesLikeValues(_OfItsOwn):
    kind = _WithoutTombstones

    async def forget(self, *arguments: Any, **at: Any) -> Any:
        receipt = await super().forget(*arguments, **at)
        self._profile(arguments[0])
        return receipt


@caught_by("test_the_next_write_counts_again")
class TakesWhatIsPastForErased(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        known = self._profiles.get(key, Profile()).states
        past = {slot for slot in known if slot not in self._profile(key).states}
        kept: list[SlotWrite] = [write for write in writes if write.slot not in past]
        return await super().sync(key, kept, *rest, **clock)
