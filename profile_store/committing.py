"""Reading profiles and writing what changes in them, each database in its cheapest safe way.

Between the read and the write another process may have written or erased. Slots are safe, for the
upsert itself keeps the newest; but nothing that was erased meanwhile may get into the history.
Sealed values are never twice alike, and the upsert cannot settle which of two at one time stays:
that is decided here, on the values themselves, with the profile locked.
What is returned is the profile as of the read, with the caller's own changes: on PostgreSQL, what
another process wrote in between is seen by the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import sqlalchemy as sa

from profile_store import driver, merge, recent, rows, sealing
from profile_store.connection import transaction
from profile_store.profile import Profile, ProfileKey, SlotState

_DATA_VERSION = "PRAGMA data_version"

Profiles = dict[ProfileKey, Profile]
Changes = Callable[[Profiles], rows.News]


def read_and_write(
    connection: sa.Connection,
    keys: Collection[ProfileKey],
    changes: Changes,
) -> Profiles:
    """Return profiles after writing what `changes` finds to change; it merges it into them, too."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        return _on_sqlite(connection, keys, changes)
    profiles = rows.read_profiles(connection, keys)
    before = dict(profiles)
    changed = changes(profiles)
    if changed and dialect == "postgresql":
        # one statement, which sees erasures made meanwhile: two round trips in all
        if not sealing.of(connection).seals:
            rows.write_everything(connection, changed)
        elif undecided := _values(rows.write_everything_newer(connection, changed), before):
            with transaction(connection):
                _write_again(connection, profiles, undecided)
    elif changed:
        with transaction(connection):
            _write_again(connection, profiles, changed)
    return profiles


def _values(left: rows.News, before: Profiles) -> dict[ProfileKey, dict[str, SlotState]]:
    """Return the states that bring another value than there was: a release alone does not."""
    new: dict[ProfileKey, dict[str, SlotState]] = {}
    for key, states in left.items():
        for slot, state in states.items():
            known = before[key].state(slot)
            if (known.written_at, known.encoded) != (state.written_at, state.encoded):
                new.setdefault(key, {})[slot] = state
    return new


def _on_sqlite(
    connection: sa.Connection,
    keys: Collection[ProfileKey],
    changes: Changes,
) -> Profiles:
    """Read only what is not known, and nothing again unless another connection has committed."""
    known = recent.of(connection)
    version = _data_version(connection)
    profiles = known.get(keys, version)
    unknown = [key for key in keys if key not in profiles]
    if unknown:
        profiles.update(rows.read_profiles(connection, unknown))
    new = [key for key in keys if not profiles[key].states]
    changed = changes(profiles)
    if changed:
        try:
            with transaction(connection):
                if _data_version(connection) == version:
                    rows.lock(connection, [key for key in new if key in changed])
                    rows.write(connection, changed)
                else:
                    _write_again(connection, profiles, changed)
        except BaseException:
            known.clear()
            raise
    known.put(profiles)
    return profiles


def remembered(connection: sa.Connection, key: ProfileKey) -> Profile | None:
    """Return a profile as it was when this connection saw it last; None when it is not known."""
    return recent.of(connection).peek(key)


def is_current(connection: sa.Connection) -> bool:
    """Return whether all that is remembered is still so; nothing waits for the disk.

    Only SQLite tells whether anybody else has written: a look at memory that its processes share.
    """
    try:
        version = _data_version(connection)
    except sa.exc.DBAPIError:
        return False  # the worker will meet it, and knows what to do
    return recent.of(connection).are_of(version)


def _data_version(connection: sa.Connection) -> int:
    ((version,),) = driver.fetch(connection, _DATA_VERSION)
    found: int = version
    return found


def _write_again(connection: sa.Connection, profiles: Profiles, changed: rows.News) -> None:
    """Write what still changes anything once the profiles are locked."""
    rows.lock(connection, changed)
    current = rows.read_profiles(connection, changed)
    news = {key: merge.changes(current[key], changed[key]) for key in changed}
    rows.write(connection, news)
    for key, states in news.items():
        profiles[key] = merge.merge_profile(current[key], states)
