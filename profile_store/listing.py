"""Every profile of a namespace, one after the other, beside servers that go on.

A walk along the primary key: what is held in memory is one batch, however many there are. Each
batch is one look at the database, so that slots and history agree; who writes waits for nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from profile_store import engine, migrate, rows, schema, sealing, statements, values
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
        try:
            total = _count(connection, config.namespace)
            progress(0, total)
            done = 0
            for users in _users(connection, config.namespace):
                yield from filter(_holds, _read(connection, config.namespace, users))
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


def _read(connection: sa.Connection, namespace: str, users: list[str]) -> list[Kept]:
    with _one_look(connection):
        keys = [ProfileKey(namespace, user) for user in users]
        profiles = rows.read_profiles(connection, keys)
        past = connection.execute(_past(namespace, users[0], users[-1])).all()
    reading = _Reading(connection)
    for row in past:
        reading.take(ProfileKey(namespace, row.user_id), row)
    return [
        Kept(
            key,
            profiles[key],
            reading.histories.get(key, []),
            next(iter(profiles[key].unreadable.values()), reading.unreadable.get(key, "")),
        )
        for key in keys
    ]


def _past(namespace: str, first: str, last: str) -> sa.Select[Any]:
    """Select the history of users who follow one another; a range that the index has at hand."""
    history = schema.profile_slot_history.c
    return (
        sa.select(schema.profile_slot_history)
        .where(history.namespace == namespace, history.user_id >= first, history.user_id <= last)
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
