"""Importing: what an export wrote is merged, in small transactions beside servers that write.

It may be done again, and in any order: what is newer stays, and erasures stay erased.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from profile_store import engine, hashing, import_plan, migrate, rows, sealing, wiping
from profile_store import statements as sql
from profile_store.connection import on_the_disk, persistently, transaction
from profile_store.exported import Exported
from profile_store.profile import ProfileKey
from profile_store.retention import Kept, Retention
from profile_store.settings import StoreSettings

BATCH = 50
"""Profiles in one transaction: a few milliseconds for which their writers wait."""


class Imported(msgspec.Struct, frozen=True):
    """What came of one profile: whether it changed, and the slots that are refused, with reasons.

    The name "" stands for the profile itself.
    """

    changed: bool
    refused: Mapping[str, str]


class Importer:
    """Merges profiles into a SQL database, over a connection of its own."""

    def __init__(self, connection: sa.Connection, config: StoreSettings) -> None:
        self._connection = connection
        self._config = config
        self._identities = hashing.make(config)
        self._hashed_with = hashing.fingerprint(config)
        self._clock_offset = engine.clock_offset(connection)
        self._retention = Retention(config.retention)
        self._kept = Kept(self._retention, self.now)
        self.has_erased = False
        """Whether something that was kept may have gone for good."""
        self.remains = ""
        """What keeps its bytes in SQLite's files, in words, once all is imported."""

    def now(self) -> float:
        """Return the time on the database's clock in seconds."""
        return time.time() + self._clock_offset

    def stored(self, arriving: Exported, namespace: str) -> Exported:
        """Return a profile as it is stored in a namespace, its ids hashed where that is wanted.

        Raises:
            InvalidExport: when its id is a hash that nobody could find there.
        """
        arriving = self._in_time(arriving)
        key = import_plan.place(arriving, namespace, self._hashed_with)
        if key is None:
            key = self._identities.stored(ProfileKey(namespace, arriving.key.user_id))
        if arriving.hashed is not None:
            return msgspec.structs.replace(arriving, key=key)
        source = self._identities.source
        replace = msgspec.structs.replace
        return replace(
            arriving,
            key=key,
            states={
                slot: replace(state, source=source(state.source))
                for slot, state in arriving.states.items()
            },
            history=[replace(write, source=source(write.source)) for write in arriving.history],
        )

    def _in_time(self, arriving: Exported) -> Exported:
        """Return a profile without what is past its time; erasures stay as long as purges let."""
        if not self._retention.limits:
            return arriving
        now = self.now()
        alive = {slot: state for slot, state in arriving.states.items() if not state.erased}
        erased = {slot: state for slot, state in arriving.states.items() if state.erased}
        in_time, _ = self._retention.arriving(alive, now)
        return msgspec.structs.replace(
            arriving,
            states={**in_time, **erased},
            history=self._retention.history(arriving.history, now),
        )

    def merge(self, batch: Sequence[Exported], *, dry_run: bool = False) -> list[Imported]:
        """Merge profiles of different users, all or none; a dry run only tells what would change.

        Raises:
            StoreUnavailable: when the database fails; the batch may be imported again.
        """
        try:
            return persistently(lambda: self._merge(batch, dry_run))
        except sa.exc.DBAPIError as error:
            raise engine.broken(error, self._connection.engine.url) from error

    def _merge(self, batch: Sequence[Exported], dry_run: bool) -> list[Imported]:
        changes = self._plan(batch)
        # Whoever brings nothing new is not locked, nor made when unknown.
        places = [index for index, change in enumerate(changes) if change.changes]
        if places and not dry_run:
            began = time.monotonic()
            some = [batch[index] for index in places]
            with self._as_it_must_last(changes), transaction(self._connection):
                rows.lock(self._connection, [arriving.key for arriving in some])
                again = self._plan(some)
                self._write(some, again)
                if any(change.erases for change in again):
                    wiping.mark(self._connection)
                    self.has_erased = True
            for index, change in zip(places, again, strict=True):
                changes[index] = change
            # Half of the time is the servers': SQLite has one writer, and no queue.
            time.sleep(time.monotonic() - began)
        return [Imported(change.changes, change.refused) for change in changes]

    def _as_it_must_last(
        self, changes: Sequence[import_plan.Change]
    ) -> contextlib.AbstractContextManager[None]:
        """Let erasures wait for the disk; values that a power cut takes are imported again."""
        if any(change.erases for change in changes):
            return on_the_disk(self._connection)
        return contextlib.nullcontext()

    def _plan(self, batch: Sequence[Exported]) -> list[import_plan.Change]:
        profiles = rows.read_profiles(self._connection, [arriving.key for arriving in batch])
        return [
            import_plan.plan(
                self._kept.profile(profiles[arriving.key]),
                rows.read_past(self._connection, arriving.key, self._kept),
                arriving,
                self._config.max_slots,
            )
            for arriving in batch
        ]

    def _write(self, batch: Sequence[Exported], changes: Sequence[import_plan.Change]) -> None:
        news = {}
        for arriving, change in zip(batch, changes, strict=True):
            if change.erased_at:
                rows.erase_profile(self._connection, arriving.key, change.erased_at)
            if change.news:
                news[arriving.key] = change.news
        if news:
            rows.write(self._connection, news)
        for arriving, change in zip(batch, changes, strict=True):
            if change.covered:
                self._connection.execute(
                    sql.erase_slot_history(), _parameters(arriving.key, change.covered)
                )
            rows.write_history(self._connection, arriving.key, change.history)


def _parameters(key: ProfileKey, covered: Mapping[str, float]) -> list[dict[str, object]]:
    return [
        {
            "b_namespace": key.namespace,
            "b_user_id": key.user_id,
            "b_slot": slot,
            "b_erased_at": at,
        }
        for slot, at in sorted(covered.items())
    ]


@contextlib.contextmanager
def opened(config: StoreSettings) -> Iterator[Importer]:
    """Yield what imports into the database that some settings name; SQLite makes its tables.

    Raises:
        InvalidSettings: when there are keys, and the extra `encryption` is not installed.
        SchemaOutdated: when the tables are missing or of another version.
        StoreUnavailable: when the database cannot be reached.
    """
    with migrate.connected(migrate.patient(config)) as connection:
        if connection.dialect.name == "sqlite":
            migrate.upgrade_connection(connection)
        migrate.check(connection)
        sealing.use(connection, sealing.make(config))
        importer = Importer(connection, config)
        yield importer
        if importer.has_erased and connection.dialect.name == "sqlite":
            # It is in no file any more either, unless others are at work: then a server sees to it.
            importer.remains = wiping.finish(connection)
