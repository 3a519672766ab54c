"""Many callers on one worker: deadlines, a bounded queue, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from profile_store import (
    ProfileKey,
    SlotWrite,
    SQLProfileStore,
    StatementFailed,
    StoreBusy,
    StoreClosed,
    StoreUnavailable,
    rows,
    schema,
)
from tests.conftest import SERVERS, Database, OpenStore

WORKER = "profile-store"


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == WORKER]


class Gate:
    """Holds the worker in mid-work until it is opened, as a slow database does."""

    def __init__(self, store: SQLProfileStore) -> None:
        self._store = store
        self._reached = threading.Event()
        self._opened = threading.Event()
        self.held: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Gate:
        def wait(_connection: sa.Connection) -> None:
            self._reached.set()
            assert self._opened.wait(60)

        self.held = asyncio.create_task(self._store._task(wait))
        await asyncio.to_thread(self._reached.wait, 60)
        return self

    def open(self) -> None:
        self._opened.set()

    async def __aexit__(self, *_: object) -> None:
        self.open()
        assert self.held is not None
        with contextlib.suppress(StoreUnavailable):  # its own deadline passed, too
            await self.held


@contextlib.contextmanager
def locked(database: Database, key: ProfileKey) -> Iterator[None]:
    """Hold the lock that a writer of a profile needs, from another connection."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        if database.backend == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.execute(
            sa.insert(schema.profile).values(
                namespace=key.namespace, user_id=key.user_id, erased_at=0.0
            )
        )
        yield
        connection.rollback()


