"""What a store tells an observer of its work."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from profile_store import (
    ProfileKey,
    ProfileStoreError,
    SlotWrite,
    StoreBusy,
    StoreTimeout,
    StoreUnavailable,
)
from profile_store.metering import Batch
from tests.conftest import Database, OpenStore
from tests.profile_store.test_batching import Gate, locked


class Heard:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.waiting: list[int] = []
        self.written: list[int] = []
        self.errors: list[type[ProfileStoreError]] = []
        self.submitted = 0
        self.heard = threading.Event()

    def context(self) -> int:
        self.submitted += 1
        return self.submitted

    def queued(self, waiting: int) -> None:
        self.waiting.append(waiting)
        self.heard.set()

    def served(self, batch: Batch) -> None:
        self.batches.append(batch)

    def stored(self, slots: int) -> None:
        self.written.append(slots)

    def failed(self, error: ProfileStoreError) -> None:
        self.errors.append(type(error))


async def test_a_batch_is_told_with_its_size_its_time_and_what_each_call_carried(
    open_store: OpenStore,
) -> None:
    store, heard = open_store(), Heard()
    await store.fetch(ProfileKey("default", "warm"))
    async with Gate(store) as gate:
        store.observe(heard)
        began = time.time()
        fetches = [
            asyncio.create_task(store.fetch(ProfileKey("default", f"user-{number}")))
            for number in range(5)
        ]
        await asyncio.to_thread(heard.heard.wait, 60)
        assert heard.waiting == [5]
        gate.open()
        await asyncio.gather(*fetches)
    # the gate's own batch began before anybody listened
    (batch,) = [batch for batch in heard.batches if batch.contexts != [None]]
    assert (batch.calls, batch.waiting, batch.contexts) == (5, 0, [1, 2, 3, 4, 5])
    assert began <= batch.began <= time.time()
    assert 0 < batch.seconds < 60


async def test_values_are_told_when_they_are_committed_and_only_new_ones(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store, heard = open_store(), Heard()
    store.observe(heard)
    writes = [SlotWrite("name", "Ann", 1.0), SlotWrite("tier", "gold", 1.0)]
    await store.store(ann, writes)
    await store.store(ann, writes)
    await store.store(ann, [SlotWrite("name", "Bea", 2.0), SlotWrite("tier", "silver", 0.5)])
    assert heard.written == [2, 1]


async def test_a_deadline_that_passed_is_told(open_store: OpenStore, ann: ProfileKey) -> None:
    store, heard = open_store(timeout=1), Heard()
    await store.fetch(ann)
    async with Gate(store) as gate:
        store.observe(heard)
        with pytest.raises(StoreTimeout):
            await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
        gate.open()
    assert heard.errors == [StoreTimeout, StoreTimeout], "the call that held the worker, and this"


async def test_what_a_lock_keeps_from_the_database_is_not_told_as_stored(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    store, heard = open_store(timeout=1), Heard()
    await store.fetch(ann)
    store.observe(heard)
    with locked(database, ann):
        # The call's deadline is that of the database's own patience, and either may come first.
        with pytest.raises(StoreUnavailable) as told:
            await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
        assert heard.written == []
    assert heard.errors == [told.type]


async def test_a_full_queue_is_told(open_store: OpenStore, ann: ProfileKey) -> None:
    store, heard = open_store(queue_size=1), Heard()
    await store.fetch(ann)
    async with Gate(store) as gate:
        store.observe(heard)
        first = asyncio.create_task(store.history(ann))
        await asyncio.sleep(0)
        with pytest.raises(StoreBusy):
            await store.history(ann)
        gate.open()
        await first
    assert heard.errors == [StoreBusy]


async def test_a_database_out_of_reach_is_told_for_each_call(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store, heard = open_store(url="sqlite:////nowhere/at/all/profiles.db"), Heard()
    store.observe(heard)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.fetch(ann)
    assert heard.errors == [StoreUnavailable, StoreUnavailable]
