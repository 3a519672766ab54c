"""The worker's one connection: made when needed, dropped when broken, not asked for while down."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy as sa

from profile_store import (
    driver,
    engine,
    errors,
    forks,
    migrate,
    sealing,
    settings,
    sqlite_file,
    statements,
)

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

CLOCK_CHECK_INTERVAL = 60.0
"""Seconds for which the measured difference to the database's clock is taken as right."""

_CALLER_ERRORS = (
    sa.exc.DataError,
    sa.exc.IntegrityError,
    sa.exc.ProgrammingError,
    sa.exc.NotSupportedError,
)
# SQLSTATEs of PostgreSQL and error numbers of MySQL that say "once more": serialization
# failures and deadlocks, of which one side always loses.
_TRANSIENT = {"40001", "40P01", 1213, 1020}


class DatabaseConnection:
    """A connection to the store's database; only the worker thread uses it, or who holds `lock`.

    SQLite databases are migrated when they are first connected to; on others, tables of another
    version are an error that names the command.
    """

    def __init__(self, config: settings.StoreSettings) -> None:
        self.renew_locks()
        forks.renew_locks_of(self)
        self._config = config
        self._engine = engine.create_engine(config)
        self._sealing = sealing.make(config)
        self._file = sqlite_file.path_of(self._engine.url)
        self._file_identity: sqlite_file.Identity | None = None
        self._connection: sa.Connection | None = None
        self._process = os.getpid()
        self._of_parent: sa.Connection | None = None
        self._down_until = 0.0
        self._down_reason: errors.StoreUnavailable | None = None
        self._clock_offset = 0.0
        self._clock_checked = 0.0
        self._complained = False

    def renew_locks(self) -> None:
        """Take a new lock, which nobody holds."""
        self.lock = threading.Lock()

    @property
    def dialect(self) -> str:
        """The database's name as SQLAlchemy says it."""
        return self._engine.dialect.name

    @property
    def connected(self) -> bool:
        """Whether there is a connection, which may have been cut since it was used last."""
        return self._connection is not None and not self._connection.invalidated

    def fail_fast(self) -> None:
        """Raise at once while the database is known to be down; any thread may ask.

        Raises:
            StoreUnavailable: within `retry_after` seconds of a failed attempt to connect.
        """
        reason = self._down_reason
        if reason is not None and time.monotonic() < self._down_until:
            raise type(reason)(str(reason)) from reason

    def now(self) -> float:
        """Return the time on the database's clock, in seconds, as last compared."""
        return time.time() + self._clock_offset

    def peek(self) -> sa.Connection | None:
        """Return the connection if there is one in this process, and make none."""
        return self._connection if self.connected and self._process == os.getpid() else None

    def is_in_place(self) -> bool:
        """Return whether the database that is open is the one that others open."""
        return not self._moved()

    def get(self) -> sa.Connection:
        """Return the connection, making one when there is none.

        Raises:
            StoreUnavailable: when there is no reaching the database.
            SchemaOutdated: when its tables are not of this version.
        """
        self._leave_to_parent()
        if not self.connected:
            self.drop()  # one that broke where nobody heard of it is none
        elif self._moved():
            logger.warning("%s is another file now, which is opened in its place.", self._file)
            self.drop()
        if self._connection is None:
            self.fail_fast()
            try:
                self._connection = self._connect()
            except errors.StoreUnavailable as error:
                self._down_reason = error
                self._down_until = time.monotonic() + self._config.retry_after
                if not self._complained:
                    logger.warning("%s", error)
                    self._complained = True
                raise
            if self._complained:
                logger.warning("The profile database is back.")
            self._complained = False
            self._down_reason = None
        elif time.monotonic() - self._clock_checked > CLOCK_CHECK_INTERVAL:
            self._check_clock(self._connection)
        return self._connection

    def _leave_to_parent(self) -> None:
        """After a fork, let the parent's connection be: two on one socket would mix up answers.

        It is kept but never used, for closing it here would close it there.
        """
        if self._process != os.getpid():
            self._process = os.getpid()
            self._of_parent, self._connection = self._connection, None
            self._engine.dispose(close=False)

    def check_in_place(self) -> None:
        """Return when what was committed is in the database that others open.

        Raises:
            StoreUnavailable: when SQLite's file was moved, deleted or replaced meanwhile.
        """
        if self._connection is not None and self._moved():
            raise errors.StoreUnavailable(
                f"The profile database {engine.address(self._engine.url)} is another file since "
                "this call began; the next one is served from that."
            )

    def _moved(self) -> bool:
        """Return whether the file that is open is no longer the one in its place."""
        return self._file is not None and sqlite_file.identity(self._file) != self._file_identity

    def _connect(self) -> sa.Connection:
        there = sqlite_file.identity(self._file)
        try:
            connection = self._engine.connect()
        except sa.exc.DBAPIError as error:
            raise engine.unreachable(error, self._engine.url) from error
        # As it was before, for it may be replaced while it is opened: then it is opened anew.
        self._file_identity = there or sqlite_file.identity(self._file)
        try:
            if self.dialect == "sqlite":
                migrate.upgrade_connection(connection)
            migrate.check(connection)
            self._check_clock(connection)
            sealing.use(connection, self._sealing)
        except sa.exc.DBAPIError as error:
            connection.close()
            raise engine.unreachable(error, self._engine.url) from error
        except errors.StoreUnavailable:
            connection.close()
            raise
        return connection

    def _check_clock(self, connection: sa.Connection) -> None:
        self._clock_offset = engine.clock_offset(connection)
        self._clock_checked = time.monotonic()

    def failed(self, error: sa.exc.DBAPIError) -> errors.ProfileStoreError:
        """Return the error to tell callers, dropping the connection unless it is theirs alone."""
        if isinstance(error, _CALLER_ERRORS) and not error.connection_invalidated:
            return errors.StatementFailed(
                f"The database refused a statement ({engine.error_name(error)}); "
                "it and no other is undone."
            )
        self.drop()
        return engine.broken(error, self._engine.url)

    def drop(self) -> None:
        """Close the connection, whatever state it is in."""
        self._leave_to_parent()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sa.exc.SQLAlchemyError, OSError):
                connection.close()

    def close(self) -> None:
        """Close the connection and forget the engine."""
        self.drop()
        self._engine.dispose()


