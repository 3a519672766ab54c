"""Profiles as rows: reading and writing them over a connection, inside the caller's transaction."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from profile_store import statements, upserts, values
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

_MOST_ROWS = 64
"""Rows in one statement of SQLite's: its driver gives up Python's lock and waits for it again for
each execution, and older libraries take no more than 999 values."""

News = Mapping[ProfileKey, Mapping[str, SlotState]]
"""The states that some profiles are to have."""


def read_profiles(
    connection: sa.Connection, keys: Collection[ProfileKey]
) -> dict[ProfileKey, Profile]:
    """Return the profiles of some keys, empty ones for users who are not known."""
    dialect = connection.dialect.name
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
        for row in fetched:
            user, slot = row[0], row[2]
            if slot is None:
                erased[user] = row[1]
                continue
            origin = row[7:]
            source = sources.get(origin)
            if source is None:
                source = sources[origin] = Source(*origin)
            # value, written_at, erased, released_at
            # One name for all profiles: they are kept in memory by the thousand.
            found[user][sys.intern(slot)] = SlotState(row[3], row[4], bool(row[5]), row[6], source)
        for user, states in found.items():
            profiles[ProfileKey(namespace, user)] = Profile(states, erased.get(user, NEVER))
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
    connection: sa.Connection, key: ProfileKey, slot: str | None, limit: int | None
) -> list[SlotWrite]:
    """Return a profile's history, newest first."""
    return [
        SlotWrite(
            row.slot,
            values.decode(bytes(row.value)),
            row.written_at,
            Source(row.system, row.action, row.conversation),
        )
        for row in connection.execute(statements.read_history(key, slot, limit))
    ]


def lock(connection: sa.Connection, keys: Iterable[ProfileKey], erased_at: float = NEVER) -> None:
    """Make sure of the profiles' rows and lock them, in order, so that no two writers deadlock."""
    rows = [(key.namespace, key.user_id, erased_at) for key in sorted(keys)]
    _insert(connection, upserts.lock_profile, upserts.PROFILE_COLUMNS, rows)


def write(connection: sa.Connection, news: News) -> None:
    """Write states, and into the history those that are a new value; the profiles are locked."""
    states, past = _written(news)
    _insert(connection, upserts.write_slot, upserts.SLOT_COLUMNS, states)
    _insert(connection, upserts.write_history, upserts.HISTORY_COLUMNS, past)


def write_everything(connection: sa.Connection, news: News) -> None:
    """Lock the profiles and write, in one statement of PostgreSQL's."""
    profiles = [(key.namespace, key.user_id, NEVER) for key in sorted(news)]
    states, _ = _written(news)
    prepare(upserts.write_everything, connection.dialect).run(
        connection,
        {
            **_lists(upserts.PROFILE_COLUMNS, profiles, upserts.PROFILES_PREFIX),
            **_lists(upserts.SLOT_COLUMNS, states),
        },
    )


def write_history(connection: sa.Connection, key: ProfileKey, writes: Iterable[SlotWrite]) -> None:
    """Put writes into a profile's history that are not there yet."""
    past = [
        (key.namespace, key.user_id, write.written_at, write.slot, values.encode(write.value),
         *_origin(write.source))
        for write in writes
    ]  # fmt: skip
    _insert(connection, upserts.write_history, upserts.HISTORY_COLUMNS, past)


def _insert(
    connection: sa.Connection,
    statement: Callable[[str], Any],
    columns: Sequence[str],
    rows: list[tuple[Any, ...]],
) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        prepare(statement, connection.dialect).run(connection, _lists(columns, rows))
    elif connection.dialect.name == "sqlite":
        done = 0
        while done < len(rows):
            # A power of two, so that there are few statements to spell.
            size = min(_MOST_ROWS, 1 << ((len(rows) - done).bit_length() - 1))
            prepare(statement, connection.dialect, size).run_flat(
                connection, rows[done : done + size]
            )
            done += size
    else:
        prepare(statement, connection.dialect).run_many(connection, columns, rows)


def _lists(
    columns: Sequence[str], rows: list[tuple[Any, ...]], prefix: str = ""
) -> dict[str, list[Any]]:
    lists = zip(*rows, strict=True)
    return {prefix + column: list(items) for column, items in zip(columns, lists, strict=True)}


def _written(news: News) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return states as rows of the slots' table, and new values as rows of the history's."""
    states = []
    past = []
    for key, changed in sorted(news.items()):
        for slot, state in sorted(changed.items()):
            content = (state.encoded, *_origin(state.source))
            states.append(
                (key.namespace, key.user_id, slot, state.written_at, state.erased,
                 state.released_at, *content)
            )  # fmt: skip
            if state.held:
                past.append((key.namespace, key.user_id, state.written_at, slot, *content))
    return states, past


def _origin(source: Source) -> tuple[str | None, str | None, str | None]:
    return source.system, source.action, source.conversation


def erase_slots(
    connection: sa.Connection,
    key: ProfileKey,
    erasures: Mapping[str, float],
    source: Source = UNKNOWN_SOURCE,
) -> None:
    """Put tombstones in the place of slots that are not newer, and delete their history."""
    if not erasures:
        return
    write(
        connection,
        {
            key: {
                slot: SlotState(written_at=at, erased=True, source=source)
                for slot, at in erasures.items()
            }
        },
    )
    connection.execute(
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


def erase_profile(connection: sa.Connection, key: ProfileKey, at: float) -> None:
    """Move a profile's erasure to a time, and delete what it covers."""
    lock(connection, [key], at)
    for statement in statements.erase_everything():
        connection.execute(
            statement, {"b_namespace": key.namespace, "b_user_id": key.user_id, "b_erased_at": at}
        )
