"""A database server that is stopped, or killed, and started again under load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from profile_store import SQLProfileStore
from tests.conftest import SERVERS
from tests.databases import DatabaseServer
from tests.faults.conftest import Serve
from tests.faults.conversations import Talk
from tests.faults.results import results

pytestmark = pytest.mark.parametrize("backend", SERVERS, indirect=True)


@pytest.mark.parametrize("ending", [DatabaseServer.stop, DatabaseServer.kill])
async def test_what_was_said_while_the_database_was_away_is_there_when_it_is_back(
    backend: str,
    url: str,
    server: DatabaseServer,
    ending: Callable[[DatabaseServer], None],
    serve: Serve,
    open_store: Callable[[str], SQLProfileStore],
) -> None:
    action_server = serve(url)
    async with Talk([action_server.url]).going_on() as talk:
        await talk.acknowledge(200)
        await asyncio.to_thread(ending, server)
        await talk.be_refused()
        assert action_server.get("/ready").status_code == 503
        assert action_server.get("/health").status_code == 200
        await asyncio.to_thread(server.start)
        took = await talk.recover()
        await talk.acknowledge(200)
    await talk.audit(open_store(url))
    what = "stopped" if ending is DatabaseServer.stop else "killed (kill -9)"
    results.record(f"{backend} {what}, started again", talk.book, took)
