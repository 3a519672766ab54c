"""Every SQL statement of the store, each under a name.

They are written once in SQLAlchemy Core; how to say "insert, or update if newer", "these rows" and
"these users" are the only places that know a dialect. A statement's text never depends on how
many rows or users it is for, so that it is compiled, and prepared by PostgreSQL, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from profile_store import schema
from profile_store.profile import NEVER, ProfileKey

_profile = schema.profile.c
_slot = schema.profile_slot.c
_history = schema.profile_slot_history.c

Rows = Sequence[dict[str, Any]]

BEGIN = {"sqlite": "BEGIN IMMEDIATE"}
"""How a writing transaction begins; SQLite takes its write lock at once, for it cannot later."""


@cache
def read_profiles(dialect: str) -> sa.CompoundSelect[Any]:
    """Select the profiles of `users` in `namespace`: a row a slot, a slotless row an erasure.

    Two walks along the primary keys, not a join: for a join, PostgreSQL and InnoDB pick a plan by
    statistics that a young or fast-growing table does not have yet.
    """
    slots = sa.select(
        _slot.user_id,
        sa.literal(NEVER).label("erased_at"),
        _slot.slot,
        _slot.value,
        _slot.written_at,
        _slot.erased,
        _slot.released_at,
        _slot.system,
        _slot.action,
        _slot.conversation,
    ).where(*_of_users(dialect, schema.profile_slot))
    erasures = sa.select(
        _profile.user_id, _profile.erased_at, *(sa.null() for _ in slots.selected_columns[2:])
    ).where(*_of_users(dialect, schema.profile), _profile.erased_at > NEVER)
    return sa.union_all(
        *(
            part.with_hint(table, "FORCE INDEX (PRIMARY)", "mysql").with_hint(
                table, "FORCE INDEX (PRIMARY)", "mariadb"
            )
            for part, table in ((slots, schema.profile_slot), (erasures, schema.profile))
        )
    )


def _of_users(dialect: str, table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    if dialect == "postgresql":
        users = sa.bindparam("users", type_=sa.ARRAY(sa.Text()))
        among = table.c.user_id == sa.func.any(users)
    elif dialect == "sqlite":
        # a JSON list, for SQLite has no lists of its own
        listed = sa.func.json_each(sa.bindparam("users", type_=sa.Text())).table_valued("value")
        among = table.c.user_id.in_(sa.select(listed.c.value))
    else:
        among = table.c.user_id.in_(sa.bindparam("users", expanding=True))
    return table.c.namespace == sa.bindparam("namespace"), among


def users_parameter(dialect: str, users: list[str]) -> Any:
    """Return some user ids as `read_profiles` takes them."""
    if dialect == "sqlite":
        return msgspec.json.encode(users).decode()
    return users


def rows_parameter(dialect: str, rows: Rows) -> Any:
    """Return some rows, all with the same columns, as the inserts below take them."""
    if dialect == "postgresql":
        return {name: [row[name] for row in rows] for name in rows[0]}
    return rows


@cache
def lock_profile(dialect: str) -> Any:
    """Make sure of a profile's row, lock it, and move its erasure forward to `erased_at`."""
    if dialect in {"mysql", "mariadb"}:
        insert = mysql.insert(schema.profile)
        return insert.on_duplicate_key_update(
            erased_at=sa.func.greatest(_profile.erased_at, insert.inserted.erased_at)
        )
    upsert = _upsert(dialect, schema.profile)
    later = upsert.excluded.erased_at > _profile.erased_at
    return upsert.on_conflict_do_update(
        index_elements=[_profile.namespace, _profile.user_id],
        set_={"erased_at": sa.case((later, upsert.excluded.erased_at), else_=_profile.erased_at)},
    )


_WRITE = ("system", "action", "conversation", "value", "erased", "written_at")


