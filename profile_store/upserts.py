"""The merge rule in SQL: insert, or update if newer, on each database in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from profile_store import schema

_NEVER: sa.ColumnElement[float] = sa.literal_column("0.0")  # profile.NEVER
_EMPTY: sa.ColumnElement[bytes] = sa.literal_column("''::bytea")
_BASE64: sa.ColumnElement[str] = sa.literal_column("'base64'")

_profile = schema.profile.c
_slot = schema.profile_slot.c
_history = schema.profile_slot_history.c

PROFILE_COLUMNS = tuple(_profile.keys())
SLOT_COLUMNS = tuple(_slot.keys())
HISTORY_COLUMNS = tuple(_history.keys())

_WRITE = ("system", "action", "conversation", "value", "erased", "written_at")
_PLACE = ("namespace", "user_id", "slot")
_HISTORY_VALUES = ("system", "action", "conversation", "value")


Rule = Callable[[Any], Any]
"""Whether a new row, given by its columns, takes the place of the one that is there."""


def lock_profile(dialect: str, rows: int = 1) -> Any:
    """Make sure of a profile's row, lock it, and move its erasure forward to `erased_at`."""
    if dialect in {"mysql", "mariadb"}:
        insert = mysql.insert(schema.profile)
        return insert.on_duplicate_key_update(
            erased_at=sa.func.greatest(_profile.erased_at, insert.inserted.erased_at)
        )
    return _later_erasure(_insert(dialect, schema.profile, rows))


def _later_erasure(insert: Any) -> Any:
    later = insert.excluded.erased_at > _profile.erased_at
    return insert.on_conflict_do_update(
        index_elements=[_profile.namespace, _profile.user_id],
        set_={"erased_at": sa.case((later, insert.excluded.erased_at), else_=_profile.erased_at)},
    )


def write_slot(dialect: str, rows: int = 1) -> Any:
    """Insert a slot's state, or put it in the place of an older one."""
    return _write_slot(dialect, rows, _newer)


def write_decided_slot(dialect: str, rows: int = 1) -> Any:
    """Do the same for sealed values: of two at one time the new one stays.

    For who writes it has the profile locked, and has decided between the values themselves.
    """
    return _write_slot(dialect, rows, _newer_or_decided)


def _write_slot(dialect: str, rows: int, rule: Rule) -> Any:
    if dialect in {"mysql", "mariadb"}:
        insert = mysql.insert(schema.profile_slot)
        new: Any = insert.inserted
        newer = rule(new)
        # MySQL assigns from left to right and reads what it has assigned: what `newer` compares
        # comes last, in the order in which it stops to matter.
        return insert.on_duplicate_key_update(
            [
                ("released_at", sa.func.greatest(_slot.released_at, new.released_at)),
                *((name, sa.func.if_(newer, new[name], _slot[name])) for name in _WRITE),
            ]
        )
    return _newest_slot(_insert(dialect, schema.profile_slot, rows), rule)


