"""A connection that is cut in mid-transaction: the whole of it counts, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from profile_store import SQLProfileStore
from tests.conftest import SERVERS
from tests.databases import DatabaseServer
from tests.faults.conftest import Serve
from tests.faults.conversations import COMMON, Talk
from tests.faults.results import results

CUTS = 8
POLL_SECONDS = 0.15
"""How often to look for who waits: InnoDB tells nothing new to who asks more than ten times a
second."""

# The last slot that a submission writes, so that the others are written and not committed.
_LOCK = f"SELECT 1 FROM profile_slot WHERE user_id = 'user 7' AND slot = '{COMMON[-1]}' FOR UPDATE"
_BLOCKED = {
    "postgresql": "SELECT pid FROM pg_stat_activity "
    "WHERE datname = 'profiles' AND wait_event_type = 'Lock'",
    "mariadb": "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx "
    "WHERE trx_state = 'LOCK WAIT'",
}
_CUT = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL CONNECTION {}"}


@contextlib.contextmanager
def stuck_in_mid_transaction(backend: str, url: str, admin: sa.Connection) -> Iterator[list[int]]:
    """Yield the connections that wait, in mid-transaction, for a lock held inside the block."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(_LOCK)
        deadline = time.monotonic() + 10
        found: list[int] = []
        while not found and time.monotonic() < deadline:
            found = list(admin.exec_driver_sql(_BLOCKED[backend]).scalars())
            time.sleep(POLL_SECONDS)
        assert found, "somebody writes to that profile all the time"
        yield found


def cut_in_mid_transaction(backend: str, url: str, server: DatabaseServer) -> None:
    with server.admin() as admin, stuck_in_mid_transaction(backend, url, admin) as stuck:
        for connection in stuck:
            admin.exec_driver_sql(_CUT[backend].format(connection))


@pytest.mark.parametrize("backend", SERVERS, indirect=True)
async def test_a_transaction_whose_connection_is_cut_is_done_whole_or_not_at_all(
    backend: str,
    url: str,
    server: DatabaseServer,
    serve: Serve,
    open_store: Callable[[str], SQLProfileStore],
) -> None:
    action_server = serve(url)
    took = []
    async with Talk([action_server.url]).going_on() as talk:
        await talk.acknowledge(200)
        for _ in range(CUTS):
            await asyncio.to_thread(cut_in_mid_transaction, backend, url, server)
            took.append(await talk.recover())
        await talk.acknowledge(100)
    await talk.audit(open_store(url))
    results.record(
        f"connection cut in mid-transaction {CUTS} times, {backend}", talk.book, max(took)
    )
