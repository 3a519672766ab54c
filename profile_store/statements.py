"""Every SQL statement of the store but the upserts, each under a name.

They are written once in SQLAlchemy Core; how to say "these users" is the only place that knows a
dialect. A statement's text never depends on how many users it is for, so that it is compiled, and
prepared by PostgreSQL, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa

from profile_store import schema
from profile_store.profile import ProfileKey

_history = schema.profile_slot_history.c

_ZERO: sa.ColumnElement[float] = sa.literal_column("0.0")

BEGIN = {"sqlite": "BEGIN IMMEDIATE"}
"""How a writing transaction begins; SQLite takes its write lock at once, for it cannot later."""

_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

BEGIN_READING = {
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "mysql": _SNAPSHOT,
    "mariadb": _SNAPSHOT,
}
"""How a transaction begins whose statements all see the database at one moment."""


def read_profiles(dialect: str) -> sa.CompoundSelect[Any]:
    """Select the profiles of `users` in `namespace`: a row a slot, a slotless row an erasure.

    Two walks along the primary keys, not a join: for a join, PostgreSQL and InnoDB pick a plan by
    statistics that a young or fast-growing table does not have yet.
    """
    slot, of_slots = _of_users(dialect, schema.profile_slot)
    profile, of_profiles = _of_users(dialect, schema.profile)
    slots = of_slots.with_only_columns(
        slot.user_id,
        _ZERO.label("erased_at"),
        slot.slot,
        slot.value,
        slot.written_at,
        slot.erased,
        slot.released_at,
        slot.system,
        slot.action,
        slot.conversation,
    )
    erasures = of_profiles.with_only_columns(
        profile.user_id, profile.erased_at, *(sa.null() for _ in slots.selected_columns[2:])
    ).where(profile.erased_at > _ZERO)
    return sa.union_all(slots, erasures)


def _of_users(dialect: str, table: sa.Table) -> tuple[Any, sa.Select[Any]]:
    """Return a table's columns, and a select of its rows of `users` in `namespace`."""
    of_namespace = sa.select(table).where(table.c.namespace == sa.bindparam("namespace"))
    if dialect == "postgresql":
        # User by user, with a fence (OFFSET 0): PostgreSQL would rather read the namespace and
        # filter the users while it believes the table to be small.
        users = sa.func.unnest(sa.bindparam("users", type_=sa.ARRAY(sa.Text())))
        wanted = users.table_valued("user_id").render_derived(name="wanted")
        of_user = of_namespace.where(table.c.user_id == wanted.c.user_id)
        found = of_user.offset(sa.literal_column("0")).lateral(f"{table.name}_of_user")
        return found.c, sa.select(found).select_from(wanted.join(found, sa.true()))
    if dialect == "sqlite":
        # a JSON list, for SQLite has no lists of its own
        listed = sa.func.json_each(sa.bindparam("users", type_=sa.Text())).table_valued("value")
        return table.c, of_namespace.where(table.c.user_id.in_(sa.select(listed.c.value)))
    # MySQL's drivers spell a whole tuple, brackets and all
    among = of_namespace.where(table.c.user_id.op("IN")(sa.bindparam("users")))
    for name in ("mysql", "mariadb"):
        among = among.with_hint(table, "FORCE INDEX (PRIMARY)", name)
    return table.c, among


def users_parameter(dialect: str, users: list[str]) -> Any:
    """Return some user ids as `read_profiles` takes them."""
    if dialect == "sqlite":
        return msgspec.json.encode(users).decode()
    return users if dialect == "postgresql" else tuple(users)


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
def erase_everything() -> tuple[sa.Delete | sa.Update, ...]:
    """Delete what a profile's erasure at `b_erased_at` covers: its history, then its slots.

    A slot with a newer release keeps that, on a tombstone: a write that is late for the release
    may yet come.
    """
    history, slot = schema.profile_slot_history, schema.profile_slot
    erased_at: sa.BindParameter[float] = sa.bindparam("b_erased_at")
    emptied: dict[str, Any] = dict.fromkeys(("system", "action", "conversation"))
    return (
        sa.delete(history).where(*_covered(history)),
        sa.delete(slot).where(*_covered(slot), slot.c.released_at <= erased_at),
        sa.update(slot)
        .where(*_covered(slot))
        .values(value=b"", erased=True, written_at=erased_at, **emptied),
    )


def _covered(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        table.c.namespace == _OLDER["namespace"],
        table.c.user_id == _OLDER["user_id"],
        table.c.written_at <= sa.bindparam("b_erased_at"),
    )


def read_history(
    key: ProfileKey,
    slot: str | None,
    limit: int | None,
    kept: Callable[[Any], Iterable[sa.ColumnElement[bool]]],
) -> sa.Select[Any]:
    """Select what is kept of a profile's history, newest first."""
    statement = sa.select(schema.profile_slot_history).where(
        _history.namespace == key.namespace, _history.user_id == key.user_id, *kept(_history)
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