def _newest_slot(insert: Any, rule: Rule) -> Any:
    new = insert.excluded
    newer = rule(new)
    later = new.released_at > _slot.released_at
    return insert.on_conflict_do_update(
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


def _strictly_newer(new: Any) -> Any:
    return (new.written_at > _slot.written_at) | (
        (new.written_at == _slot.written_at) & (new.erased > _slot.erased)
    )


def _newer_or_decided(new: Any) -> Any:
    return (new.written_at > _slot.written_at) | (
        (new.written_at == _slot.written_at) & sa.not_(_slot.erased)
    )


def write_history(dialect: str, rows: int = 1) -> Any:
    """Insert a write into its slot's history; of two at one time the merge rule's winner stays."""
    return _write_history(dialect, rows, _greater)


def write_decided_history(dialect: str, rows: int = 1) -> Any:
    """Do the same for sealed values, of which the new one stays, as in `write_decided_slot`."""
    return _write_history(dialect, rows, _decided)


def _greater(new: Any) -> Any:
    return new.value > _history.value


def _decided(_new: Any) -> Any:
    return sa.true()


def _write_history(dialect: str, rows: int, rule: Rule) -> Any:
    if dialect in {"mysql", "mariadb"}:
        insert = mysql.insert(schema.profile_slot_history)
        new: Any = insert.inserted
        greater = rule(new)
        return insert.on_duplicate_key_update(
            [(name, sa.func.if_(greater, new[name], _history[name])) for name in _HISTORY_VALUES]
        )
    return _greatest_value(_insert(dialect, schema.profile_slot_history, rows), rule)


def _greatest_value(insert: Any, rule: Rule) -> Any:
    return insert.on_conflict_do_update(
        index_elements=[_history.namespace, _history.user_id, _history.slot, _history.written_at],
        set_={name: insert.excluded[name] for name in _HISTORY_VALUES},
        where=rule(insert.excluded),
    )


def _insert(dialect: str, table: sa.Table, rows: int) -> Any:
    """Return an insert for rows: on SQLite for just so many, on PostgreSQL for any number."""
    if dialect == "sqlite":
        return sqlite.insert(table).values([dict.fromkeys(table.c.keys(), "")] * rows)
    return _insert_select(table, sa.select(*_given(table, ROWS)))


def _insert_select(table: sa.Table, selected: sa.Select[Any]) -> Any:
    return postgresql.insert(table).from_select(list(table.c.keys()), selected)


ROWS, PROFILES = "rows", "profiles"
"""The parameters of PostgreSQL's statements: each a JSON list of rows, as `as_json` spells it.

psycopg would spell a list for each column, item by item: half of all its work for a write.
"""


def as_json(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as PostgreSQL's statements take them; values, which are bytes, as base64."""
    return msgspec.json.encode([dict(zip(columns, row, strict=True)) for row in rows]).decode()


def _given(table: sa.Table, parameter: str) -> list[sa.ColumnElement[Any]]:
    """Return a table's columns in the rows that a parameter holds."""
    given = (
        sa.func.json_to_recordset(sa.cast(sa.bindparam(parameter), postgresql.JSON))
        .table_valued(*(sa.column(column.name, _as_json(column)) for column in table.c))
        .render_derived(name=f"given_{parameter}", with_types=True)
    )
    return [
        sa.func.decode(given.c[column.name], _BASE64).label(column.name)
        if _is_bytes(column)
        else given.c[column.name]
        for column in table.c
    ]


def _as_json(column: sa.Column[Any]) -> sa.types.TypeEngine[Any]:
    text = _is_bytes(column) or isinstance(column.type, sa.String | schema.KeyText)
    return sa.Text() if text else column.type


def _is_bytes(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.LargeBinary)


def write_everything(_dialect: str, _rows: int = 1) -> Any:
    """Lock profiles, write slots and their history: one statement, one transaction, PostgreSQL's.

    The lock comes before the slots are looked at, so an erasure of the whole profile that was
    committed meanwhile is seen here: what it covers arrives as a tombstone.
    """
    _, _, past = _everything(_newer, _greater)
    return past


def write_everything_newer(_dialect: str, _rows: int = 1) -> Any:
    """Do the same for sealed values, and select the slots that have the given ones now.

    Of two values at one time the older stays: they cannot be compared here, and who writes has
    yet to decide (`write_decided_slot`).
    """
    given, written, past = _everything(_strictly_newer, _decided)
    there = [written.c[name] == given.c[name] for name in (*_PLACE, "written_at", "value")]
    return (
        sa.select(*(written.c[name] for name in _PLACE))
        .join_from(written, given, sa.and_(*there))
        .add_cte(past.cte("past"))
    )


def _everything(newer: Rule, past_rule: Rule) -> tuple[sa.CTE, sa.CTE, Any]:
    """Return what is given, what of it is written, and the insert into the history."""
    locked = (
        _later_erasure(_insert_select(schema.profile, sa.select(*_given(schema.profile, PROFILES))))
        .returning(_profile.namespace, _profile.user_id, _profile.erased_at)
        .cte("locked")
    )
    given = sa.select(*_given(schema.profile_slot, ROWS)).cte("given")
    covered = (locked.c.erased_at > _NEVER) & (given.c.written_at <= locked.c.erased_at)
    nothing: dict[str, Any] = {
        "written_at": locked.c.erased_at,
        "erased": sa.true(),
        "value": _EMPTY,
        **dict.fromkeys(("system", "action", "conversation"), sa.null()),
    }
    arriving = sa.select(
        *(
            sa.case((covered, nothing[name]), else_=given.c[name]).label(name)
            if name in nothing
            else given.c[name]
            for name in SLOT_COLUMNS
        )
    ).join_from(
        given,
        locked,
        (given.c.namespace == locked.c.namespace) & (given.c.user_id == locked.c.user_id),
    )
    written = (
        _newest_slot(_insert_select(schema.profile_slot, arriving), newer)
        .returning(*schema.profile_slot.c)
        .cte("written")
    )
    past = sa.select(*(written.c[name] for name in HISTORY_COLUMNS)).where(
        written.c.value != _EMPTY
    )
    history = _greatest_value(_insert_select(schema.profile_slot_history, past), past_rule)
    return given, written, history
