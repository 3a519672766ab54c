"""The tables, made to shard by user: every key begins with (namespace, user id).

Nothing needs the rows of two users to agree, and there are no sequences and no foreign keys
(which distributed engines check across nodes): a profile's rows are written in one transaction
that first locks its `profile` row.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine import Dialect

from profile_store.profile import MAX_NAMESPACE, MAX_SLOT_NAME, MAX_USER_ID

REVISION = "0001"
"""The migration that makes the tables as they are described here."""

VERSION_TABLE = "profile_store_version"
"""Alembic's own table, apart from the `alembic_version` of anything else in the database."""

_BYTES_PER_CHARACTER = 4

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class KeyText(sa.types.TypeDecorator[str]):
    """Text that is compared character by character, whatever the database's collation.

    MySQL and MariaDB take 'ann', 'Ann' and 'ann ' for one key by default, and would mix up
    users: there it is kept as UTF-8 bytes.
    """

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.VARBINARY(self.length * _BYTES_PER_CHARACTER))
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.VARCHAR(self.length, collation="C"))
        return dialect.type_descriptor(sa.String(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        if value is not None and dialect.name in {"mysql", "mariadb"}:
            return value.encode()
        return value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return value.decode() if isinstance(value, bytes | bytearray) else value


# MySQL's BLOB ends at 64 KiB, which is what a value may have before it is sealed.
_Value: sa.types.TypeEngine[bytes] = sa.LargeBinary().with_variant(
    mysql.MEDIUMBLOB(), "mysql", "mariadb"
)
# MySQL's DOUBLE takes a precision and its FLOAT is single: times need all 53 bits.
_Seconds: sa.types.TypeEngine[float] = sa.Double().with_variant(
    mysql.DOUBLE(asdecimal=False), "mysql", "mariadb"
)


def _key_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("namespace", KeyText(MAX_NAMESPACE), primary_key=True),
        sa.Column("user_id", KeyText(MAX_USER_ID), primary_key=True),
    ]


def _write_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("value", _Value, nullable=False),
        sa.Column("system", sa.String(16)),
        sa.Column("action", KeyText(MAX_SLOT_NAME)),
        sa.Column("conversation", KeyText(MAX_USER_ID)),
    ]


profile = sa.Table(
    "profile",
    metadata,
    *_key_columns(),
    sa.Column("erased_at", _Seconds, nullable=False),
    sqlite_with_rowid=False,
)
"""One row a user: what writers lock, and the time of the newest erasure of all (0: never)."""

profile_slot = sa.Table(
    "profile_slot",
    metadata,
    *_key_columns(),
    sa.Column("slot", KeyText(MAX_SLOT_NAME), primary_key=True),
    sa.Column("written_at", _Seconds, nullable=False),
    sa.Column("erased", sa.Boolean(), nullable=False),
    sa.Column("released_at", _Seconds, nullable=False),
    *_write_columns(),
    sqlite_with_rowid=False,
)
"""One row a slot: the newest write (or its tombstone) and the newest release."""

profile_slot_history = sa.Table(
    "profile_slot_history",
    metadata,
    *_key_columns(),
    sa.Column("written_at", _Seconds, primary_key=True, autoincrement=False),
    sa.Column("slot", KeyText(MAX_SLOT_NAME), primary_key=True),
    *_write_columns(),
    sqlite_with_rowid=False,
)
"""The writes that changed a slot, in order of time; never one that was erased."""
