"""What goes wrong between the batches costs no call anything: the worker lives on."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest
import sqlalchemy as sa

from profile_store import ProfileKey, SlotWrite, SQLProfileStore, housekeeping, recent, wiping
from profile_store.errors import ValueUnreadable
from profile_store.purging import Walk
from tests.conftest import OpenStore

ANN = ProfileKey("bank", "ann")
STEP = 0.1


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PACE", STEP)


def said(value: str) -> SlotWrite:
    return SlotWrite("name", value, time.time())


async def assert_serves(store: SQLProfileStore) -> None:
    await asyncio.sleep(STEP * 5)
    await store.store(ANN, [said("Bea")])
    assert dict(await store.fetch(ANN)) == {"name": "Bea"}
    await store.health()


def lose(connection: sa.Connection) -> None:
    """Break a connection under SQLAlchemy's eyes, as a server that ends does."""
    connection.invalidate()


@pytest.mark.parametrize("error", [TypeError("odd"), RuntimeError("odd")], ids=repr)
async def test_an_odd_row_ends_no_worker(
    open_store: OpenStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def fail(*_: object) -> int:
        raise error

    store = open_store(retention={"default": "365d"})
    await store.store(ANN, [said("Ann")])
    monkeypatch.setattr(Walk, "step", fail)
    with caplog.at_level(logging.WARNING):
        await assert_serves(store)
    assert type(error).__name__ in caplog.text
    assert "odd" not in caplog.text


async def test_a_connection_that_is_lost_in_between_ends_no_worker(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[int] = []

    def step(self: Walk, connection: sa.Connection, *_: object) -> int:
        self.changed = set()
        if not lost:
            lost.append(1)
            lose(connection)
        return 0

    store = open_store(retention={"default": "365d"})
    monkeypatch.setattr(Walk, "step", step)
    await store.store(ANN, [said("Ann")])
    await assert_serves(store)
    assert lost


async def test_a_connection_that_is_lost_where_nobody_hears_of_it_is_made_anew(
    open_store: OpenStore,
) -> None:
    store = open_store()
    await store.store(ANN, [said("Ann")])

    def fail(connection: sa.Connection) -> None:
        lose(connection)
        raise ValueUnreadable("The body fails while the connection goes.")

    with pytest.raises(ValueUnreadable):
        await store._task(fail)
    await assert_serves(store)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_worker_that_died_is_followed_by_another(open_store: OpenStore) -> None:
    store = open_store()
    await store.store(ANN, [said("Ann")])
    batcher: Any = store._batcher

    def die() -> float:
        batcher._between = None
        raise SystemExit

    batcher._between = die
    await store.store(ANN, [said("Anna")])
    await asyncio.sleep(STEP)
    assert not batcher._thread.is_alive()
    await assert_serves(store)


async def test_what_was_purged_before_a_step_failed_is_remembered_no_more(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(retention={"default": "365d"})

    def step(self: Walk, *_: object) -> int:
        self.changed = {ANN}
        raise RuntimeError("the second batch fails")

    discarded: list[ProfileKey] = []
    monkeypatch.setattr(recent.RecentProfiles, "discard", lambda _self, key: discarded.append(key))
    monkeypatch.setattr(Walk, "step", step)
    await store.health()
    await asyncio.sleep(STEP * 5)
    assert ANN in discarded


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_large_file_that_waits_for_a_purge_is_told_once(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wiping, "REWRITE_BYTES", 1)
    monkeypatch.setattr(housekeeping, "REST", STEP)
    store = open_store()
    await store.store(ANN, [said("Ann")])
    with caplog.at_level(logging.WARNING):
        receipt = await store.forget(ANN, at=time.time())
        await asyncio.sleep(STEP * 10)
    assert not receipt.bytes_gone
    assert caplog.text.count("coexist profile purge") == 1
