"""Profiles as rows: reading and writing them over a connection, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from profile_store import statements, values
from profile_store.profile import (
    NEVER,
    UNKNOWN_SOURCE,
    Profile,
    ProfileKey,
    SlotState,
    SlotWrite,
    Source,
)


def read_profiles(
    connection: sa.Connection, keys: Collection[ProfileKey]
) -> dict[ProfileKey, Profile]:
    """Return the profiles of some keys, empty ones for users who are not known."""
    dialect = connection.dialect.name
    profiles = {}
    for namespace, users in statements.by_namespace(keys).items():
        found: dict[str, dict[str, SlotState]] = {}
        erased: dict[str, float] = {}
        result = connection.execute(
            statements.read_profiles(dialect),
            {"namespace": namespace, "users": statements.users_parameter(dialect, users)},
        )
        for (
            user,
            erased_at,
            slot,
            value,
            written_at,
            is_erased,
            released_at,
            system,
            action,
            conversation,
        ) in result:
            if slot is None:
                erased[user] = erased_at
                continue
            found.setdefault(user, {})[slot] = SlotState(
                bytes(value),
                written_at,
                bool(is_erased),
                released_at,
                Source(system, action, conversation),
            )
        for user in users:
            profiles[ProfileKey(namespace, user)] = Profile(
                found.get(user), erased.get(user, NEVER)
            )
    return profiles


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
    _insert(
        connection,
        statements.lock_profile,
        [
            {"namespace": key.namespace, "user_id": key.user_id, "erased_at": erased_at}
            for key in sorted(keys)
        ],
    )


def _insert(
    connection: sa.Connection, statement: Callable[[str], Any], rows: list[dict[str, Any]]
) -> None:
    if rows:
        dialect = connection.dialect.name
        connection.execute(statement(dialect), statements.rows_parameter(dialect, rows))


def write(connection: sa.Connection, news: Mapping[ProfileKey, Mapping[str, SlotState]]) -> None:
    """Write states, and into the history those that are a new value; the profiles are locked."""
    states = []
    past = []
    for key, changed in sorted(news.items()):
        for slot, state in sorted(changed.items()):
            row = _row(key, slot, state.encoded, state.written_at, state.source)
            states.append({**row, "erased": state.erased, "released_at": state.released_at})
            if state.held:
                past.append(row)
    _insert(connection, statements.write_slot, states)
    _insert(connection, statements.write_history, past)


def write_history(connection: sa.Connection, key: ProfileKey, writes: Iterable[SlotWrite]) -> None:
    """Put writes into a profile's history that are not there yet."""
    past = [
        _row(key, write.slot, values.encode(write.value), write.written_at, write.source)
        for write in writes
    ]
    _insert(connection, statements.write_history, past)


def _row(
    key: ProfileKey, slot: str, encoded: bytes, written_at: float, source: Source
) -> dict[str, Any]:
    return {
        "namespace": key.namespace,
        "user_id": key.user_id,
        "slot": slot,
        "value": encoded,
        "written_at": written_at,
        "system": source.system,
        "action": source.action,
        "conversation": source.conversation,
    }


def erase_slots(connection: sa.Connection, key: ProfileKey, erasures: Mapping[str, float]) -> None:
    """Put tombstones in the place of slots that are not newer, and delete their history."""
    if not erasures:
        return
    write(
        connection,
        {
            key: {
                slot: SlotState(written_at=at, erased=True, source=UNKNOWN_SOURCE)
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
