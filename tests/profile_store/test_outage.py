"""A database that goes away and comes back: conversations are told, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from profile_store import (
    ProfileKey,
    SlotWrite,
    SQLProfileStore,
    StoreSettings,
    StoreUnavailable,
    migrate,
)
from tests.conftest import SERVERS
from tests.databases import DatabaseServer, MariaDBServer, PostgresServer, ServerNotFound

pytestmark = pytest.mark.parametrize("backend", SERVERS, indirect=True)

OpenStore = Callable[..., SQLProfileStore]

NOT_REACHED = "cannot be reached"
"""What is said at once, in the place of waiting for the deadline."""


@pytest.fixture
def server(backend: str) -> Iterator[DatabaseServer]:
    """A server that the test may stop: nobody else has it."""
    try:
        made = PostgresServer() if backend == "postgresql" else MariaDBServer()
    except ServerNotFound as error:
        pytest.skip(str(error))
    with made as server:
        yield server


@pytest.fixture
def open_store(server: DatabaseServer) -> Iterator[OpenStore]:
    url = server.create_database("profiles")
    migrate.upgrade(StoreSettings(url=url))
    opened = []

    def make(**options: Any) -> SQLProfileStore:
        store = SQLProfileStore(StoreSettings(**{"url": url, "timeout": 60, **options}))
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


async def test_a_stopped_database_is_told_at_once_and_is_never_an_empty_profile(
    open_store: OpenStore, server: DatabaseServer, ann: ProfileKey
) -> None:
    store = open_store(retry_after=0)
    server.stop()
    for call in (store.fetch(ann), store.store(ann, [SlotWrite("a", 1, 1.0)]), store.health()):
        with pytest.raises(StoreUnavailable, match=NOT_REACHED):
            await call


async def test_a_connection_that_was_cut_is_told_and_made_anew_after_the_start(
    open_store: OpenStore, server: DatabaseServer, ann: ProfileKey
) -> None:
    store = open_store(retry_after=0)
    await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
    server.stop()
    with pytest.raises(StoreUnavailable):
        await store.fetch(ann)
    with pytest.raises(StoreUnavailable, match=NOT_REACHED):
        await store.fetch(ann)
    server.start()
    assert dict(await store.fetch(ann)) == {"name": "Ann"}


async def test_a_database_known_to_be_down_is_not_asked_until_it_is_time(
    open_store: OpenStore, server: DatabaseServer, ann: ProfileKey
) -> None:
    store = open_store(retry_after=300)
    server.stop()
    with pytest.raises(StoreUnavailable, match=NOT_REACHED):
        await store.fetch(ann)
    # It would answer now: that the call fails shows that it was not asked.
    server.start()
    with pytest.raises(StoreUnavailable, match=NOT_REACHED):
        await store.fetch(ann)


async def test_a_database_that_was_down_at_the_first_call_is_found_later(
    open_store: OpenStore, server: DatabaseServer, ann: ProfileKey
) -> None:
    store = open_store(retry_after=0)
    server.stop()
    with pytest.raises(StoreUnavailable):
        await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
    server.start()
    await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
    assert dict(await store.fetch(ann)) == {"name": "Ann"}


async def test_what_was_acknowledged_before_a_kill_is_there_after_it(
    open_store: OpenStore, server: DatabaseServer, ann: ProfileKey
) -> None:
    store = open_store(retry_after=0)
    acknowledged: dict[str, int] = {}
    many = asyncio.Event()

    async def converse(slot: str) -> None:
        """Count in a slot until the database is gone."""
        number = 0
        while True:
            number += 1
            try:
                await store.store(ann, [SlotWrite(slot, number, float(number))])
            except StoreUnavailable:
                return
            acknowledged[slot] = number
            if sum(acknowledged.values()) > 200:
                many.set()

    conversations = [asyncio.create_task(converse(f"slot {n}")) for n in range(16)]
    await many.wait()
    await asyncio.to_thread(server.kill)
    await asyncio.gather(*conversations)
    server.start()
    profile = await store.fetch(ann)
    assert len(acknowledged) == 16
    assert {slot: profile[slot] >= number for slot, number in acknowledged.items()} == (
        dict.fromkeys(acknowledged, True)
    )
    # A write that was not acknowledged may be there as well: at most the one under way.
    assert all(profile[slot] <= number + 1 for slot, number in acknowledged.items())


async def test_a_connection_that_was_cut_while_idle_costs_nobody_a_profile(
    open_store: OpenStore, server: DatabaseServer, ann: ProfileKey
) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("a", 1, 1.0)])
    with server.admin() as admin:
        for statement in server.cut_statements(admin, "profiles"):
            admin.exec_driver_sql(statement)
    assert dict(await store.fetch(ann)) == {"a": 1}
