"""Defects of refusing: too much, too little, or in the wrong words."""

from __future__ import annotations

from typing import Any

from profile_store import (
    Outcome,
    ProfileKey,
    SlotState,
)
from tests.profile_store.broken_stores.defect import caught_by, changed
from tests.profile_store.shared_memory import SharedMemoryStore

News = dict[str, SlotState]


@caught_by(
    "test_a_value_may_be_as_large_as_the_limit_and_no_larger",
    "test_a_value_that_is_not_json_is_refused_and_named_and_the_rest_is_kept",
    "test_a_write_or_release_at_an_impossible_time_is_refused",
    "test_an_impossible_slot_name_is_refused_and_the_rest_is_kept",
)
class RefusesAllForOne(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), releases: Any = (), **clock: Any) -> Outcome:
        trial = SharedMemoryStore(self._config, None)
        trial._reachable = True
        refused = (await trial.sync(key, writes, releases, **clock)).refused
        if refused:
            return Outcome((await super().sync(key)).profile, refused)
        return await super().sync(key, writes, releases, **clock)


@caught_by("test_a_refusal_does_not_repeat_the_value")
class QuotesWhatItRefuses(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        outcome = await super().sync(key, writes, *rest, **clock)
        quoted = {write.slot: f"refused: {write.value!r}" for write in writes}
        return changed(outcome, refused={slot: quoted[slot] for slot in outcome.refused})


@caught_by("test_a_refusal_does_not_repeat_the_value")
class RefusesInSilence(SharedMemoryStore):
    async def sync(self, *arguments: Any, **clock: Any) -> Outcome:
        return changed(await super().sync(*arguments, **clock), refused={})


@caught_by(
    "test_a_full_profile_refuses_a_new_slot_that_comes_alone",
    "test_a_refusal_does_not_repeat_a_value_that_is_too_large",
)
class HasNoLimits(SharedMemoryStore):
    def __init__(self, config: Any, memory: Any) -> None:
        unlimited = config.model_copy(update={"max_slots": 10**6, "max_value_bytes": 10**7})
        super().__init__(unlimited, memory)


@caught_by("test_a_value_of_64_kib_is_kept_by_default")
class HasLowLimits(SharedMemoryStore):
    """Keeps 255 bytes a value and eight slots, and tells nobody."""

    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        short = [write for write in writes if len(repr(write.value)) <= 257][:8]
        return await super().sync(key, short, *rest, **clock)


@caught_by("test_one_users_full_profile_leaves_another_users_alone")
class CountsTheSlotsOfAllUsers(SharedMemoryStore):
    def _within_limit(self, key: ProfileKey, news: News, refused: dict[str, str]) -> Any:
        if sum(map(len, self._profiles.values())) >= self._config.max_slots:
            refused.update(dict.fromkeys(news, "full"))
            return {}
        return super()._within_limit(key, news, refused)


@caught_by("test_a_full_profile_refuses_a_new_slot_and_takes_a_write_to_an_old_one")
class AFullProfileTakesNothing(SharedMemoryStore):
    def _within_limit(self, key: ProfileKey, news: News, refused: dict[str, str]) -> Any:
        if len(self._profile(key)) >= self._config.max_slots:
            refused.update(dict.fromkeys(news, "max_slots"))
            return {}
        return super()._within_limit(key, news, refused)


@caught_by("test_a_write_from_an_odd_conversation_is_kept")
class RefusesOddConversations(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        odd = [write.slot for write in writes if write.source.keepable() is not write.source]
        kept = [write for write in writes if write.slot not in odd]
        outcome = await super().sync(key, kept, *rest, **clock)
        return changed(outcome, refused={**outcome.refused, **dict.fromkeys(odd, "odd")})
