"""Profiles as rows: reading and writing them over a connection, inside the caller's transaction."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from profile_store import errors, retention, sealing, statements, upserts, values
from profile_store.prepared import prepare
from profile_store.profile import (
    NEVER,
    UNKNOWN_SOURCE,
    Profile,
    ProfileKey,
    SlotState,
    SlotWrite,
    Source,
)

_MOST_ROWS = 512
"""Rows in one statement of SQLite's: its driver gives up Python's lock and waits for it again for
each execution."""

_KINDS_OF_LENGTH = 3
"""Leading bits of a number of rows for which there is a statement of its own: few are spelled."""

News = Mapping[ProfileKey, Mapping[str, SlotState]]
"""The states that some profiles are to have."""


def read_profiles(
    connection: sa.Connection, keys: Collection[ProfileKey]
) -> dict[ProfileKey, Profile]:
    """Return the profiles of some keys, empty ones for users who are not known."""
    dialect = connection.dialect.name
    opening = sealing.of(connection)
    read = prepare(statements.read_profiles, connection.dialect)
    profiles = {}
    sources: dict[tuple[str | None, ...], Source] = {}
    for namespace, users in statements.by_namespace(keys).items():
        found: dict[str, dict[str, SlotState]] = {user: {} for user in users}
        erased: dict[str, float] = {}
        fetched = read.fetch(
            connection,
            {"namespace": namespace, "users": statements.users_parameter(dialect, users)},
        )
        if dialect in {"mysql", "mariadb"}:
            fetched = [_text(row) for row in fetched]
        keys_of = {user: ProfileKey(namespace, user) for user in users}
        for row in fetched:
            user, slot = row[0], row[2]
            if slot is None:
                erased[user] = row[1]
                continue
            origin = row[7:]
            source = sources.get(origin)
            if source is None:
                source = sources[origin] = Source(*origin)
            value, unreadable = row[_VALUE], ""
            if value:
                try:
                    value = opening.open(keys_of[user], slot, value)
                except errors.ValueUnreadable as error:
                    # The other slots are there; who wants this one hears of it.
                    unreadable = str(error)
            # One name for all profiles: they are kept in memory by the thousand.
            found[user][sys.intern(slot)] = SlotState(
                # written_at, erased, released_at
                value, row[4], bool(row[5]), row[6], source, unreadable
            )  # fmt: skip
        for user, states in found.items():
            profiles[keys_of[user]] = Profile(states, erased.get(user, NEVER))
    return profiles


_VALUE = 3
"""The place of a slot's value in a row of `read_profiles`: bytes that stay bytes."""


def _text(row: Sequence[Any]) -> tuple[Any, ...]:
    """Return a row with its keys as text: MySQL keeps their bytes."""
    return tuple(
        item.decode() if isinstance(item, bytes) and index != _VALUE else item
        for index, item in enumerate(row)
    )


def read_history(
    connection: sa.Connection,
    key: ProfileKey,
    slot: str | None,
    limit: int | None,
    kept: retention.Kept,
) -> list[SlotWrite]:
    """Return what is kept of a profile's history, newest first.

    Raises:
        ValueUnreadable: when a value of it cannot be read: a part would pass for the whole.
    """
    past = read_past(connection, key, kept, slot, limit)
    for _, unreadable in past:
        if unreadable:
            raise errors.ValueUnreadable(unreadable)
    return [write for write, _ in past]


def read_past(
    connection: sa.Connection,
    key: ProfileKey,
    kept: retention.Kept,
    slot: str | None = None,
    limit: int | None = None,
) -> list[tuple[SlotWrite, str]]:
    """Return the same, with the reasons why values cannot be read."""
    opening = sealing.of(connection)
    past = []
    for row in connection.execute(statements.read_history(key, slot, limit, kept.rows)):
        value, unreadable = None, ""
        try:
            value = values.decode(opening.open(key, row.slot, bytes(row.value)))
        except errors.ValueUnreadable as error:
            unreadable = str(error)
        source = Source(row.system, row.action, row.conversation)
        past.append((SlotWrite(row.slot, value, row.written_at, source), unreadable))
    return past


def lock(connection: sa.Connection, keys: Iterable[ProfileKey], erased_at: float = NEVER) -> None:
    """Make sure of the profiles' rows and lock them, in order, so that no two writers deadlock."""
    rows = [(key.namespace, key.user_id, erased_at) for key in sorted(keys)]
    _insert(connection, upserts.lock_profile, upserts.PROFILE_COLUMNS, rows)


def write(connection: sa.Connection, news: News) -> None:
    """Write states, and into the history those that are a new value; the profiles are locked."""
    sealed = sealing.of(connection)
    states, past = _written(news, sealed)
    slot = upserts.write_decided_slot if sealed.seals else upserts.write_slot
    history = upserts.write_decided_history if sealed.seals else upserts.write_history
    _insert(connection, slot, upserts.SLOT_COLUMNS, states)
    _insert(connection, history, upserts.HISTORY_COLUMNS, past)


