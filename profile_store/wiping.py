"""What is erased from SQLite's tables goes from its files, too.

SQLite overwrites what it deletes (`secure_delete`, see `engine`), but its write-ahead log keeps
pages as they were, and where rows moved from one page to another a copy may stay in the unused
part of the first. So after an erasure the file is rewritten (VACUUM), and the log is written back
and cut off. That it is still to be done is noted with the erasure, in a number that SQLite keeps
in its file for applications (`user_version`), each time another: no crash loses it, and any
process may do it.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator

import sqlalchemy as sa

from profile_store import engine
from profile_store.connection import transaction

REWRITE_BYTES = 64 * 1024 * 1024
"""The largest file that is rewritten beside other work: a third of a second, in which nobody
writes."""

SHARE = 20
"""Of how much time at most one part goes into rewriting, where many are erased one by one."""

PATIENCE_MILLISECONDS = 250
"""How long to wait for others: a log that is to be cut off lets nobody write meanwhile."""

ATTEMPTS = 20
"""How often a command tries it while others use the file."""

_MOST = 2**31 - 1

PURGE = "run: coexist profile purge"
BUSY = f"another process is using the file; a running server removes the bytes, or {PURGE}"
SOON = f"the file was rewritten a moment ago; a running server removes the bytes, or {PURGE}"
LARGE = (
    f"the file is larger than {REWRITE_BYTES >> 20} MiB, and is not rewritten while it serves; "
    f"{PURGE}"
)
ELSEWHERE = {
    "postgresql": "PostgreSQL keeps dead rows in its files until VACUUM FULL, and what it logged "
    "and backed up until that expires",
    "mysql": "InnoDB keeps what it deleted until OPTIMIZE TABLE, and what was logged and backed up "
    "stays until that expires",
}
ELSEWHERE["mariadb"] = ELSEWHERE["mysql"]
"""What other databases do not tell us, and leave to who runs them (docs/privacy.md)."""


def mark(connection: sa.Connection) -> None:
    """Note inside a transaction that it erases something; other databases keep no such note."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA user_version = {1 + secrets.randbelow(_MOST)}")


def marked(connection: sa.Connection) -> int:
    """Return the mark of the last erasure of which something may be in SQLite's files, or 0."""
    noted: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    return noted


class Wiper:
    """Rewrites one SQLite database after erasures, and not too often."""

    def __init__(self) -> None:
        self._rewritten: int | None = None
        self._next = 0.0

    def wipe(self, connection: sa.Connection, *, beside_others: bool = True) -> str:
        """Leave nothing of what is erased in the files; return what keeps it from that, or "".

        `beside_others` rewrites neither large files nor one file all the time.
        """
        dialect = connection.dialect.name
        if dialect != "sqlite":
            return ELSEWHERE.get(dialect, "")
        noted = marked(connection)
        with _impatient(connection):
            try:
                remains = self._rewrite(connection, noted, beside_others)
                if not _cut_log_off(connection):
                    return remains or BUSY
                if not remains:
                    _unmark(connection, noted)
            except sa.exc.OperationalError as error:
                if engine.is_locked(error):
                    return BUSY
                return (
                    f"the file could not be rewritten ({engine.error_name(error)}); a running "
                    f"server tries again, or {PURGE}"
                )
            return remains

    def _rewrite(self, connection: sa.Connection, noted: int, beside_others: bool) -> str:
        if noted and noted == self._rewritten:
            return ""  # only the log was in the way
        if beside_others:
            if _size(connection) > REWRITE_BYTES:
                return LARGE
            if time.monotonic() < self._next:
                return SOON
        began = time.monotonic()
        connection.exec_driver_sql("VACUUM")
        ended = time.monotonic()
        self._next = ended + (ended - began) * SHARE
        self._rewritten = noted
        return ""


def finish(connection: sa.Connection) -> str:
    """Wipe a SQLite database of any size where that is to be done; return what keeps it from it."""
    wiper = Wiper()
    if connection.dialect.name == "sqlite" and not marked(connection):
        return ""
    for _ in range(ATTEMPTS):
        remains = wiper.wipe(connection, beside_others=False)
        if remains != BUSY:
            break
    return remains


def _size(connection: sa.Connection) -> int:
    pages: int = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    page: int = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    return pages * page


def _cut_log_off(connection: sa.Connection) -> bool:
    busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
    return not busy


def _unmark(connection: sa.Connection, noted: int) -> None:
    """Take the note away, unless something was erased since."""
    if noted:
        with transaction(connection):
            if marked(connection) == noted:
                connection.exec_driver_sql("PRAGMA user_version = 0")


@contextlib.contextmanager
def _impatient(connection: sa.Connection) -> Iterator[None]:
    before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {PATIENCE_MILLISECONDS}")
    try:
        yield
    finally:
        # When the connection itself is gone, so is its setting.
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {before}")
