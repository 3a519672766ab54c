"""What migrations make is what the models describe, and it shards by user."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from profile_store import StoreSettings, migrate, schema
from tests.migrations.conftest import connected

_COLUMNS = {
    "postgresql": """
        SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision,
               is_nullable, column_default, collation_name, is_identity
        FROM information_schema.columns WHERE table_schema = current_schema()
    """,
    "mysql": """
        SELECT table_name, column_name, column_type, is_nullable, column_default, collation_name,
               extra
        FROM information_schema.columns WHERE table_schema = DATABASE()
    """,
    "sqlite": "SELECT name, sql FROM sqlite_master",
}


def described(connection: sa.Connection) -> tuple[set[Any], dict[str, Any]]:
    """Return all that a database knows of the profile tables."""
    dialect = "mysql" if connection.dialect.name == "mariadb" else connection.dialect.name
    inspector = sa.inspect(connection)
    columns = {
        tuple(" ".join(cell.split()) if isinstance(cell, str) else cell for cell in row)
        for row in connection.execute(sa.text(_COLUMNS[dialect]))
        if row[0] in schema.metadata.tables
    }
    assert columns
    return columns, {
        name: (
            inspector.get_pk_constraint(name),
            inspector.get_indexes(name),
            inspector.get_unique_constraints(name),
            inspector.get_check_constraints(name),
        )
        for name in schema.metadata.tables
    }


def test_there_is_one_newest_migration_and_the_models_name_it() -> None:
    scripts = ScriptDirectory.from_config(migrate.alembic_config())
    assert scripts.get_heads() == [schema.REVISION]


def test_alembic_finds_no_difference_between_migrated_tables_and_models(
    config: StoreSettings,
) -> None:
    migrate.upgrade(config)
    with connected(config) as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, schema.metadata) == []


def test_migrated_tables_are_those_that_the_models_would_create(config: StoreSettings) -> None:
    migrate.upgrade(config)
    with connected(config) as connection:
        migrated = described(connection)
    migrate.downgrade(config, "base")
    with connected(config) as connection:
        schema.metadata.create_all(connection)
        assert described(connection) == migrated


def test_every_primary_key_begins_with_namespace_and_user(config: StoreSettings) -> None:
    migrate.upgrade(config)
    with connected(config) as connection:
        inspector = sa.inspect(connection)
        for name in schema.metadata.tables:
            key = inspector.get_pk_constraint(name)["constrained_columns"]
            assert key[:2] == ["namespace", "user_id"], name


def test_no_table_refers_to_another(config: StoreSettings) -> None:
    migrate.upgrade(config)
    with connected(config) as connection:
        inspector = sa.inspect(connection)
        for name in inspector.get_table_names():
            assert inspector.get_foreign_keys(name) == []


def test_nothing_counts_up(config: StoreSettings) -> None:
    migrate.upgrade(config)
    with connected(config) as connection:
        inspector = sa.inspect(connection)
        if inspector.dialect.supports_sequences:
            assert inspector.get_sequence_names() == []
        assert "sqlite_sequence" not in inspector.get_table_names()
        for name in schema.metadata.tables:
            for column in inspector.get_columns(name):
                assert column.get("autoincrement") in {False, None, "auto"}, column["name"]
                assert column.get("identity") is None
                assert column["default"] is None


def test_keys_that_a_collation_would_take_for_one_are_several(config: StoreSettings) -> None:
    users = ["ann", "Ann", "ann ", "änn", "a\u0308nn"]
    migrate.upgrade(config)
    with connected(config) as connection:
        connection.execute(
            sa.insert(schema.profile),
            [{"namespace": "n", "user_id": user, "erased_at": 0.0} for user in users],
        )
        found = connection.execute(sa.select(schema.profile.c.user_id)).scalars().all()
        assert sorted(found) == sorted(users)
