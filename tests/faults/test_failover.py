"""A PostgreSQL primary that dies under load, and its synchronous standby in its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from profile_store import SQLProfileStore, StoreSettings, migrate
from tests.databases import PostgresServer, PostgresStandby, ServerNotFound
from tests.faults.conftest import Serve
from tests.faults.conversations import Talk
from tests.faults.results import results

NOTICE_SECONDS = 2
"""How long whoever watches over the servers takes to see that the primary is dead."""


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    """A server whose commits wait until a standby has them on its disk."""
    try:
        made = PostgresServer()
    except ServerNotFound as error:
        results.notes.append(f"failover: not tested here: {error}")
        pytest.skip(str(error))
    with made as server:
        yield server


async def test_a_promoted_synchronous_standby_has_all_that_was_acknowledged(
    primary: PostgresServer, serve: Serve, open_store: Callable[[str], SQLProfileStore]
) -> None:
    migrate.upgrade(StoreSettings(url=primary.create_database("profiles")))
    with PostgresStandby(primary) as standby:
        primary.stop()
        primary.settings["synchronous_standby_names"] = "*"
        primary.start()
        url = (
            f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/profiles"
            "?target_session_attrs=read-write"
        )
        action_server = serve(url)
        async with Talk([action_server.url]).going_on() as talk:
            await talk.acknowledge(300)
            with primary.admin() as admin:
                state = admin.exec_driver_sql("SELECT sync_state FROM pg_stat_replication")
                assert state.scalar_one() == "sync"
            killed = time.monotonic()
            await asyncio.to_thread(primary.kill)
            await talk.be_refused()
            await asyncio.sleep(killed + NOTICE_SECONDS - time.monotonic())
            promoted = time.monotonic()
            await asyncio.to_thread(standby.promote)
            await talk.recover()
            recovered = time.monotonic()
            await talk.acknowledge(300)
        assert talk.book.unavailable
        await talk.audit(open_store(standby.url("profiles")))
        action_server.stop()
    results.record(
        "primary killed (kill -9), synchronous standby promoted, postgresql",
        talk.book,
        recovered - promoted,
    )
    results.notes.append(
        f"failover: {recovered - killed:.1f} s from the kill, of which {promoted - killed:.1f} s "
        "until somebody ordered the promotion"
    )
