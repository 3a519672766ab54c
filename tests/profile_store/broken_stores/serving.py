"""Defects of serving: outages, other stores, other event loops, and the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from profile_store import Outcome, Profile, SchemaOutdated, SlotWrite, StoreUnavailable
from tests.profile_store.broken_stores.defect import caught_by
from tests.profile_store.shared_memory import Memory, SharedMemoryStore


@caught_by(
    "test_an_outage_is_an_error_and_never_an_empty_profile",
    "test_an_outage_is_told_without_the_value",
)
class TakesAnOutageForAnEmptyProfile(SharedMemoryStore):
    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        reachable, self._reachable = self._reachable, True
        try:
            with super()._in_use():
                yield
        finally:
            self._reachable = reachable


@caught_by("test_an_outage_is_told_without_the_value")
class TellsOfAnOutageByItsDriversError(SharedMemoryStore):
    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        try:
            with super()._in_use():
                yield
        except StoreUnavailable:
            raise ConnectionRefusedError from None


@caught_by("test_an_outage_is_told_without_the_value")
class QuotesWhatItCouldNotStore(SharedMemoryStore):
    async def sync(self, key: Any, writes: Any = (), *rest: Any, **clock: Any) -> Outcome:
        if not self._reachable:
            raise StoreUnavailable(f"{writes} of {key} could not be stored.")
        return await super().sync(key, writes, *rest, **clock)


@caught_by("test_a_store_that_can_be_used_is_healthy")
class IsNeverHealthy(SharedMemoryStore):
    async def health(self) -> None:
        await super().health()
        raise SchemaOutdated("There are no tables.")


@caught_by("test_a_closed_store_refuses")
class ServesAfterItsEnd(SharedMemoryStore):
    def close(self) -> None:
        """Leave it open."""


@caught_by("test_a_store_may_be_closed_twice_and_before_it_was_used")
class CannotBeClosedTwice(SharedMemoryStore):
    def close(self) -> None:
        assert not self._closed
        super().close()


@caught_by("test_what_was_acknowledged_outlives_the_store")
class KeepsNothingAfterItsEnd(SharedMemoryStore):
    def close(self) -> None:
        super().close()
        self._profiles.clear()
        self._histories.clear()


@caught_by(
    "test_a_store_may_be_called_from_any_event_loop",
    "test_a_store_may_be_called_from_many_event_loops_at_once",
)
class IsBoundToOneEventLoop(SharedMemoryStore):
    _loop: asyncio.AbstractEventLoop | None = None

    async def sync(self, *arguments: Any, **clock: Any) -> Outcome:
        self._loop = self._loop or asyncio.get_running_loop()
        assert self._loop is asyncio.get_running_loop()
        return await super().sync(*arguments, **clock)


@caught_by("test_another_store_sees_what_was_acknowledged")
class SeesNoOtherStore(SharedMemoryStore):
    def __init__(self, config: Any, memory: Memory | None) -> None:
        super().__init__(config, memory and Memory())


@caught_by(
    "test_a_closed_store_refuses",
    "test_a_store_sees_what_another_changed_after_it_had_looked",
    "test_what_one_store_forgets_another_has_forgotten",
)
class RemembersWhatItSaw(SharedMemoryStore):
    """Answers from a cache that nobody tells of other processes' writes."""

    def __init__(self, config: Any, memory: Memory | None) -> None:
        super().__init__(config, memory)
        self._seen: dict[Any, Profile] = {}

    async def sync(self, key: Any, *rest: Any, **clock: Any) -> Outcome:
        if not any(rest) and key in self._seen:
            return Outcome(self._seen[key])
        outcome = await super().sync(key, *rest, **clock)
        self._seen[key] = outcome.profile
        return outcome

    async def forget(self, key: Any, *rest: Any, **at: Any) -> Any:
        self._seen.pop(key, None)
        return await super().forget(key, *rest, **at)

    async def link(self, *keys: Any) -> Profile:
        for key in keys:
            self._seen.pop(key, None)
        return await super().link(*keys)


@caught_by("test_every_test_begins_with_an_empty_database")
class SharesOneMemoryWithEverybody(SharedMemoryStore):
    """As when the kit is given one database for all its tests."""

    _everybodys = Memory()

    def __init__(self, config: Any, memory: Memory | None) -> None:
        super().__init__(config, memory and self._everybodys)


@caught_by(
    "test_a_user_who_is_not_known_has_an_empty_profile",
    "test_the_history_of_a_user_who_is_not_known_is_empty",
)
class KnowsOnlyUsersWithAProfile(SharedMemoryStore):
    async def sync(self, key: Any, *rest: Any, **clock: Any) -> Outcome:
        if not any(rest):
            self._profiles[key]
        return await super().sync(key, *rest, **clock)

    async def history(self, key: Any, *rest: Any, **limit: Any) -> list[SlotWrite]:
        self._profiles[key]
        return await super().history(key, *rest, **limit)
