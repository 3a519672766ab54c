"""Removing what is past its time, while servers go on reading and writing.

A walk along one namespace's profiles in small transactions. Each locks the profiles as a writer
does, and removes only rows that are still as they were read, so a server's newer write is never
touched; two walks at once do no harm, and one that is killed has done what it has done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from profile_store import engine, migrate, schema, wiping
from profile_store import rows as profile_rows
from profile_store.connection import persistently, transaction
from profile_store.profile import NEVER, ProfileKey
from profile_store.retention import Retention
from profile_store.settings import StoreSettings

PROFILES = 50
"""Profiles read at a time."""

BATCH = 200
"""Rows removed in one transaction: a few milliseconds for which writers of them wait."""

_NAMESPACE: sa.BindParameter[str] = sa.bindparam("b_namespace")
_USER: sa.BindParameter[str] = sa.bindparam("b_user_id")


class Purged(NamedTuple):
    """How many values, entries of histories and whole profiles went, or would go in a dry run.

    `bytes_gone` and `remains` are as in a `Receipt`.
    """

    values: int = 0
    history: int = 0
    profiles: int = 0
    bytes_gone: bool = False
    remains: str = ""


def purge(
    config: StoreSettings, progress: Callable[[int, int], None], *, dry_run: bool = False
) -> Purged:
    """Remove what is past its time from the namespace that some settings name.

    Those are values, history and marks of erasures older than `retention` says, and profiles of
    which nothing is left. `progress` hears how many profiles are done and how many there are.

    Raises:
        SchemaOutdated: when the tables are of another version.
        StoreUnavailable: when the database cannot be reached, or fails.
    """
    patient = config.model_copy(update={"timeout": migrate.PATIENCE})
    with migrate.connected(patient) as connection:
        migrate.check(connection)
        now = time.time() + engine.clock_offset(connection)
        walk = Walk(Retention(config.retention), config.namespace, dry_run=dry_run)
        total = _count(connection, config.namespace)
        done = 0
        progress(done, total)
        while not walk.ended:
            began = time.monotonic()
            done = min(done + walk.step(connection, now, PROFILES), total)
            progress(done, total)
            if not dry_run:
                # Half of the time is the servers': SQLite has one writer, and lets nobody queue.
                time.sleep(time.monotonic() - began)
        progress(total, total)
        if dry_run:
            return walk.purged
        remains = wiping.finish(connection)
        return walk.purged._replace(bytes_gone=not remains, remains=remains)


def _count(connection: sa.Connection, namespace: str) -> int:
    profile = schema.profile
    counted = sa.select(sa.func.count()).select_from(profile)
    count: int = connection.execute(counted.where(profile.c.namespace == namespace)).scalar_one()
    return count


class Walk:
    """A walk along a namespace, a few profiles a step; it begins again when it has ended."""

    def __init__(self, retention: Retention, namespace: str, *, dry_run: bool = False) -> None:
        self._retention = retention
        self._namespace = namespace
        self._dry_run = dry_run
        self._last = ""
        self.purged = Purged()
        self.changed: set[ProfileKey] = set()
        """The profiles of which the last step removed something."""
        self.ended = False

    def step(self, connection: sa.Connection, now: float, profiles: int) -> int:
        """Purge the next profiles as of a time in seconds; return how many there were."""
        self.ended = False
        self.changed = set()
        found = self._next(connection, profiles)
        if found:
            self._last = found[-1].user_id
            past = self._past(connection, found, now)
            if self._dry_run:
                values = len(past.values) + len(past.asleep)
                self._add(values, len(past.history), len(past.profiles))
            else:
                for statement, batch in past.batches():
                    self._remove(connection, statement, batch)
        if len(found) < profiles:
            self._last, self.ended = "", True
        return len(found)

    def _next(self, connection: sa.Connection, profiles: int) -> Sequence[Any]:
        profile = schema.profile.c
        found = sa.select(profile.user_id, profile.erased_at).where(
            profile.namespace == self._namespace, profile.user_id > self._last
        )
        return connection.execute(found.order_by(profile.user_id).limit(profiles)).all()

    def _past(self, connection: sa.Connection, found: Sequence[Any], now: float) -> _Past:
        """Return the rows of some profiles that are past their time."""
        past = _Past()
        is_past = self._retention.is_past
        users = [row.user_id for row in found]
        left = set()
        slot = schema.profile_slot.c
        states = self._rows_of(
            users, slot.user_id, slot.slot, slot.written_at, slot.erased, slot.released_at
        )
        for row in connection.execute(states):
            place = self._place(row.user_id, row.slot, row.written_at)
            as_read = {**place, "b_erased": row.erased, "b_released_at": row.released_at}
            held = row.written_at > NEVER and not row.erased
            released = not is_past(row.slot, row.released_at, now)
            if not is_past(row.slot, row.written_at, now) or (
                row.erased and not self._retention.is_erasure_past(row.written_at, now)
            ):
                left.add(row.user_id)
            elif not released:
                (past.values if held else past.marks).append(as_read)
            else:
                # A write that it holds for may be on its way yet.
                left.add(row.user_id)
                if held:
                    past.asleep.append(as_read)
        history = schema.profile_slot_history.c
        writes = self._rows_of(users, history.user_id, history.slot, history.written_at)
        for row in connection.execute(writes):
            if is_past(row.slot, row.written_at, now):
                past.history.append(self._place(row.user_id, row.slot, row.written_at))
            else:
                left.add(row.user_id)
        for row in found:
            erased = row.erased_at > NEVER
            kept = erased and not self._retention.is_erasure_past(row.erased_at, now)
            if not kept and row.user_id not in left:
                past.profiles.append(
                    {
                        "b_namespace": self._namespace,
                        "b_user_id": row.user_id,
                        "b_erased_at": row.erased_at,
                    }
                )
        return past

    def _rows_of(self, users: list[str], *columns: Any) -> sa.Select[Any]:
        table = columns[0].table
        return sa.select(*columns).where(
            table.c.namespace == self._namespace, table.c.user_id.in_(users)
        )

    def _place(self, user_id: str, slot: str, written_at: float) -> dict[str, Any]:
        return {
            "b_namespace": self._namespace,
            "b_user_id": user_id,
            "b_slot": slot,
            "b_written_at": written_at,
        }

    def _remove(
        self, connection: sa.Connection, statement: Any, batch: list[dict[str, Any]]
    ) -> None:
        keys = {ProfileKey(self._namespace, row["b_user_id"]) for row in batch}

        def remove() -> int:
            with transaction(connection):
                profile_rows.lock(connection, keys)
                removed: int = connection.execute(statement, batch).rowcount
                wiping.mark(connection)
            return removed

        removed = persistently(remove)
        self.changed |= keys
        self._add(
            removed if statement is _DELETE_VALUES or statement is _LEAVE_RELEASES else 0,
            removed if statement is _DELETE_HISTORY else 0,
            removed if statement is _DELETE_PROFILES else 0,
        )

    def _add(self, values: int, history: int, profiles: int) -> None:
        done = self.purged
        self.purged = Purged(done.values + values, done.history + history, done.profiles + profiles)


class _Past:
    """Rows that are past their time, by what is to be done about them."""

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.values: list[dict[str, Any]] = []
        self.asleep: list[dict[str, Any]] = []
        """Values of which the release stays."""
        self.marks: list[dict[str, Any]] = []
        self.profiles: list[dict[str, Any]] = []

    def batches(self) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
        """Yield what is to be done, in parts small enough for one transaction."""
        for statement, all_rows in (
            (_DELETE_HISTORY, self.history),
            (_DELETE_VALUES, self.values),
            (_LEAVE_RELEASES, self.asleep),
            (_DELETE_MARKS, self.marks),
            (_DELETE_PROFILES, self.profiles),
        ):
            for begin in range(0, len(all_rows), BATCH):
                yield statement, all_rows[begin : begin + BATCH]


def _of_place(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.namespace == _NAMESPACE,
        table.c.user_id == _USER,
        table.c.slot == sa.bindparam("b_slot"),
        table.c.written_at == sa.bindparam("b_written_at"),
    )


_slot, _history, _profile = schema.profile_slot, schema.profile_slot_history, schema.profile
_AS_READ = (
    *_of_place(_slot),
    _slot.c.erased == sa.bindparam("b_erased"),
    _slot.c.released_at == sa.bindparam("b_released_at"),
)
_DELETE_VALUES = sa.delete(_slot).where(*_AS_READ)
_DELETE_MARKS = sa.delete(_slot).where(*_AS_READ)
_LEAVE_RELEASES = (
    sa.update(_slot)
    .where(*_AS_READ)
    .values(value=b"", written_at=NEVER, system=None, action=None, conversation=None)
)
_DELETE_HISTORY = sa.delete(_history).where(*_of_place(_history))
_DELETE_PROFILES = sa.delete(_profile).where(
    _profile.c.namespace == _NAMESPACE,
    _profile.c.user_id == _USER,
    _profile.c.erased_at == sa.bindparam("b_erased_at"),
    *(
        ~sa.exists().where(
            table.c.namespace == _profile.c.namespace, table.c.user_id == _profile.c.user_id
        )
        for table in (_slot, _history)
    ),
)
