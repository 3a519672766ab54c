"""Defects of keeping: what comes back is not what was stored, or somebody else's."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from profile_store import (
    Outcome,
    Profile,
    ProfileKey,
    Receipt,
    SlotState,
    SlotWrite,
    values,
)
from tests.profile_store.broken_stores.defect import caught_by, changed
from tests.profile_store.shared_memory import SharedMemoryStore

News = dict[str, SlotState]


@caught_by(
    "test_a_write_within_five_minutes_of_the_database_keeps_its_time",
    "test_times_are_kept_to_the_last_bit",
)
class KeepsTimesToTheMillisecond(SharedMemoryStore):
    def _merge(self, key: ProfileKey, news: News) -> Profile:
        return super()._merge(
            key,
            {
                slot: changed(state, written_at=round(state.written_at, 3))
                for slot, state in news.items()
            },
        )


@caught_by("test_a_json_value_comes_back_as_it_was")
class KeepsNumbersAsFloats(SharedMemoryStore):
    def _merge(self, key: ProfileKey, news: News) -> Profile:
        return super()._merge(
            key,
            {
                slot: changed(state, encoded=values.encode(float(state.value)))
                if isinstance(state.value, int)
                else state
                for slot, state in news.items()
            },
        )


@caught_by("test_an_export_is_json")
class KeepsAsciiOnly(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        for write in writes:
            if isinstance(write.value, str) and not write.value.isascii():
                raise ValueError("not ASCII")
        return await super().sync(key, writes, *rest, **clock)


@caught_by(
    "test_a_store_does_what_the_model_does",
    "test_users_who_differ_only_in_case_spaces_or_accents_are_different",
)
class TakesUsersOfAnyCaseForOne(SharedMemoryStore):
    def _folded(self, key: ProfileKey) -> ProfileKey:
        return ProfileKey(key.namespace, key.user_id.casefold())

    async def sync(self, key: Any, *rest: Any, **clock: Any) -> Outcome:
        return await super().sync(self._folded(key), *rest, **clock)

    async def history(self, key: Any, *rest: Any, **limit: Any) -> list[SlotWrite]:
        return await super().history(self._folded(key), *rest, **limit)

    async def forget(self, key: Any, *rest: Any, **at: Any) -> Receipt:
        return await super().forget(self._folded(key), *rest, **at)

    async def link(self, source: Any, target: Any) -> Profile:
        return await super().link(self._folded(source), self._folded(target))


@caught_by("test_slots_that_differ_only_in_case_spaces_or_accents_are_different")
class TakesSlotsOfAnyCaseForOne(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        folded = [changed(write, slot=write.slot.casefold().strip()) for write in writes]
        return await super().sync(key, folded, *rest, **clock)


@caught_by(
    "test_an_impossible_slot_name_is_refused_and_the_rest_is_kept",
    "test_an_odd_slot_name_is_a_name_like_any_other",
    "test_an_odd_user_id_is_a_key_like_any_other",
)
class CutsKeys(SharedMemoryStore):
    """Keeps the first 100 characters, as a column does that is too narrow."""

    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        key = ProfileKey(key.namespace[:40], key.user_id[:100])
        cut = [changed(write, slot=write.slot[:100]) for write in writes]
        return await super().sync(key, cut, *rest, **clock)


@caught_by(
    "test_an_odd_namespace_is_a_namespace_like_any_other",
    "test_two_namespaces_do_not_see_each_other",
)
class KnowsNoNamespaces(SharedMemoryStore):
    async def sync(self, key: Any, *rest: Any, **clock: Any) -> Outcome:
        return await super().sync(ProfileKey("bank", key.user_id), *rest, **clock)


@caught_by("test_two_users_do_not_see_each_other")
class MixesUsersUp(SharedMemoryStore):
    """Answers callers at once with one another's profiles."""

    _last: ProfileKey | None = None

    async def sync(self, key: Any, *rest: Any, **clock: Any) -> Outcome:
        outcome = await super().sync(self._last or key, *rest, **clock)
        self._last = key
        await asyncio.sleep(0)
        self._last = None
        return outcome


@caught_by(
    "test_a_closed_store_refuses",
    "test_an_impossible_slot_name_cannot_be_asked_for",
)
class LooksSlotsUpUnchecked(SharedMemoryStore):
    async def forget(self, key: Any, slots: Any = None, **at: Any) -> Receipt:
        with contextlib.suppress(Exception):
            return await super().forget(key, slots, **at)
        return Receipt(key, (), 0.0)

    async def history(self, key: Any, *rest: Any, **limit: Any) -> list[SlotWrite]:
        with contextlib.suppress(Exception):
            return await super().history(key, *rest, **limit)
        return []