@contextlib.contextmanager
def transaction(connection: sa.Connection) -> Iterator[None]:
    """Run what is inside as one transaction of the database."""
    driver.execute(connection, statements.BEGIN.get(connection.dialect.name, "BEGIN"))
    try:
        yield
    except BaseException:
        # When the connection itself is gone there is nothing left to roll back.
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            driver.execute(connection, "ROLLBACK")
        raise
    driver.execute(connection, "COMMIT")


@contextlib.contextmanager
def on_the_disk(connection: sa.Connection) -> Iterator[None]:
    """Let the commits inside wait for the disk: what is erased must not be back after a power cut.

    Other databases than SQLite have that set by who runs them.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    before = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    connection.exec_driver_sql("PRAGMA synchronous = FULL")
    try:
        yield
    finally:
        # When the connection itself is gone, so is its setting.
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            connection.exec_driver_sql(f"PRAGMA synchronous = {before}")


ATTEMPTS = 5
"""How often work that lost a deadlock is tried before its callers are told."""


def persistently(work: Callable[[], Answer]) -> Answer:
    """Return what some work comes to; it is done again when it lost a deadlock."""
    for _ in range(1, ATTEMPTS):
        try:
            return work()
        except sa.exc.DBAPIError as error:
            if not is_transient(error):
                raise
    return work()


def is_transient(error: sa.exc.DBAPIError) -> bool:
    """Return whether the same work, done again at once, may well succeed."""
    return not _TRANSIENT.isdisjoint(engine.error_codes(error))
