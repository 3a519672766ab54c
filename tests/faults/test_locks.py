"""A lock that somebody else holds for 30 seconds: calls answer in time, and it is over after it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from profile_store import SQLProfileStore
from tests.conftest import BACKENDS
from tests.faults.conftest import Serve
from tests.faults.conversations import Talk
from tests.faults.results import results

HELD_SECONDS = 30.0

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""
LOCKS = {
    "sqlite": "write lock of the file",
    "postgresql": "ACCESS EXCLUSIVE lock of a table",
    "mariadb": "lock of one user's rows",
}
_STATEMENTS = {
    "postgresql": "LOCK TABLE profile_slot IN ACCESS EXCLUSIVE MODE",
    "mariadb": "SELECT * FROM profile_slot WHERE user_id = 'user 0' FOR UPDATE",
}


@contextlib.contextmanager
def held(backend: str, url: str) -> Iterator[None]:
    """Hold a lock from another connection; on SQLite, from another process."""
    if backend == "sqlite":
        file = str(sa.make_url(url).database)
        with subprocess.Popen(
            [sys.executable, "-c", _HOLD, file],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as holder:  # fmt: skip
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield
            holder.communicate(timeout=10)
        return
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(_STATEMENTS[backend])
        yield


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
async def test_a_lock_costs_no_call_its_deadline_and_no_conversation_its_profile(
    backend: str, url: str, serve: Serve, open_store: Callable[[str], SQLProfileStore]
) -> None:
    server = serve(url)
    async with Talk([server.url]).going_on() as talk:
        await talk.acknowledge(100)
        lock = held(backend, url)
        await asyncio.to_thread(lock.__enter__)
        began = time.monotonic()
        await talk.be_refused()
        await asyncio.sleep(began + HELD_SECONDS - time.monotonic())
        await asyncio.to_thread(lock.__exit__, None, None, None)
        took = await talk.recover()
        await talk.acknowledge(100)
    await talk.audit(open_store(url))
    results.record(f"{LOCKS[backend]} held for 30 s, {backend}", talk.book, took)
