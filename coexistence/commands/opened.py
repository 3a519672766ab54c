"""The store that a command works on, and whose profile it means."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from coexistence import settings
from coexistence.identity import conversation_key, user_key
from coexistence.settings import Settings
from profile_store import (
    InvalidSettings,
    ProfileKey,
    ProfileStore,
    StoreUnavailable,
    engine,
    opening,
    sqlite_file,
)
from profile_store.settings import SQL

PATIENCE = 60.0
"""Seconds that a command waits for the database, at least: no conversation waits for it."""


def configuration(endpoints: Path | None, namespace: str | None = None) -> Settings:
    """Return the settings, with another namespace where one is given.

    Raises:
        InvalidSettings: naming each setting that is impossible.
    """
    config = settings.load(endpoints)
    return config if namespace is None else config.model_copy(update={"namespace": namespace})


def key(config: Settings, user: str, conversation: bool) -> ProfileKey:
    """Return whose profile is meant, as actions keep it: a user's, or a conversation's.

    Raises:
        InvalidKey: when nobody can be called like that.
    """
    return ProfileKey(config.namespace, conversation_key(user) if conversation else user_key(user))


@contextlib.contextmanager
def store(config: Settings) -> Iterator[ProfileStore]:
    """Yield the store that the settings name; a SQLite file must be there.

    Raises:
        StoreUnavailable: when it is not.
        InvalidSettings: when the class of a store cannot be had.
    """
    must_exist(config)
    if config.type != SQL and "" not in sys.path:
        sys.path.insert(0, "")  # where the action server finds a class of the project's own
    opened = opening.open_store(
        config.model_copy(update={"timeout": max(config.timeout, PATIENCE)})
    )
    try:
        yield opened
    except KeyboardInterrupt:
        # Not closed: the lock that its thread may wait for would be waited for on. What the thread
        # has not committed goes with the process.
        raise
    except BaseException:
        opened.close()
        raise
    opened.close()


def must_exist(config: Settings) -> None:
    """Return unless there is no SQLite file: a command that reads must not make one.

    Raises:
        StoreUnavailable: naming the file.
    """
    if config.type != SQL:
        return
    url = config.sqlalchemy_url()
    if is_missing(url):
        raise StoreUnavailable(
            f"There is no profile database {engine.address(url)}; is this the action server's "
            "folder, and the right --endpoints?"
        )


def is_missing(url: sa.URL) -> bool:
    """Return whether a URL names a SQLite file that is not there."""
    file = sqlite_file.path_of(url)
    return file is not None and not Path(file).exists()


def must_be_sql(config: Settings, what: str) -> None:
    """Return when the store is one of SQL, which alone can do some things.

    Raises:
        InvalidSettings: naming the setting.
    """
    if config.type != SQL:
        raise InvalidSettings(
            f"{what} needs a store of type {SQL}; profile_store.type is {config.type}, "
            "which looks after its profiles itself."
        )