@cache
def write_slot(dialect: str) -> Any:
    """Insert a slot's state, or put it in the place of an older one: the merge rule, in SQL."""
    table = schema.profile_slot
    if dialect in {"mysql", "mariadb"}:
        insert = mysql.insert(table)
        new: Any = insert.inserted
        newer = _newer(new)
        # MySQL assigns from left to right and reads what it has assigned: what `newer` compares
        # comes last, in the order in which it stops to matter.
        return insert.on_duplicate_key_update(
            [
                ("released_at", sa.func.greatest(_slot.released_at, new.released_at)),
                *((name, sa.func.if_(newer, new[name], _slot[name])) for name in _WRITE),
            ]
        )
    upsert = _upsert(dialect, table)
    new = upsert.excluded
    newer = _newer(new)
    later = new.released_at > _slot.released_at
    return upsert.on_conflict_do_update(
        index_elements=[_slot.namespace, _slot.user_id, _slot.slot],
        set_={
            **{name: sa.case((newer, new[name]), else_=_slot[name]) for name in _WRITE},
            "released_at": sa.case((later, new.released_at), else_=_slot.released_at),
        },
        where=newer | later,
    )


def _newer(new: Any) -> Any:
    return (new.written_at > _slot.written_at) | (
        (new.written_at == _slot.written_at)
        & ((new.erased > _slot.erased) | ((new.erased == _slot.erased) & (new.value > _slot.value)))
    )


@cache
def write_history(dialect: str) -> Any:
    """Insert a write into its slot's history; of two at one time the merge rule's winner stays."""
    table = schema.profile_slot_history
    columns = ("system", "action", "conversation", "value")
    if dialect in {"mysql", "mariadb"}:
        insert = mysql.insert(table)
        new: Any = insert.inserted
        greater = new.value > _history.value
        return insert.on_duplicate_key_update(
            [(name, sa.func.if_(greater, new[name], _history[name])) for name in columns]
        )
    upsert = _upsert(dialect, table)
    return upsert.on_conflict_do_update(
        index_elements=[_history.namespace, _history.user_id, _history.slot, _history.written_at],
        set_={name: upsert.excluded[name] for name in columns},
        where=upsert.excluded.value > _history.value,
    )


def _upsert(dialect: str, table: sa.Table) -> Any:
    if dialect == "sqlite":
        return sqlite.insert(table)
    # One statement for any number of rows: a list for each column, side by side.
    lists = [
        sa.func.unnest(sa.bindparam(column.name, type_=sa.ARRAY(_element(column))))
        for column in table.c
    ]
    return postgresql.insert(table).from_select(
        [column.name for column in table.c], sa.select(*lists)
    )


def _element(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    if isinstance(column.type, sa.LargeBinary):
        return _Bytes()
    return sa.Text() if isinstance(column.type, sa.String | schema.KeyText) else column.type


class _Bytes(sa.types.UserDefinedType[bytes]):
    """PostgreSQL's bytea without SQLAlchemy's wrapper, which lists of bytes cannot be made of."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BYTEA"


_OLDER: dict[str, sa.BindParameter[Any]] = {
    "namespace": sa.bindparam("b_namespace"),
    "user_id": sa.bindparam("b_user_id"),
    "slot": sa.bindparam("b_slot"),
}


@cache
def erase_slot_history() -> sa.Delete:
    """Delete what a slot's erasure at `b_erased_at` covers from its history."""
    return sa.delete(schema.profile_slot_history).where(
        *(_history[name] == value for name, value in _OLDER.items()),
        _history.written_at <= sa.bindparam("b_erased_at"),
    )


@cache
def erase_everything() -> tuple[sa.Delete, sa.Delete]:
    """Delete what a profile's erasure at `b_erased_at` covers: its history, then its slots."""
    return tuple(  # type: ignore[return-value]
        sa.delete(table).where(
            table.c.namespace == _OLDER["namespace"],
            table.c.user_id == _OLDER["user_id"],
            table.c.written_at <= sa.bindparam("b_erased_at"),
        )
        for table in (schema.profile_slot_history, schema.profile_slot)
    )


def read_history(key: ProfileKey, slot: str | None, limit: int | None) -> sa.Select[Any]:
    """Select a profile's history, newest first."""
    statement = sa.select(schema.profile_slot_history).where(
        _history.namespace == key.namespace, _history.user_id == key.user_id
    )
    if slot is not None:
        statement = statement.where(_history.slot == slot)
    return statement.order_by(_history.written_at.desc(), _history.slot).limit(limit)


def by_namespace(keys: Iterable[ProfileKey]) -> dict[str, list[str]]:
    """Return the user ids of some keys, namespace by namespace, each in order."""
    found: dict[str, list[str]] = {}
    for key in sorted(keys):
        found.setdefault(key.namespace, []).append(key.user_id)
    return found
