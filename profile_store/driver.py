"""Statements by the driver's own hand: SQLAlchemy has made the connection, and names the errors.

Its way to execute takes as long as SQLite's own work for a row or two (docs/performance.md).
"""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa

ENGINE = "profile_store"
"""What SQLAlchemy's log calls the engine."""

_statements = logging.getLogger(f"sqlalchemy.engine.Engine.{ENGINE}")


def execute(connection: sa.Connection, sql: str, parameters: Any = ()) -> Any:
    """Execute a statement in the driver's spelling; return the driver's cursor.

    Raises:
        DBAPIError: SQLAlchemy's. One that says that the connection is gone has invalidated it.
    """
    driver = connection.connection.driver_connection
    assert driver is not None, "a connection that is open"
    failures = connection.dialect.loaded_dbapi.Error
    if _statements.isEnabledFor(logging.INFO):
        _statements.info("%s", sql)  # as SQLAlchemy would, and never with its values
    try:
        cursor = driver.cursor()
        cursor.execute(sql, parameters)
    except failures as error:
        raise _named(connection, sql, error) from error
    return cursor


def fetch(connection: sa.Connection, sql: str, parameters: Any = ()) -> list[Any]:
    """Execute a statement in the driver's spelling; return the driver's own rows.

    Raises:
        DBAPIError: as `execute`; also when SQLite fails after the first row, which it reads when
            it is asked for.
    """
    cursor = execute(connection, sql, parameters)
    try:
        rows: list[Any] = list(cursor.fetchall())
    except connection.dialect.loaded_dbapi.Error as error:
        raise _named(connection, sql, error) from error
    cursor.close()
    return rows


def _named(connection: sa.Connection, sql: str, error: Exception) -> sa.exc.DBAPIError:
    dialect = connection.dialect
    is_gone = dialect.is_disconnect(error, connection.connection.driver_connection, None)  # type: ignore[arg-type]
    named = sa.exc.DBAPIError.instance(
        sql, None, error, dialect.loaded_dbapi.Error,
        hide_parameters=True, connection_invalidated=is_gone, dialect=dialect,
    )  # fmt: skip
    if is_gone:
        connection.invalidate(error)
    assert isinstance(named, sa.exc.DBAPIError)
    return named
