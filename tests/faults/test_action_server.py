"""`kill -9` of the action server: what it acknowledged is in the database, whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from profile_store import SQLProfileStore
from tests.conftest import BACKENDS
from tests.faults.conftest import Serve
from tests.faults.conversations import Talk
from tests.faults.results import results

WRITES = 1_000
KILLS = 4


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
async def test_nothing_acknowledged_is_lost_when_the_action_server_is_killed(
    backend: str, url: str, serve: Serve, open_store: Callable[[str], SQLProfileStore]
) -> None:
    server = serve(url)
    took = []
    async with Talk([server.url]).going_on() as talk:
        for _ in range(KILLS):
            await talk.acknowledge(WRITES // KILLS)
            killed = time.monotonic()
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.__enter__)
            await talk.recover()
            took.append(time.monotonic() - killed)
    assert talk.book.unanswered, "somebody was in mid-call"
    await talk.audit(open_store(url))
    assert talk.book.acknowledged >= WRITES
    results.record(f"action server killed (kill -9) {KILLS} times, {backend}", talk.book, max(took))
