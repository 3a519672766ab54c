"""Fault tests: real servers, real kills, and a table of what it cost at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from profile_store import SQLProfileStore, StoreSettings, migrate
from tests.databases import DatabaseServer, MariaDBServer, PostgresServer, ServerNotFound
from tests.faults.results import results
from tests.server.action_server import ActionServer

FOLDER = Path(__file__).resolve().parent

Serve = Callable[..., ActionServer]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.faults)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if lines := results.lines():
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def server(backend: str) -> Iterator[DatabaseServer]:
    """A database server of the test's own, set up to keep what it commits."""
    try:
        made = PostgresServer() if backend == "postgresql" else MariaDBServer()
    except ServerNotFound as error:
        results.notes.append(f"{backend}: not tested here: {error}")
        pytest.skip(str(error))
    with made as server:
        yield server


@pytest.fixture
def url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database, on a server of the test's own or in a folder of its own."""
    if backend == "sqlite":
        (tmp_path / "profiles").mkdir()
        made = f"sqlite:///{tmp_path / 'profiles' / 'profiles.db'}"
    else:
        made = request.getfixturevalue("server").create_database("profiles")
    migrate.upgrade(StoreSettings(url=made))
    return made


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start action servers as users start them; they are ended with the test."""
    started: list[ActionServer] = []

    def start(url: str, **settings: str) -> ActionServer:
        env = {f"PROFILE_STORE_{name.upper()}": value for name, value in settings.items()}
        server = ActionServer(tmp_path, env={"PROFILE_STORE_URL": url, **env})
        server.__enter__()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def open_store() -> Iterator[Callable[[str], SQLProfileStore]]:
    """Make stores to look into a database with; they are closed when the test ends."""
    opened = []

    def make(url: str) -> SQLProfileStore:
        store = SQLProfileStore(StoreSettings(url=url, timeout=60))
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()