async def test_a_call_fails_within_its_deadline_while_the_database_hangs(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    store = open_store(timeout=1)
    await store.fetch(ann)
    with locked(database, ann), pytest.raises(StoreUnavailable):
        # far more than the deadline, far less than a lock may be held
        await asyncio.wait_for(store.store(ann, [SlotWrite("name", "Ann", 1.0)]), 30)


async def test_a_store_recovers_when_the_database_hangs_no_longer(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    store = open_store(timeout=3, retry_after=0)
    with locked(database, ann), pytest.raises(StoreUnavailable):
        await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
    await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
    assert dict(await store.fetch(ann)) == {"name": "Ann"}


async def test_a_call_that_waits_behind_slow_work_fails_at_its_deadline(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store(timeout=0.5)
    await store.fetch(ann)
    async with Gate(store):
        with pytest.raises(StoreUnavailable, match=r"within 0\.5 seconds"):
            await store.fetch(ann)


async def test_a_call_past_its_deadline_is_not_served_any_more(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store(timeout=0.5)
    await store.fetch(ann)
    async with Gate(store):
        with pytest.raises(StoreUnavailable):
            await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
    assert dict(await store.fetch(ann)) == {}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_full_queue_refuses_calls_at_once_and_serves_those_that_wait(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store(queue_size=3)
    async with Gate(store) as gate:
        waiting = [
            asyncio.create_task(store.store(ann, [SlotWrite(f"slot {number}", 1, 1.0)]))
            for number in range(3)
        ]
        await asyncio.sleep(0)  # let each of them enter the queue
        with pytest.raises(StoreBusy, match="queue_size"):
            await store.fetch(ann)
        gate.open()
        await asyncio.gather(*waiting)
    assert len(await store.fetch(ann)) == 3


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_calls_that_wait_together_are_served_by_one_transaction(
    open_store: OpenStore, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    reads = []
    read_profiles = rows.read_profiles

    def counted(connection: sa.Connection, keys: Any) -> Any:
        reads.append(len(keys))
        return read_profiles(connection, keys)

    async with Gate(store) as gate:
        monkeypatch.setattr(rows, "read_profiles", counted)
        waiting = [
            asyncio.create_task(store.fetch(ProfileKey("bank", f"user {number}")))
            for number in range(50)
        ]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(*waiting)
    assert reads == [50]


@pytest.fixture
def unkeepable() -> ProfileKey:
    """A user id that got past the checks, and that no database takes."""
    key = ProfileKey("bank", "somebody")
    msgspec.structs.force_setattr(key, "user_id", "secret \ud800")
    return key


async def test_one_bad_row_fails_alone_in_a_batch(
    open_store: OpenStore, unkeepable: ProfileKey
) -> None:
    store = open_store()
    good = [ProfileKey("bank", f"user {number}") for number in range(10)]
    async with Gate(store) as gate:
        waiting = [
            asyncio.create_task(store.store(key, [SlotWrite("name", "x", 1.0)]))
            for key in (*good[:5], unkeepable, *good[5:])
        ]
        await asyncio.sleep(0)
        gate.open()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers.pop(5), StatementFailed)
    assert [dict(answer.profile) for answer in answers] == [{"name": "x"}] * 10  # type: ignore[union-attr]
    for key in good:
        assert dict(await store.fetch(key)) == {"name": "x"}


async def test_a_refused_statement_is_told_without_a_users_data(
    open_store: OpenStore, unkeepable: ProfileKey
) -> None:
    with pytest.raises(StatementFailed) as refused:
        await open_store().store(unkeepable, [SlotWrite("name", "secret", 1.0)])
    assert "secret" not in str(refused.value)


async def test_event_loops_in_several_threads_share_a_store(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store()

    def converse(thread: int) -> None:
        async def write() -> None:
            for number in range(10):
                await store.store(ann, [SlotWrite(f"slot {thread}.{number}", number, 1.0)])

        asyncio.run(write())

    await asyncio.gather(*(asyncio.to_thread(converse, thread) for thread in range(4)))
    assert len(await store.fetch(ann)) == 40
    assert len(workers()) == 1


def test_event_loops_one_after_the_other_share_a_store(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store()
    for number in range(3):
        asyncio.run(store.store(ann, [SlotWrite(f"slot {number}", number, 1.0)]))
    assert len(asyncio.run(store.fetch(ann))) == 3


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_loop_that_was_closed_with_a_call_waiting_disturbs_nobody(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store()

    def leave() -> None:
        loop = asyncio.new_event_loop()

        async def ask() -> None:
            asked = asyncio.ensure_future(store.fetch(ann))
            await asyncio.sleep(0)
            asked.cancel()

        loop.run_until_complete(ask())
        loop.close()

    async with Gate(store) as gate:
        await asyncio.to_thread(leave)
        waiting = asyncio.create_task(store.fetch(ann))
        await asyncio.sleep(0)
        gate.open()
        assert dict(await waiting) == {}


async def test_a_cancelled_call_disturbs_nobody(
    open_store: OpenStore, ann: ProfileKey, bob: ProfileKey
) -> None:
    store = open_store()
    async with Gate(store) as gate:
        cancelled = asyncio.create_task(store.store(ann, [SlotWrite("name", "Ann", 1.0)]))
        kept = asyncio.create_task(store.store(bob, [SlotWrite("name", "Bob", 1.0)]))
        await asyncio.sleep(0)
        cancelled.cancel()
        gate.open()
        await kept
    assert dict(await store.fetch(bob)) == {"name": "Bob"}


async def test_closing_serves_what_waits(open_store: OpenStore, ann: ProfileKey) -> None:
    store = open_store()
    async with Gate(store) as gate:
        waiting = [
            asyncio.create_task(store.store(ann, [SlotWrite(f"slot {number}", 1, 1.0)]))
            for number in range(20)
        ]
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(store.close))
        gate.open()
        await asyncio.gather(closing, *waiting)
    assert len(await open_store().fetch(ann)) == 20


async def test_a_closed_store_refuses_every_call(open_store: OpenStore, ann: ProfileKey) -> None:
    store = open_store()
    await store.fetch(ann)
    store.close()
    for call in (store.fetch(ann), store.forget(ann, at=1.0), store.history(ann), store.health()):
        with pytest.raises(StoreClosed):
            await call


async def test_closing_twice_or_before_any_call_does_nothing(open_store: OpenStore) -> None:
    store = open_store()
    store.close()
    store.close()
    with pytest.raises(StoreClosed):
        await store.health()


async def test_a_store_that_was_not_asked_anything_has_no_thread_and_no_connection(
    open_store: OpenStore, database: Database
) -> None:
    open_store()
    assert workers() == []
    assert database.connections() == 0


async def test_closing_leaves_no_thread_and_no_connection(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    store = open_store()
    await store.fetch(ann)
    assert len(workers()) == 1
    assert database.connections() == 1
    store.close()
    assert workers() == []
    assert database.none_is_connected()


async def test_a_store_has_one_connection_however_many_call(
    open_store: OpenStore, database: Database
) -> None:
    store = open_store()
    await asyncio.gather(*(store.fetch(ProfileKey("bank", str(user))) for user in range(200)))
    assert database.connections() == 1


FORK = """
import asyncio, os, sys
from profile_store import ProfileKey, SlotWrite, SQLProfileStore, StoreSettings

store = SQLProfileStore(StoreSettings(url=sys.argv[1], timeout=60))
ann = ProfileKey("bank", "ann")

def write(slot):
    asyncio.run(store.store(ann, [SlotWrite(slot, slot, 1.0)]))

if sys.argv[2] == "used":
    write("before")
child = os.fork()
if child == 0:
    try:
        write("child")
        store.close()
    except BaseException as error:
        sys.stderr.write(repr(error))
        os._exit(1)
    os._exit(0)
write("parent")
_, status = os.waitpid(child, 0)
write("after")
store.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


FORK_AT_WORK = """
import asyncio, os, sys, threading
from profile_store import ProfileKey, SlotWrite, SQLProfileStore, StoreSettings

store = SQLProfileStore(StoreSettings(url=sys.argv[1], timeout=60))
ann = ProfileKey("bank", "ann")
at_work, go_on = threading.Event(), threading.Event()

def wait(_connection):
    at_work.set()
    go_on.wait()

parent = threading.Thread(target=lambda: asyncio.run(store._task(wait)))
parent.start()
at_work.wait()
child = os.fork()
if child == 0:
    asyncio.run(store.store(ann, [SlotWrite("child", "child", 1.0)]))
    os._exit(0)
_, status = os.waitpid(child, 0)
go_on.set()
parent.join()
store.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def fork(database: Database, when: str, program: str = FORK) -> None:
    # in a process of its own, for pytest's has threads, with which a fork is not safe
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, database.url, when],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
async def test_a_store_made_before_a_fork_serves_both_processes(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    fork(database, "unused")
    assert set(await open_store().fetch(ann)) == {"child", "parent", "after"}


# SQLite's own locks do not survive a fork with an open database (sqlite.org/howtocorrupt.html).
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("backend", SERVERS, indirect=True)
async def test_a_store_used_before_a_fork_serves_both_processes(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    fork(database, "used")
    assert set(await open_store().fetch(ann)) == {"before", "child", "parent", "after"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("backend", SERVERS, indirect=True)
async def test_a_fork_while_the_worker_is_at_work_leaves_its_lock_to_the_parent(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    fork(database, "at work", FORK_AT_WORK)
    assert dict(await open_store().fetch(ann)) == {"child": "child"}
