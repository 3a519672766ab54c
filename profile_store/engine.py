"""Engines: one connection to one database, set up the way each database wants to be."""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import Any

import sqlalchemy as sa

from profile_store import driver, errors, hosts, settings, sqlite_file, urls
from profile_store.endpoints import SECTION

_MILLISECONDS = 1000  # what PostgreSQL counts its timeouts in


class _WithoutRows(logging.Filter):
    """Leaves out the rows that SQLAlchemy logs at debug level, whatever parameters it hides."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG


logging.getLogger(f"sqlalchemy.engine.Engine.{driver.ENGINE}").addFilter(_WithoutRows())


def create_engine(config: settings.StoreSettings) -> sa.Engine:
    """Return an engine without a pool, whose connections commit each statement unless told not to.

    Nothing connects yet. The worker thread keeps the one connection it needs.

    Raises:
        InvalidSettings: when the dialect is unknown or its driver is not installed.
    """
    url = config.sqlalchemy_url()
    try:
        engine = sa.create_engine(
            url,
            poolclass=sa.StaticPool if _in_memory(url) else sa.NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            logging_name=driver.ENGINE,
            connect_args=_connect_args(url, config),
        )
    except ImportError as error:  # also psycopg's without its libpq
        raise urls.missing_driver(url) from error
    except (sa.exc.ArgumentError, TypeError, ValueError) as error:
        raise errors.InvalidSettings(
            f"{SECTION}: the database's settings do not fit together; see docs/settings.md."
        ) from error
    sa.event.listen(engine, "do_connect", _connect)
    sa.event.listen(engine, "connect", _preparation(url.get_backend_name(), config))
    return engine


# Every statement finds its rows by key. Without statistics, on a young table, PostgreSQL would
# read whole tables instead, and keep that plan while they grow. Engines that speak its protocol
# and lack the setting are not asked for it.
_INDEXES_ONLY = """
    SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'enable_seqscan'
"""


def _connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    """Connect as SQLAlchemy would, and name the setting when the driver knows no such option."""
    try:
        return dialect.connect(*arguments, **options)
    except TypeError as error:
        raise errors.InvalidSettings(
            f"{SECTION}.query: the driver for {dialect.name} takes no such option; correct it."
        ) from error


def address(url: sa.URL) -> str:
    """Return a database's URL to show: without its password, and without options.

    Options may hold another password, such as `sslpassword`.
    """
    server, slash, database = url.set(query={}).render_as_string(hide_password=True).rpartition("/")
    return f"{server}{hosts.shown(url)}{slash}{database}"


def _in_memory(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}


def _connect_args(url: sa.URL, config: settings.StoreSettings) -> dict[str, Any]:
    backend = url.get_backend_name()
    if backend == "sqlite":
        # SQLite's own wait for a lock; the worker is the only thread that uses the connection,
        # but tests and the command line may close it from another.
        return {"timeout": config.timeout, "check_same_thread": False}
    whole_seconds = max(1, round(config.connect_timeout))
    if backend == "postgresql":
        return {
            "connect_timeout": max(2, whole_seconds),  # libpq takes less than 2 for 2
            "tcp_user_timeout": int(config.timeout * _MILLISECONDS),
            "application_name": "rasa-coexistence",
            **{name: value for name, value in _alive(config).items() if name not in url.query},
        }
    return {
        "connect_timeout": whole_seconds,
        "read_timeout": max(1, round(config.timeout)),
        "write_timeout": max(1, round(config.timeout)),
        "charset": "utf8mb4",
    }


def _alive(config: settings.StoreSettings) -> dict[str, int]:
    """Return how PostgreSQL's host is asked whether it is still there while an answer is awaited.

    One that lost its power says nothing any more. Linux would believe in it for two hours.
    """
    return {"keepalives_idle": max(1, round(config.timeout)), "keepalives_interval": 1}


_LOGGED_PAGES = 8_000
"""Pages in SQLite's write-ahead log, 32 MB, before it is written back: of the pages of users who
come again meanwhile only the last is copied."""

_CACHE_KIBIBYTES = 32_000
"""What SQLite keeps of its file at most, for the pages of a few thousand users; by itself it keeps
2 MB, and reads each page again whose user comes back."""

_LOCKED_SECONDS = 0.02
"""How long to leave a file to who has it, before looking again."""


def _preparation(backend: str, config: settings.StoreSettings) -> Any:
    """Return what readies a fresh connection: statements, for poolers refuse start-up options."""
    milliseconds = int(config.timeout * _MILLISECONDS)
    if backend == "sqlite":
        statements = [
            f"PRAGMA synchronous = {config.synchronous}",
            "PRAGMA foreign_keys = ON",
            f"PRAGMA wal_autocheckpoint = {_LOGGED_PAGES}",
            f"PRAGMA cache_size = {-_CACHE_KIBIBYTES}",
            # On by default in some builds only; what is deleted is overwritten with zeros.
            "PRAGMA secure_delete = ON",
        ]
    elif backend == "postgresql":
        statements = [
            f"SET statement_timeout = {milliseconds}",
            f"SET lock_timeout = {milliseconds}",
            _INDEXES_ONLY,
        ]
    else:
        statements = [f"SET SESSION innodb_lock_wait_timeout = {max(1, round(config.timeout))}"]

    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        if backend == "sqlite":
            _write_ahead(cursor, config.timeout)
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    return prepare


def _write_ahead(cursor: Any, timeout: float) -> None:
    """Switch a SQLite file to its write-ahead log: readers and one writer block nobody then.

    Of several that switch a new file at once, SQLite tells some that it is locked without letting
    them wait.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # the error's code has been told since Python 3.11 only
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(_LOCKED_SECONDS)
        else:
            return