def write_everything(connection: sa.Connection, news: News) -> None:
    """Lock the profiles and write, in one statement of PostgreSQL's."""
    prepare(upserts.write_everything, connection.dialect).run(
        connection, _everything(connection, news)
    )


def write_everything_newer(
    connection: sa.Connection, news: News
) -> dict[ProfileKey, dict[str, SlotState]]:
    """Do the same with sealed values; return those that are not newer than what is there now."""
    taken = prepare(upserts.write_everything_newer, connection.dialect).fetch(
        connection, _everything(connection, news)
    )
    there = {tuple(row) for row in taken}
    left: dict[ProfileKey, dict[str, SlotState]] = {}
    for key, changed in news.items():
        for slot, state in changed.items():
            if (key.namespace, key.user_id, slot) not in there:
                left.setdefault(key, {})[slot] = state
    return left


def _everything(connection: sa.Connection, news: News) -> dict[str, str]:
    profiles = [(key.namespace, key.user_id, NEVER) for key in sorted(news)]
    states, _ = _written(news, sealing.of(connection))
    return {
        upserts.PROFILES: upserts.as_json(upserts.PROFILE_COLUMNS, profiles),
        upserts.ROWS: upserts.as_json(upserts.SLOT_COLUMNS, states),
    }


def write_history(connection: sa.Connection, key: ProfileKey, writes: Iterable[SlotWrite]) -> None:
    """Put writes into a locked profile's history, in the place of others of their time."""
    sealed = sealing.of(connection)
    past = [
        (key.namespace, key.user_id, write.written_at, write.slot,
         sealed.seal(key, write.slot, values.encode(write.value)), *_origin(write.source))
        for write in writes
    ]  # fmt: skip
    history = upserts.write_decided_history if sealed.seals else upserts.write_history
    _insert(connection, history, upserts.HISTORY_COLUMNS, past)


def _insert(
    connection: sa.Connection,
    statement: Callable[[str], Any],
    columns: Sequence[str],
    rows: list[tuple[Any, ...]],
) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        prepare(statement, connection.dialect).run(
            connection, {upserts.ROWS: upserts.as_json(columns, rows)}
        )
    elif connection.dialect.name == "sqlite":
        done = 0
        while done < len(rows):
            left = min(_MOST_ROWS, len(rows) - done)
            rest = max(0, left.bit_length() - _KINDS_OF_LENGTH)
            size = left >> rest << rest
            prepare(statement, connection.dialect, size).run_flat(
                connection, rows[done : done + size]
            )
            done += size
    else:
        prepare(statement, connection.dialect).run_many(connection, columns, rows)


def _written(
    news: News, sealed: sealing.Sealing
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return states as rows of the slots' table, and new values as rows of the history's."""
    states = []
    past = []
    for key, changed in sorted(news.items()):
        namespace, user_id = key.namespace, key.user_id
        for slot, state in sorted(changed.items()):
            value, written_at, source = state.encoded, state.written_at, state.source
            readable = value and not state.unreadable
            if readable:
                value = sealed.seal(key, slot, value)
            content = (value, source.system, source.action, source.conversation)
            states.append(
                (namespace, user_id, slot, written_at, state.erased, state.released_at, *content)
            )
            if readable:
                past.append((namespace, user_id, written_at, slot, *content))
    return states, past


def _origin(source: Source) -> tuple[str | None, str | None, str | None]:
    return source.system, source.action, source.conversation


def erase_slots(
    connection: sa.Connection,
    key: ProfileKey,
    erasures: Mapping[str, float],
    source: Source = UNKNOWN_SOURCE,
) -> int:
    """Put tombstones in the place of slots that are not newer, and delete their history.

    Returns how many entries of the history that were.
    """
    if not erasures:
        return 0
    write(
        connection,
        {
            key: {
                slot: SlotState(written_at=at, erased=True, source=source)
                for slot, at in erasures.items()
            }
        },
    )
    deleted = connection.execute(
        statements.erase_slot_history(),
        [
            {
                "b_namespace": key.namespace,
                "b_user_id": key.user_id,
                "b_slot": slot,
                "b_erased_at": at,
            }
            for slot, at in sorted(erasures.items())
        ],
    )
    return deleted.rowcount


def erase_profile(connection: sa.Connection, key: ProfileKey, at: float) -> int:
    """Move a profile's erasure to a time, and delete what it covers.

    Returns how many entries of the history that were.
    """
    lock(connection, [key], at)
    covered = {"b_namespace": key.namespace, "b_user_id": key.user_id, "b_erased_at": at}
    history, *slots = statements.erase_everything()
    deleted = connection.execute(history, covered).rowcount
    for statement in slots:
        connection.execute(statement, covered)
    return deleted
