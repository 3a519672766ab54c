"""Profiles, their slots and the slots' history.

Revision: 0001, the first. Runs before the deployment that needs it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from profile_store.schema import KeyText

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_seconds: sa.types.TypeEngine[float] = sa.Double().with_variant(
    mysql.DOUBLE(asdecimal=False), "mysql", "mariadb"
)
_value: sa.types.TypeEngine[bytes] = sa.LargeBinary().with_variant(
    mysql.MEDIUMBLOB(), "mysql", "mariadb"
)


def _write_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("value", _value, nullable=False),
        sa.Column("system", sa.String(16)),
        sa.Column("action", KeyText(255)),
        sa.Column("conversation", KeyText(255)),
    ]


def upgrade() -> None:
    op.create_table(
        "profile",
        sa.Column("namespace", KeyText(64), nullable=False),
        sa.Column("user_id", KeyText(255), nullable=False),
        sa.Column("erased_at", _seconds, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "user_id", name="pk_profile"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "profile_slot",
        sa.Column("namespace", KeyText(64), nullable=False),
        sa.Column("user_id", KeyText(255), nullable=False),
        sa.Column("slot", KeyText(255), nullable=False),
        sa.Column("written_at", _seconds, nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.Column("released_at", _seconds, nullable=False),
        *_write_columns(),
        sa.PrimaryKeyConstraint("namespace", "user_id", "slot", name="pk_profile_slot"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "profile_slot_history",
        sa.Column("namespace", KeyText(64), nullable=False),
        sa.Column("user_id", KeyText(255), nullable=False),
        sa.Column("written_at", _seconds, nullable=False),
        sa.Column("slot", KeyText(255), nullable=False),
        *_write_columns(),
        sa.PrimaryKeyConstraint(
            "namespace", "user_id", "written_at", "slot", name="pk_profile_slot_history"
        ),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )


def downgrade() -> None:
    for table in ("profile_slot_history", "profile_slot", "profile"):
        op.drop_table(table, if_exists=True)
