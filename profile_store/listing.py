"""Every profile of a namespace, one after the other, beside servers that go on.

A walk along the primary key: what is held in memory is one batch, however many there are. Each
batch is one look at the database, so that slots and history agree; who writes waits for nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from profile_store import engine, migrate, retention, rows, schema, sealing, statements, values
from profile_store.errors import ValueUnreadable
from profile_store.profile import Profile, ProfileKey, SlotWrite, Source
from profile_store.settings import StoreSettings

BATCH = 50
"""Profiles that are read at once."""


class Kept(msgspec.Struct, frozen=True):
    """A profile with its key as it is stored, and its history, newest first.

    `unreadable` is empty, or tells why what is here is not all of it.
    """

    key: ProfileKey
    profile: Profile
    history: list[SlotWrite]
    unreadable: str


def walk(config: StoreSettings, progress: Callable[[int, int], None]) -> Iterator[Kept]:
    """Yield the profiles of the settings' namespace that hold anything, by their user ids.

    `progress` hears how many are done and how many there were when it began.

    Raises:
        SchemaOutdated: when the tables are of another version.
        StoreUnavailable: when the database cannot be reached, or fails.
    """
    with migrate.connected(migrate.patient(config)) as connection:
        migrate.check(connection)
        sealing.use(connection, sealing.make(config))
        walk = _Walk(connection, config)
        try:
            total = _count(connection, config.namespace)
            progress(0, total)
            done = 0
            for users in _users(connection, config.namespace):
                yield from filter(_holds, walk.read(users))
                done += len(users)
                progress(min(done, total), total)
        except sa.exc.DBAPIError as error:
            raise engine.broken(error, connection.engine.url) from error


def _holds(kept: Kept) -> bool:
    """Return whether there is anything but a row that writers lock."""
    return bool(kept.profile.states or kept.profile.erased_at)


def _count(connection: sa.Connection, namespace: str) -> int:
    counted = sa.select(sa.func.count()).select_from(schema.profile)
    count: int = connection.execute(
        counted.where(schema.profile.c.namespace == namespace)
    ).scalar_one()
    return count


def _users(connection: sa.Connection, namespace: str) -> Iterator[list[str]]:
    user_id = schema.profile.c.user_id
    found = sa.select(user_id).where(schema.profile.c.namespace == namespace)
    found = found.order_by(user_id).limit(BATCH)
    users = list(connection.execute(found).scalars())
    while users:
        yield users
        users = list(connection.execute(found.where(user_id > users[-1])).scalars())


class _Walk:
    def __init__(self, connection: sa.Connection, config: StoreSettings) -> None:
        self._connection = connection
        self._namespace = config.namespace
        offset = engine.clock_offset(connection)
        self._kept = retention.Kept(
            retention.Retention(config.retention), lambda: time.time() + offset
        )

    def read(self, users: list[str]) -> list[Kept]:
        """Return what is kept of users who follow one another."""
        connection = self._connection
        keys = [ProfileKey(self._namespace, user) for user in users]
        with _one_look(connection):
            read = rows.read_profiles(connection, keys)
            past = connection.execute(self._past(users[0], users[-1])).all()
        profiles = {key: self._kept.profile(profile) for key, profile in read.items()}
        reading = _Reading(connection)
        for row in past:
            reading.take(ProfileKey(self._namespace, row.user_id), row)
        return [
            Kept(
                key,
                profiles[key],
                reading.histories.get(key, []),
                next(iter(profiles[key].unreadable.values()), reading.unreadable.get(key, "")),
            )
            for key in keys
        ]

    def _past(self, first: str, last: str) -> sa.Select[Any]:
        """Select the history of such users; a range that the index has at hand."""
        history = schema.profile_slot_history.c
        of_users = (
            history.namespace == self._namespace,
            history.user_id >= first,
            history.user_id <= last,
        )
        return (
            sa.select(schema.profile_slot_history)
            .where(*of_users, *self._kept.rows(history))
            .order_by(history.user_id, history.written_at.desc(), history.slot)
        )


class _Reading:
    def __init__(self, connection: sa.Connection) -> None:
        self._opening = sealing.of(connection)
        self.histories: dict[ProfileKey, list[SlotWrite]] = {}
        self.unreadable: dict[ProfileKey, str] = {}

    def take(self, key: ProfileKey, row: Any) -> None:
        try:
            value = values.decode(self._opening.open(key, row.slot, bytes(row.value)))
        except ValueUnreadable as error:
            self.unreadable[key] = str(error)
            return
        source = Source(row.system, row.action, row.conversation)
        write = SlotWrite(row.slot, value, row.written_at, source)
        self.histories.setdefault(key, []).append(write)


@contextlib.contextmanager
def _one_look(connection: sa.Connection) -> Iterator[None]:
    connection.exec_driver_sql(statements.BEGIN_READING.get(connection.dialect.name, "BEGIN"))
    try:
        yield
    finally:
        # When the connection itself is gone there is nothing left to end.
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            connection.exec_driver_sql("COMMIT")
