"""Databases for tests: a server is started once a session, a database is made for each test."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from profile_store import SQLProfileStore, StoreSettings, migrate, schema
from tests.databases import (
    DatabaseServer,
    MariaDBServer,
    PostgresServer,
    ServerNotFound,
    mariadb_missing,
)

LEAVING_SECONDS = 10
"""How long a server may take to notice that a client has left."""


MOST_WORKERS = 8
"""Each has database servers of its own."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` makes; more than cores would miss deadlines."""
    return min(os.cpu_count() or 1, MOST_WORKERS)


@pytest.fixture
def bare_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder, and an environment and a command line that set nothing."""
    for variable in list(os.environ):
        if variable.startswith("PROFILE_STORE_"):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rasa_sdk"])


needs_mariadb = pytest.mark.skipif(bool(mariadb_missing()), reason=mariadb_missing() or "")

BACKENDS = ["sqlite", "postgresql", pytest.param("mariadb", marks=needs_mariadb)]
SERVERS = BACKENDS[1:]

# These servers are never killed, so that nothing of them need reach the disk.
_FAST_POSTGRES = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_FAST_MARIADB = {"innodb-flush-log-at-trx-commit": "0"}


@dataclasses.dataclass(frozen=True)
class Database:
    """A database of one test's own."""

    backend: str
    url: str
    connections: Callable[[], int]
    """Count who is connected; 1 stands for any number on SQLite, and nobody may be at work."""

    def none_is_connected(self) -> bool:
        """Return whether everybody leaves; a server hears of it a moment after the client went."""
        deadline = time.monotonic() + LEAVING_SECONDS
        while self.connections():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


OpenStore = Callable[..., SQLProfileStore]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer(_FAST_POSTGRES)
    except ServerNotFound as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDBServer]:
    try:
        server = MariaDBServer(_FAST_MARIADB)
    except ServerNotFound as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The database that this run of a test is for."""
    name: str = request.param
    return name


def _server(backend: str, request: pytest.FixtureRequest) -> DatabaseServer:
    server: DatabaseServer = request.getfixturevalue(
        "postgres_server" if backend == "postgresql" else "mariadb_server"
    )
    return server


def _make_database(server: DatabaseServer, backend: str) -> Database:
    name = f"t_{uuid.uuid4().hex}"
    return Database(backend, server.create_database(name), lambda: server.connections(name))


def _in_file(file: Path) -> Database:
    return Database("sqlite", f"sqlite:///{file}", lambda: _sqlite_connections(file))


@pytest.fixture
def empty_database(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Database]:
    """A database without tables, dropped after the test, which must have left it."""
    if backend == "sqlite":
        database = _in_file(tmp_path / "profiles.db")
        yield database
        assert database.none_is_connected()
        return
    server = _server(backend, request)
    database = _make_database(server, backend)
    yield database
    left = database.none_is_connected()
    server.drop_database(str(sa.make_url(database.url).database))
    assert left


@pytest.fixture(scope="session")
def migrated_databases() -> dict[str, list[Database]]:
    """Databases that are not in use: a test takes one, and it is emptied for the next."""
    return defaultdict(list)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "profiles.db"
    migrate.upgrade(StoreSettings(url=f"sqlite:///{file}"))
    return file


@pytest.fixture
def database(
    backend: str,
    migrated_databases: dict[str, list[Database]],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[Database]:
    """A database with current, empty tables; the test must have left it when it ends."""
    if backend == "sqlite":
        file = tmp_path / "profiles.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        database = _in_file(file)
        yield database
        assert database.none_is_connected()
        return
    if migrated_databases[backend]:
        database = migrated_databases[backend].pop()
    else:
        database = _make_database(_server(backend, request), backend)
        migrate.upgrade(StoreSettings(url=database.url))
    yield database
    assert database.none_is_connected()
    _empty(database)
    migrated_databases[backend].append(database)


def _empty(database: Database) -> None:
    version = sa.table(schema.VERSION_TABLE, sa.column("version_num"))
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for table in schema.metadata.sorted_tables:
            connection.execute(table.delete())
        connection.execute(version.update().values(version_num=schema.REVISION))


def _sqlite_connections(file: Path) -> int:
    """Return whether anybody is connected to a file: only the last may end its log."""
    engine = sa.create_engine(
        f"sqlite:///{file}", poolclass=sa.NullPool, connect_args={"timeout": 0}
    )
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
    except sa.exc.OperationalError:
        return 1
    finally:
        engine.dispose()
    return 0


@pytest.fixture
def open_store(database: Database) -> Iterator[OpenStore]:
    """Make stores on the test's database; they are closed when it ends."""
    opened = []

    def make(**options: Any) -> SQLProfileStore:
        # a patient store: a slow machine must not fail tests that are not about deadlines
        store = SQLProfileStore(StoreSettings(**{"url": database.url, "timeout": 60, **options}))
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()
