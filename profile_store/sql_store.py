"""The store on SQLite, PostgreSQL, MySQL or MariaDB."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar
from weakref import WeakSet

import msgspec
import sqlalchemy as sa

from profile_store import (
    arrivals,
    committing,
    erasure,
    errors,
    export,
    hashing,
    linking,
    merge,
    migrate,
    recent,
    rows,
    settings,
)
from profile_store.batching import Batcher
from profile_store.connection import DatabaseConnection, on_the_disk
from profile_store.housekeeping import Housekeeping
from profile_store.metering import Observer
from profile_store.profile import (
    Outcome,
    Profile,
    ProfileKey,
    Receipt,
    Release,
    SlotWrite,
)
from profile_store.retention import Kept, Retention
from profile_store.serving import News, Serving, Sync, Task
from profile_store.store import ProfileStore

Answer = TypeVar("Answer")


class SQLProfileStore(ProfileStore):
    """Profiles in a SQL database, over one connection and one worker thread a process.

    Nothing connects before the first call, so that a store can be made before a fork. See
    `ProfileStore` for what each method does and raises.
    """

    def __init__(self, config: settings.StoreSettings) -> None:
        self._config = config
        self._database = DatabaseConnection(config)
        self._identities = hashing.make(config)
        retention = Retention(config.retention)
        self._kept = Kept(retention, self._database.now)
        self._housekeeping = Housekeeping(config, self._database, retention)
        self._serving = Serving(self._database, self._kept, config.max_slots)
        self._batcher: Batcher[Sync | Task] = Batcher(
            self._serving.serve,
            closed=self._database.drop,
            queue_size=config.queue_size,
            batch_size=config.batch_size,
            timeout=config.timeout,
            between=self._housekeeping.between_batches(),
        )
        self._looked: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

    def observe(self, observer: Observer | None) -> None:
        """Let an observer hear of the store's work from now on, in place of any before it."""
        self._batcher.observer = self._serving.observer = observer

    async def sync(
        self,
        key: ProfileKey,
        writes: Sequence[SlotWrite] = (),
        releases: Sequence[Release] = (),
        *,
        clock: float | None = None,
    ) -> Outcome:
        refused: dict[str, str] = {}
        news: News = {}
        late: News | None = None
        try:
            self._database.fail_fast()
            if writes or releases:
                news = arrivals.states(
                    writes,
                    releases,
                    refused,
                    clock=clock,
                    now=self._database.now(),
                    max_value_bytes=self._config.max_value_bytes,
                    stored_source=self._identities.source,
                )
                news, late = self._kept.arriving(news)
            request = Sync(self._identities.stored(key), news, refused, late)
            known = self._from_memory(request)
            if known is not None:
                return Outcome(self._kept.profile(known, late), refused)
            outcome: Outcome = await self._batcher.submit(request)
        except errors.ProfileStoreError as error:
            self._tell(error)
            raise
        return outcome

    async def forget(
        self,
        key: ProfileKey,
        slots: Collection[str] | None = None,
        *,
        at: float,
        clock: float | None = None,
    ) -> Receipt:
        at = arrivals.erased_at(at, clock=clock, now=self._database.now())
        named = None if slots is None else frozenset(slots)
        for slot in named or ():
            arrivals.check_slot(slot)
        stored = self._identities.stored(key)

        def forget(connection: sa.Connection) -> Receipt:
            recent.of(connection).discard(stored)
            with on_the_disk(connection):
                receipt = erasure.forget(connection, stored, named, at)
                remains = self._housekeeping.wipe(connection)
            return msgspec.structs.replace(
                receipt, done_at=self._database.now(), bytes_gone=not remains, remains=remains
            )

        receipt = await self._task(forget)
        return msgspec.structs.replace(receipt, key=key)

    async def link(self, source: ProfileKey, target: ProfileKey) -> Profile:
        if source == target:
            return await self.fetch(target)
        source, target = self._identities.stored(source), self._identities.stored(target)

        def link(connection: sa.Connection) -> Profile:
            recent.of(connection).discard(source)
            recent.of(connection).discard(target)
            with on_the_disk(connection):
                return linking.link(connection, source, target, self._config.max_slots, self._kept)

        return await self._task(link)

    async def history(
        self, key: ProfileKey, slot: str | None = None, *, limit: int | None = 100
    ) -> list[SlotWrite]:
        if slot is not None:
            arrivals.check_slot(slot)
        stored = self._identities.stored(key)
        return await self._task(
            lambda connection: rows.read_history(connection, stored, slot, limit, self._kept)
        )

    async def export(self, key: ProfileKey) -> dict[str, Any]:
        stored = self._identities.stored(key)
        exported = await self._task(
            lambda connection: export.export(connection, stored, self._kept)
        )
        return {**exported, "user_id": key.user_id}

    async def health(self) -> None:
        await self._task(migrate.check)

    def close(self) -> None:
        self._batcher.close()
        self._database.close()

    async def _task(self, run: Callable[[sa.Connection], Answer]) -> Answer:
        try:
            self._database.fail_fast()
            answer: Answer = await self._batcher.submit(Task(run))
        except errors.ProfileStoreError as error:
            self._tell(error)
            raise
        return answer

    def _tell(self, error: errors.ProfileStoreError) -> None:
        if self._batcher.observer is not None:
            self._batcher.observer.failed(error)

    def _from_memory(self, request: Sync) -> Profile | None:
        """Return a profile that is known and stays as it is, unless the worker is at work.

        Waking it, and being woken by it, costs more than all the rest of such a call.
        """
        if not self._database.lock.acquire(blocking=False):
            return None
        try:
            connection = self._database.peek()
            basis = None if connection is None else committing.remembered(connection, request.key)
            if connection is None or basis is None:
                return None
            if request.news:
                request.basis = basis
                request.changes = merge.changes(basis, request.news)
                if request.changes:
                    return None
            return basis if self._is_current(connection) else None
        finally:
            self._database.lock.release()

    def _is_current(self, connection: sa.Connection) -> bool:
        """Return whether nobody else has written, as of this turn of the event loop.

        Looking takes longer than all the rest of a call that is answered from memory. All calls of
        a turn had arrived when it began: one look is late enough for each of them.
        """
        loop = asyncio.get_running_loop()
        if loop not in self._looked:
            if not (self._database.is_in_place() and committing.is_current(connection)):
                return False
            self._looked.add(loop)
            loop.call_soon(self._looked.discard, loop)
        return True
