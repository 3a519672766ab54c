"""The servers that other tests run on start, keep what was committed, and leave nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from tests.databases import DatabaseServer, MariaDBServer, PostgresServer, mariadb_missing


@pytest.fixture(
    params=[
        PostgresServer,
        pytest.param(
            MariaDBServer,
            marks=pytest.mark.skipif(bool(mariadb_missing()), reason=mariadb_missing() or ""),
        ),
    ]
)
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with request.param() as running:
        yield running


def numbers(url: str) -> list[int]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(connection.execute(sa.text("SELECT n FROM t ORDER BY n")).scalars())


@pytest.mark.parametrize("ending", [DatabaseServer.stop, DatabaseServer.kill])
def test_what_was_committed_is_there_after_a_restart(
    server: DatabaseServer, ending: Callable[[DatabaseServer], None]
) -> None:
    url = server.create_database("kept")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (n int)"))
        connection.execute(sa.text("INSERT INTO t VALUES (1), (2)"))
    ending(server)
    with pytest.raises(sa.exc.OperationalError):
        numbers(url)
    server.start()
    assert numbers(url) == [1, 2]


def test_nothing_is_left_behind(server: DatabaseServer) -> None:
    assert server._process is not None
    group = server._process.pid
    server.remove()
    assert not server.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
