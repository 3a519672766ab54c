"""What a server does for its database between the calls: purging, and wiping SQLite's files.

In small steps, by the worker thread and over its connection, a few milliseconds every few seconds.
It connects to nothing and waits for nobody: what cannot be done now is done later.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

import sqlalchemy as sa

from profile_store import engine, purging, recent, wiping
from profile_store.connection import DatabaseConnection, on_the_disk
from profile_store.retention import Retention
from profile_store.settings import StoreSettings

logger = logging.getLogger(__name__)

PACE = 5.0
"""Seconds between two steps."""

PROFILES = 50
"""Profiles that one step looks at: ten a second, 860,000 a day."""

REST = 60.0
"""Seconds between a walk along all profiles and the next, and between two times that SQLite's file
is rewritten for what nobody waits for."""

_LATER = (
    "What is past its time could not be purged now (%s); it is tried again, and no call is told "
    "of it."
)

_MILLISECONDS = 1000
_PATIENCE = {
    "sqlite": ("PRAGMA busy_timeout = 100", "PRAGMA busy_timeout = {milliseconds}"),
    "postgresql": ("SET lock_timeout = 100", "SET lock_timeout = {milliseconds}"),
    "mysql": (
        "SET SESSION innodb_lock_wait_timeout = 1",
        "SET SESSION innodb_lock_wait_timeout = {seconds}",
    ),
}
_PATIENCE["mariadb"] = _PATIENCE["mysql"]


class Housekeeping:
    """The steps for one store's database."""

    def __init__(
        self, config: StoreSettings, database: DatabaseConnection, retention: Retention
    ) -> None:
        self._config = config
        self._database = database
        self._retention = retention
        self._walk = purging.Walk(retention, config.namespace)
        self._wiper = wiping.Wiper()
        self._next_step = time.monotonic() + PACE
        self._next_walk = self._next_wipe = 0.0
        self._told_that_large = False

    def between_batches(self) -> Callable[[], float | None] | None:
        """Return what the worker calls between batches; None when there is never anything to do."""
        wanted = self._retention.limits or self._database.dialect == "sqlite"
        return self._due if wanted else None

    def wipe(self, connection: sa.Connection) -> str:
        """Leave nothing of what is erased in the files; return what keeps it from that, or ""."""
        remains = self._wiper.wipe(connection)
        soon = remains in {wiping.BUSY, wiping.SOON}
        self._next_wipe = time.monotonic() + (PACE if soon else REST)
        return remains

    def _due(self) -> float:
        """Do a step when it is time for one; return the seconds until the next."""
        now = time.monotonic()
        if now >= self._next_step:
            self._step()
            self._next_step = time.monotonic() + PACE
        return max(self._next_step - time.monotonic(), 0.0)

    def _step(self) -> None:
        with self._database.lock:
            connection = self._database.peek()
            if connection is None or not self._database.is_in_place():
                return
            try:
                with self._impatient(connection):
                    self._purge(connection)
                    self._wipe(connection)
            except sa.exc.DBAPIError as error:
                if engine.is_locked(error):
                    return
                logger.warning(_LATER, engine.error_name(error))
                self._database.failed(error)
            except Exception as error:  # noqa: BLE001 - the thread must live, for calls need it
                logger.warning(_LATER, type(error).__name__)
                self._database.drop()

    def _purge(self, connection: sa.Connection) -> None:
        if not self._retention.limits or time.monotonic() < self._next_walk:
            return
        known = recent.of(connection)
        try:
            self._walk.step(connection, self._database.now(), PROFILES)
        finally:
            # What was purged before something failed is not looked at again.
            for key in self._walk.changed:
                known.discard(key)
        if self._walk.ended:
            self._next_walk = time.monotonic() + REST

    def _wipe(self, connection: sa.Connection) -> None:
        if (
            connection.dialect.name == "sqlite"
            and time.monotonic() >= self._next_wipe
            and wiping.marked(connection)
        ):
            with on_the_disk(connection):
                remains = self.wipe(connection)
            if remains == wiping.LARGE and not self._told_that_large:
                self._told_that_large = True
                logger.warning("Erased bytes are still in the profile database: %s.", remains)

    @contextlib.contextmanager
    def _impatient(self, connection: sa.Connection) -> Iterator[None]:
        """Wait hardly for a lock: callers wait for the worker."""
        impatient, patient = _PATIENCE[connection.dialect.name]
        connection.exec_driver_sql(impatient)
        try:
            yield
        finally:
            # When the connection itself is gone, so is its setting.
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                connection.exec_driver_sql(
                    patient.format(
                        milliseconds=int(self._config.timeout * _MILLISECONDS),
                        seconds=max(1, round(self._config.timeout)),
                    )
                )
