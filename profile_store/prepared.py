"""Statements spelled once: SQLAlchemy writes the SQL, the driver gets the values as they are.

Binding and fetching through SQLAlchemy's types costs more than the database's own work when a
call moves dozens of small rows (docs/performance.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from profile_store import driver

_KEPT = 256
"""Statements that are kept spelled; tests make many engines, servers one."""


class Prepared:
    """A statement as one database's driver takes it."""

    def __init__(self, statement: sa.Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self._sql: str = compiled.string
        self._names: tuple[str, ...] | None = (
            tuple(compiled.positiontup) if compiled.positional else None
        )

    def run(self, connection: sa.Connection, values: Mapping[str, Any]) -> None:
        """Execute with values by name."""
        driver.execute(connection, self._sql, self._parameters(values))

    def run_flat(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute once with the values of several rows."""
        driver.execute(connection, self._sql, tuple(itertools.chain.from_iterable(rows)))

    def fetch(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[Any]:
        """Execute with values by name; return the driver's own rows."""
        return driver.fetch(connection, self._sql, self._parameters(values))

    def _parameters(self, values: Mapping[str, Any]) -> Any:
        if self._names is None:
            return dict(values)
        return tuple(values[name] for name in self._names)

    def run_many(
        self, connection: sa.Connection, columns: Sequence[str], rows: list[tuple[Any, ...]]
    ) -> None:
        """Execute for many rows of values, each in the order of some columns."""
        if self._names == tuple(columns):
            connection.exec_driver_sql(self._sql, rows)
            return
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        connection.exec_driver_sql(
            self._sql,
            named
            if self._names is None
            else [tuple(row[name] for name in self._names) for row in named],
        )


@lru_cache(maxsize=_KEPT)
def prepare(make: Callable[..., sa.Executable], dialect: Dialect, rows: int = 1) -> Prepared:
    """Return what `make(name of the dialect)` spells, or `make(name, rows)` for several rows."""
    made = make(dialect.name) if rows == 1 else make(dialect.name, rows)
    return Prepared(made, dialect)
