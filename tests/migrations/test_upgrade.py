"""Upgrading and downgrading keep what is not theirs, and can be repeated."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op

from profile_store import (
    ProfileKey,
    SchemaOutdated,
    SlotWrite,
    SQLProfileStore,
    StoreSettings,
    StoreUnavailable,
    migrate,
    schema,
)
from tests.conftest import Database
from tests.migrations.conftest import connected, tables

OURS = {*schema.metadata.tables, schema.VERSION_TABLE}
VERSION = sa.table(schema.VERSION_TABLE, sa.column("version_num"))
ANN = ProfileKey("bank", "ann")


def version_rows(config: StoreSettings) -> list[str]:
    with connected(config) as connection:
        return list(connection.execute(sa.select(VERSION.c.version_num)).scalars())


def set_version(config: StoreSettings, version: str | None) -> None:
    with connected(config) as connection:
        connection.execute(sa.delete(VERSION))
        if version is not None:
            connection.execute(sa.insert(VERSION).values(version_num=version))


async def write_a_name(config: StoreSettings) -> None:
    store = SQLProfileStore(config)
    try:
        await store.store(ANN, [SlotWrite("name", "Ann", 1_700_000_000.0)])
    finally:
        store.close()


async def read_the_name(config: StoreSettings) -> Any:
    store = SQLProfileStore(config)
    try:
        return (await store.fetch(ANN)).get("name")
    finally:
        store.close()


def test_up_down_and_up_again(config: StoreSettings) -> None:
    assert migrate.upgrade(config) == schema.REVISION
    assert tables(config) == OURS
    assert migrate.downgrade(config, "base") == "base"
    assert tables(config) == {schema.VERSION_TABLE}
    assert migrate.upgrade(config) == schema.REVISION
    assert tables(config) == OURS


async def test_data_survives_an_upgrade_that_has_nothing_to_do(config: StoreSettings) -> None:
    migrate.upgrade(config)
    await write_a_name(config)
    assert migrate.upgrade(config) == schema.REVISION
    assert await read_the_name(config) == "Ann"


async def test_a_migration_whose_end_was_not_noted_can_be_repeated(config: StoreSettings) -> None:
    migrate.upgrade(config)
    await write_a_name(config)
    set_version(config, None)
    assert migrate.upgrade(config) == schema.REVISION
    assert await read_the_name(config) == "Ann"


@pytest.fixture
def second_table_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the migration fail after its first table; calling it lets it work again."""
    made: list[str] = []
    create_table: Callable[..., Any] = op.create_table

    def create(name: str, *arguments: Any, **options: Any) -> Any:
        if made:
            raise sa.exc.OperationalError("CREATE TABLE", None, Exception("disk full"))
        made.append(name)
        return create_table(name, *arguments, **options)

    monkeypatch.setattr(op, "create_table", create)
    return lambda: monkeypatch.setattr(op, "create_table", create_table)


def test_a_migration_that_failed_halfway_is_done_by_the_next(
    config: StoreSettings, backend: str, second_table_fails: Callable[[], None]
) -> None:
    with pytest.raises(StoreUnavailable, match="disk full"):
        migrate.upgrade(config)
    if backend != "mariadb":  # which commits every change of a table by itself
        assert tables(config) == set()
    second_table_fails()
    assert migrate.upgrade(config) == schema.REVISION
    assert tables(config) == OURS


def test_tables_of_others_are_left_alone(config: StoreSettings) -> None:
    with connected(config) as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('their own')")
        connection.exec_driver_sql("CREATE TABLE events (id INTEGER)")
    migrate.upgrade(config)
    migrate.downgrade(config, "base")
    migrate.upgrade(config)
    assert tables(config) == {"alembic_version", "events", *OURS}
    with connected(config) as connection:
        theirs = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
        assert theirs.scalars().all() == ["their own"]


@pytest.mark.parametrize(
    "use",
    [
        migrate.upgrade,
        migrate.check_at_start,
        lambda config: migrate.downgrade(config, "base"),
    ],
    ids=["upgrade", "start", "downgrade"],
)
def test_a_database_of_a_newer_release_is_refused_and_left_as_it_is(
    config: StoreSettings, use: Callable[[StoreSettings], object]
) -> None:
    migrate.upgrade(config)
    set_version(config, "9999")
    with pytest.raises(SchemaOutdated, match=r"version 9999.*install the release"):
        use(config)
    assert version_rows(config) == ["9999"]
    assert tables(config) == OURS


async def test_a_store_on_a_database_of_a_newer_release_says_so(config: StoreSettings) -> None:
    migrate.upgrade(config)
    set_version(config, "9999")
    with pytest.raises(SchemaOutdated, match="version 9999"):
        await read_the_name(config)


def test_a_server_starts_without_tables_on_sqlite_alone(
    config: StoreSettings, backend: str
) -> None:
    if backend == "sqlite":
        migrate.check_at_start(config)
        assert tables(config) == OURS
    else:
        with pytest.raises(SchemaOutdated, match=r"no tables yet; run: coexist db upgrade$"):
            migrate.check_at_start(config)
        assert tables(config) == set()


_TAKE_LOCK = {
    "sqlite": ("BEGIN IMMEDIATE", "ROLLBACK"),
    "postgresql": (
        "SELECT pg_advisory_lock(7253418905114226)",
        "SELECT pg_advisory_unlock(7253418905114226)",
    ),
    "mariadb": ("SELECT GET_LOCK('profile_store', 0)", "SELECT RELEASE_LOCK('profile_store')"),
}
LONGER_THAN_AN_ACTION_WAITS = 1.6


def test_whoever_comes_second_waits_longer_than_an_action_would(
    empty_database: Database, backend: str
) -> None:
    config = StoreSettings(url=empty_database.url, timeout=1)
    take, release = _TAKE_LOCK[backend]
    with (
        concurrent.futures.ThreadPoolExecutor() as pool,
        connected(config) as first,
    ):
        first.exec_driver_sql(take)
        second = pool.submit(migrate.upgrade, config)
        concurrent.futures.wait([second], timeout=LONGER_THAN_AN_ACTION_WAITS)
        assert second.running()
        first.exec_driver_sql(release)
        assert second.result() == schema.REVISION


def test_a_connection_that_migrated_sqlite_keeps_its_own_patience(tmp_path: Path) -> None:
    config = StoreSettings(url=f"sqlite:///{tmp_path}/profiles.db", timeout=2)
    with connected(config) as connection:
        migrate.upgrade_connection(connection)
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 2000
