"""Sealing everything with the first key, while servers go on reading and writing.

A walk along the primary keys in small transactions. Each locks the profiles as a writer does, and
puts a new seal only in the place of the very bytes that it read, so a server's newer write is never
overwritten, two walks at once do no harm, and one that is killed has done what it has done: the
next finds what is left, by the first bytes of the values.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from profile_store import errors, migrate, schema, sealing, wiping
from profile_store import rows as profile_rows
from profile_store.connection import persistently, transaction
from profile_store.endpoints import SECTION
from profile_store.profile import ProfileKey
from profile_store.settings import StoreSettings

BATCH = 200
"""Values in one transaction: a few milliseconds for which writers of the same profiles wait."""

PASSES = 5
"""Walks along everything: servers that still write with another key leave work behind one."""

_TABLES = (schema.profile_slot, schema.profile_slot_history)


class Rotation(msgspec.Struct, frozen=True):
    """What came of it: how many values were sealed anew, and why others could not be read.

    `remains` says in words what keeps the bytes that were there before in the database's files;
    it is empty where nothing does.
    """

    resealed: int
    unreadable: Counter[str]
    remains: str = ""


def rotate(config: StoreSettings, progress: Callable[[int, int], None]) -> Rotation:
    """Seal with the first key what is not, and return what came of it.

    `progress` hears how many values are done and how many there are to do.

    Raises:
        InvalidSettings: when there is no key.
        SchemaOutdated: when the tables are of another version.
        StoreUnavailable: when the database cannot be reached, or fails.
    """
    sealed = sealing.make(config)
    if not isinstance(sealed, sealing.Sealed):
        raise errors.InvalidSettings(
            f"{SECTION}.encryption_keys is not set; there is nothing to seal values with."
        )
    patient = config.model_copy(update={"timeout": migrate.PATIENCE})
    with migrate.connected(patient) as connection:
        migrate.check(connection)
        rotation = _Walk(connection, sealed, progress).run()
        # What was sealed with the old key, or not at all, is in no file any more either.
        return msgspec.structs.replace(rotation, remains=wiping.finish(connection))


class _Walk:
    def __init__(
        self,
        connection: sa.Connection,
        sealed: sealing.Sealed,
        progress: Callable[[int, int], None],
    ) -> None:
        self._connection = connection
        self._sealed = sealed
        self._progress = progress
        self._unreadable: Counter[str] = Counter()
        self._done = self._resealed = 0
        self._total = 0

    def run(self) -> Rotation:
        self._total = sum(map(self._left, _TABLES))
        self._progress(0, self._total)
        for _ in range(PASSES):
            before = self._resealed
            self._unreadable.clear()
            for table in _TABLES:
                for batch in self._batches(table):
                    self._reseal(table, batch)
            if self._resealed == before:
                break
            # What the next pass finds was not there to be counted, or could not be read; and what
            # this one did not find, another walk or a server has done.
            self._done = self._total
        self._progress(self._total, self._total)
        return Rotation(self._resealed, self._unreadable)

    def _left(self, table: sa.Table) -> int:
        counted = sa.select(sa.func.count()).select_from(table).where(*self._stale(table))
        count: int = self._connection.execute(counted).scalar_one()
        return count

    def _stale(self, table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
        """Return what tells a value that is not sealed with the first key; tombstones have none."""
        head = self._sealed.head
        begins = sa.func.substr(table.c.value, 1, len(head), type_=sa.LargeBinary())
        return table.c.value != b"", begins != head

    def _batches(self, table: sa.Table) -> Iterator[Sequence[Any]]:
        columns = list(table.primary_key.columns)
        found = sa.select(*columns, table.c.value).where(*self._stale(table))
        found = found.order_by(*columns).limit(BATCH)
        batch = self._connection.execute(found).all()
        while batch:
            yield batch
            last = batch[-1][: len(columns)]
            following = _after(columns, last, self._connection.dialect.name)
            batch = self._connection.execute(found.where(following)).all()

    def _reseal(self, table: sa.Table, batch: Sequence[Any]) -> None:
        keys = set()
        changes = []
        for row in batch:
            key = ProfileKey(row.namespace, row.user_id)
            stored = bytes(row.value)
            try:
                encoded = self._sealed.open(key, row.slot, stored)
            except errors.ValueUnreadable as error:
                self._unreadable[str(error)] += 1
                continue
            keys.add(key)
            place = {f"b_{column.name}": row._mapping[column] for column in table.primary_key}
            sealed = self._sealed.seal(key, row.slot, encoded)
            changes.append({**place, "b_old": stored, "b_new": sealed})
        if changes:
            began = time.monotonic()
            self._resealed += self._replace(table, keys, changes)
            # Half of the time is the servers': SQLite has one writer, and does not let them queue.
            time.sleep(time.monotonic() - began)
        self._done = min(self._done + len(batch), self._total)
        self._progress(self._done, self._total)

    def _replace(
        self, table: sa.Table, keys: set[ProfileKey], changes: list[dict[str, Any]]
    ) -> int:
        replace = (
            sa.update(table)
            .where(
                *(column == sa.bindparam(f"b_{column.name}") for column in table.primary_key),
                table.c.value == sa.bindparam("b_old"),
            )
            .values(value=sa.bindparam("b_new"))
        )

        def work() -> int:
            with transaction(self._connection):
                profile_rows.lock(self._connection, keys)
                replaced: int = self._connection.execute(replace, changes).rowcount
                wiping.mark(self._connection)
            return replaced

        return persistently(work)


def _after(
    columns: list[sa.Column[Any]], last: Sequence[Any], dialect: str
) -> sa.ColumnElement[bool]:
    """Return what comes after a row in the order of the primary key, so that its index is used."""
    given = [sa.literal(value, column.type) for value, column in zip(last, columns, strict=True)]
    if dialect in {"sqlite", "postgresql"}:
        return sa.tuple_(*columns) > sa.tuple_(*given)
    # MySQL knows ranges of rows only spelled out.
    return sa.or_(
        *(
            sa.and_(
                *(columns[index] == given[index] for index in range(position)),
                columns[position] > given[position],
            )
            for position in range(len(columns))
        )
    )