_CLOCKS = {
    "postgresql": "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
    "mysql": "SELECT UNIX_TIMESTAMP(SYSDATE(6)) + 0e0",
    "mariadb": "SELECT UNIX_TIMESTAMP(SYSDATE(6)) + 0e0",
}


def clock_offset(connection: sa.Connection) -> float:
    """Return how many seconds the database's clock is ahead of this machine's."""
    statement = _CLOCKS.get(connection.dialect.name)
    if statement is None:
        return 0.0  # SQLite runs here
    before = time.time()
    there = float(connection.exec_driver_sql(statement).scalar_one())
    return there - (before + time.time()) / 2


def unreachable(error: sa.exc.DBAPIError, url: sa.URL) -> errors.StoreUnavailable:
    """Return the error for a database that cannot be connected to; it never tells the password."""
    reason = str(error.orig).strip().splitlines()
    return errors.StoreUnavailable(
        f"The profile database {address(url)} cannot be reached: "
        f"{reason[0] if reason else error_name(error)}. {_remedy(error, url)}"
        f"Conversations go on without profiles; see {SECTION} in endpoints.yml."
    )


def broken(error: sa.exc.DBAPIError, url: sa.URL) -> errors.StoreUnavailable:
    """Return the error for a database that failed while it was at work."""
    return errors.StoreUnavailable(
        f"The profile database {address(url)} failed in mid-work ({error_name(error)}); "
        f"nothing of it is half done. {_remedy(error, url)}".rstrip()
    )


def _remedy(error: sa.exc.DBAPIError, url: sa.URL) -> str:
    does = sqlite_file.remedy(error) if url.get_backend_name() == "sqlite" else ""
    return f"{does} " if does else ""


_LOCKED = {"55P03", 1205}


def is_locked(error: sa.exc.DBAPIError) -> bool:
    """Return whether somebody else held a lock for longer than was waited for it."""
    # SQLite's error code has been told since Python 3.11 only
    return not _LOCKED.isdisjoint(error_codes(error)) or "is locked" in str(error.orig)


_UNSPECIFIC = "HY000"
"""The SQLSTATE of whatever has none of its own: then MySQL's number tells more."""


def error_codes(error: sa.exc.DBAPIError) -> list[object]:
    """Return a driver error's codes, the one that tells most first: a SQLSTATE, MySQL's number."""
    arguments = getattr(error.orig, "args", ())
    number = arguments[0] if arguments and isinstance(arguments[0], int) else None
    state = getattr(error.orig, "sqlstate", None)
    codes = [number, state] if state == _UNSPECIFIC else [state, number]
    return [code for code in codes if code is not None]


def error_name(error: sa.exc.DBAPIError) -> str:
    """Return a driver error's type and code, never its message: that may quote a user's data."""
    name = type(error.orig).__name__
    codes = error_codes(error) or [getattr(error.orig, "sqlite_errorname", None)]
    return f"{name} {codes[0]}" if codes[0] else name
