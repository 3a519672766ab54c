"""SQLite only: known profiles answered without the worker, and when the disk is waited for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from profile_store import (
    ProfileKey,
    SlotWrite,
    SQLProfileStore,
    StoreClosed,
    StoreSettings,
    engine,
    erasure,
    linking,
)
from tests.conftest import OpenStore
from tests.profile_store.test_batching import Gate

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


class Handed:
    """Counts the calls that a store hands to its worker."""

    def __init__(self, store: SQLProfileStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        submit = store._batcher.submit

        async def counted(request: Any) -> Any:
            self.calls += 1
            return await submit(request)

        monkeypatch.setattr(store._batcher, "submit", counted)


async def test_a_known_profile_is_answered_without_the_worker(
    open_store: OpenStore, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    write = SlotWrite("name", "Ann", 10.0)
    await store.store(ann, [write])
    handed = Handed(store, monkeypatch)
    assert dict(await store.fetch(ann)) == {"name": "Ann"}
    assert dict((await store.sync(ann, [write])).profile) == {"name": "Ann"}, "nothing is new"
    assert handed.calls == 0
    changed = await store.sync(ann, [SlotWrite("name", "Anna", 11.0)])
    assert (dict(changed.profile), handed.calls) == ({"name": "Anna"}, 1)


async def test_what_another_process_wrote_is_seen_by_the_next_call(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    ours, theirs = open_store(), open_store()
    for number in range(20):
        await theirs.store(ann, [SlotWrite("count", number, float(number + 1))])
        assert dict(await ours.fetch(ann)) == {"count": number}


async def test_a_known_profile_waits_for_its_turn_while_the_worker_is_at_work(
    open_store: OpenStore, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
    async with Gate(store) as gate:
        handed = Handed(store, monkeypatch)
        waiting = asyncio.create_task(store.fetch(ann))
        await asyncio.sleep(0)
        assert handed.calls == 1
        gate.open()
        assert dict(await waiting) == {"name": "Ann"}


async def test_many_loops_read_known_profiles_while_others_write(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("count", 0, 1.0)])
    last = 300

    async def write() -> None:
        for number in range(1, last + 1):
            await store.store(ann, [SlotWrite("count", number, float(number + 1))])

    async def read() -> None:
        seen = 0
        while seen < last:
            count = (await store.fetch(ann))["count"]
            assert count >= seen, "what was seen once is never gone again"
            seen = count
            await asyncio.sleep(0)

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, work()) for work in (write, read, read)))


async def test_a_closed_store_knows_nothing(open_store: OpenStore, ann: ProfileKey) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
    store.close()
    with pytest.raises(StoreClosed):
        await store.fetch(ann)


def test_a_fork_knows_nothing_of_its_parents_connection(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store()
    asyncio.run(store.store(ann, [SlotWrite("name", "Ann", 10.0)]))
    assert store._database.peek() is not None
    child = os.fork()
    if child == 0:
        os._exit(0 if store._database.peek() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def synchronous(connection: sa.Connection) -> int:
    level: int = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    return level


NORMAL, FULL = 1, 2


@pytest.mark.parametrize(("setting", "level"), [({}, NORMAL), ({"synchronous": "full"}, FULL)])
async def test_a_commit_waits_for_the_disk_as_set(
    open_store: OpenStore, setting: dict[str, str], level: int
) -> None:
    assert await open_store(**setting)._task(synchronous) == level


async def test_an_erasure_and_a_link_always_wait_for_the_disk(
    open_store: OpenStore, ann: ProfileKey, bob: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    levels = []
    for module, name in ((erasure, "forget"), (linking, "link")):
        work = getattr(module, name)

        def watched(connection: sa.Connection, *given: Any, work: Any = work) -> Any:
            levels.append(synchronous(connection))
            return work(connection, *given)

        monkeypatch.setattr(module, name, watched)
    await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
    await store.link(ann, bob)
    await store.forget(bob, at=20.0)
    assert levels == [FULL, FULL]
    assert await store._task(synchronous) == NORMAL, "and others do not"


@pytest.mark.parametrize("slots", [1, 2, 63, 64, 65, 127, 200])
async def test_any_number_of_slots_is_written_at_once(
    open_store: OpenStore, ann: ProfileKey, slots: int
) -> None:
    store, reader = open_store(), open_store()
    values = {f"slot {number}": number for number in range(slots)}
    await store.store(ann, [SlotWrite(name, value, 10.0) for name, value in values.items()])
    assert dict(await reader.fetch(ann)) == values
    assert len(await reader.history(ann, limit=1000)) == slots


async def test_calls_that_come_over_a_few_turns_of_the_loop_are_handed_over_together(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    batches: list[int] = []
    serve = store._serving.serve_all
    monkeypatch.setattr(
        store._serving, "serve_all", lambda calls: (batches.append(len(calls)), serve(calls))[1]
    )

    async def later(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await store.store(ProfileKey("bank", f"user {turns}"), [SlotWrite("a", 1, 1.0)])

    await asyncio.gather(*(later(turns) for turns in range(5)))
    assert batches == [5]


async def test_a_call_that_comes_alone_is_handed_over_with_the_next_turn(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store()
    served = threading.Event()
    serve = store._batcher._serve

    def watched(calls: Any) -> None:
        served.set()
        serve(calls)

    store._batcher._serve = watched
    waiting = asyncio.create_task(store.fetch(ann))
    for _ in range(4):
        await asyncio.sleep(0)
    # the loop is not given another turn, so nothing else can have handed it over
    assert served.wait(30)
    assert dict(await waiting) == {}


def test_connections_that_open_a_new_file_together_all_succeed(
    backend: str, tmp_path: Path
) -> None:
    """Of those that switch it to its write-ahead log at once SQLite lets some wait for nothing."""
    for turn in range(15):
        config = StoreSettings(url=f"sqlite:///{tmp_path}/{turn}.db", timeout=60)
        together = threading.Barrier(12)

        def write(_: int, config: StoreSettings = config, start: Any = together) -> None:
            opened = engine.create_engine(config)
            start.wait()
            with opened.connect() as connection:
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (a)")
            opened.dispose()

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            list(pool.map(write, range(12)))


def test_a_file_that_stays_locked_is_told_within_the_deadline(backend: str, tmp_path: Path) -> None:
    file = tmp_path / "profiles.db"
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    opened = engine.create_engine(StoreSettings(url=f"sqlite:///{file}", timeout=0.5))
    with pytest.raises(sa.exc.OperationalError, match="locked"):
        opened.connect()
    holder.close()
    opened.dispose()
