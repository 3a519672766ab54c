"""The contract of all stores, by the kit that anyone can run: here on each database of ours."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from profile_store import SQLProfileStore, StoreSettings
from profile_store.conformance import StoreConformance
from tests.conftest import Database, needs_mariadb

PATIENCE = 60
"""Seconds: a slow machine must not fail tests that are not about deadlines."""


class SQLConformance(StoreConformance):
    """What the three have in common; `database` is that of all tests, for one backend."""

    @pytest.fixture
    def database(self, database: Database) -> Database:
        return database

    def open_store(self, database: Database, **limits: Any) -> SQLProfileStore:
        return SQLProfileStore(StoreSettings(url=database.url, timeout=PATIENCE, **limits))

    def open_unreachable_store(self, database: Database) -> SQLProfileStore:
        nobody_listens = sa.make_url(database.url).set(port=1)
        return SQLProfileStore(
            StoreSettings(url=nobody_listens.render_as_string(hide_password=False))
        )


class TestSQLite(SQLConformance):
    model_runs = 50

    @pytest.fixture
    def backend(self) -> str:
        return "sqlite"

    def open_unreachable_store(self, database: Database) -> SQLProfileStore:
        nowhere = database.url.replace("profiles.db", "nowhere/profiles.db")
        return SQLProfileStore(StoreSettings(url=nowhere))


class TestPostgreSQL(SQLConformance):
    @pytest.fixture
    def backend(self) -> str:
        return "postgresql"


@needs_mariadb
class TestMariaDB(SQLConformance):
    @pytest.fixture
    def backend(self) -> str:
        return "mariadb"
