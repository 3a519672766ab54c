"""Tables that are missing or of another version: refused, and the remedy named."""

from __future__ import annotations

import re
from functools import partial

import pytest
import sqlalchemy as sa

from profile_store import (
    ProfileKey,
    ProfileStore,
    SchemaOutdated,
    SlotWrite,
    SQLProfileStore,
    StoreSettings,
    migrate,
    schema,
)
from tests.conftest import SERVERS, Database, OpenStore


async def test_a_database_of_another_version_is_refused_and_both_versions_named(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    set_version(database, "9999")
    store = open_store(retry_after=0)
    for call in (store.health, partial(store.fetch, ann), partial(store.forget, ann, at=1.0)):
        with pytest.raises(SchemaOutdated, match=f"9999.*{schema.REVISION}"):
            await call()


async def test_health_sees_tables_that_were_changed_under_a_running_store(
    store: ProfileStore, database: Database
) -> None:
    await store.health()
    set_version(database, "9999")
    with pytest.raises(SchemaOutdated):
        await store.health()


@pytest.mark.parametrize("backend", SERVERS, indirect=True)
async def test_a_server_without_tables_is_refused_and_the_command_named(
    empty_database: Database, ann: ProfileKey
) -> None:
    store = SQLProfileStore(StoreSettings(url=empty_database.url))
    try:
        with pytest.raises(SchemaOutdated, match=re.escape("coexist db upgrade")):
            await store.fetch(ann)
    finally:
        store.close()


@pytest.mark.parametrize("backend", SERVERS, indirect=True)
async def test_a_store_recovers_when_its_tables_are_made(
    empty_database: Database, ann: ProfileKey
) -> None:
    config = StoreSettings(url=empty_database.url, retry_after=0)
    store = SQLProfileStore(config)
    try:
        with pytest.raises(SchemaOutdated):
            await store.fetch(ann)
        migrate.upgrade(config)
        assert dict(await store.fetch(ann)) == {}
    finally:
        store.close()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_sqlite_makes_its_own_tables(empty_database: Database, ann: ProfileKey) -> None:
    store = SQLProfileStore(StoreSettings(url=empty_database.url))
    try:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
        await store.health()
    finally:
        store.close()


def set_version(database: Database, version: str) -> None:
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"UPDATE {schema.VERSION_TABLE} SET version_num = :version"),
            {"version": version},
        )
    engine.dispose()
