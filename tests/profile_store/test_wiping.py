"""SQLite only: what is erased is in none of the files any more, and what is told of it."""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from profile_store import (
    ProfileKey,
    SlotWrite,
    SQLProfileStore,
    StatementFailed,
    StoreSettings,
    housekeeping,
    rotation,
    wiping,
)
from tests.conftest import Database, OpenStore
from tests.profile_store.bytes_on_disk import files, found
from tests.profile_store.sealed import NEW, OLD

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

BOB = ProfileKey("bank", "bob")


@pytest.fixture
def file(database: Database) -> Path:
    return Path(str(sa.make_url(database.url).database))


def reader(file: Path) -> sqlite3.Connection:
    """Return another connection that is in the middle of reading, and so needs the log."""
    reading = sqlite3.connect(file, isolation_level=None)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM profile").fetchone()
    return reading


def marked(file: Path) -> bool:
    other = sqlite3.connect(file)
    (mark,) = other.execute("PRAGMA user_version").fetchone()
    other.close()
    return bool(mark)


@pytest.fixture
def quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PACE", 0.02)
    monkeypatch.setattr(housekeeping, "REST", 0.02)


async def until_gone(file: Path, text: str) -> None:
    deadline = time.monotonic() + 20
    while found(file, [text]):
        assert time.monotonic() < deadline, "nobody removed it"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("slots", [["name"], None], ids=["slot", "profile"])
@pytest.mark.parametrize("size", [0, 60_000], ids=["short", "overflowing"])
async def test_a_forgotten_value_is_in_no_file(
    open_store: OpenStore, file: Path, ann: ProfileKey, slots: list[str] | None, size: int
) -> None:
    """With all that was there before it, while others have the database open."""
    store, other = open_store(), open_store()
    await store.store(BOB, [SlotWrite("name", "keep-me", 10.0)])
    secrets = [f"secret-{number}-" for number in range(5)]
    for at, secret in enumerate(secrets, start=10):
        await store.store(ann, [SlotWrite("name", secret + "x" * size, float(at))])
    await other.fetch(ann)
    idle = sqlite3.connect(file)
    idle.execute("SELECT count(*) FROM profile").fetchone()
    assert found(file, secrets) == secrets
    receipt = await store.forget(ann, slots, at=20.0)
    assert found(file, secrets) == []
    assert found(file, ["keep-me"]) == ["keep-me"]
    assert (receipt.bytes_gone, receipt.remains, receipt.history) == (True, "", 5)
    assert {path.suffix for path in files(file)} == {".db", ".db-wal", ".db-shm"}
    assert dict(await other.fetch(BOB)) == {"name": "keep-me"}
    idle.close()


async def churn(store: SQLProfileStore, seed: int, longest: int) -> tuple[list[str], list[str]]:
    """Let many users say and forget: pages split, merge and are freed all the time.

    Returns what was erased, and what is kept.
    """
    users = 60
    chosen = random.Random(seed)
    live: dict[tuple[int, int], list[str]] = defaultdict(list)
    erased: list[str] = []
    for round_ in range(4):
        calls = []
        for user in range(users):
            writes = []
            for slot in range(chosen.randint(1, 4)):
                token = f"TOKEN-{round_}-{user}-{slot}."
                size = chosen.choice([0, 20, 200, 1000, longest])
                live[user, slot].append(token)
                writes.append(SlotWrite(f"slot {slot}", token + "z" * size + token, 10.0 + round_))
            calls.append(store.store(ProfileKey("bank", f"user {user}"), writes))
        await asyncio.gather(*calls)
        for user in [*chosen.sample(range(1, users), users // 3), 0]:
            # user 0 last: then nothing of any of them may be left
            slots = chosen.choice([None, [f"slot {chosen.randint(0, 3)}"]]) if user else None
            store._housekeeping._wiper._next = 0.0 if user == 0 else math.inf
            await store.forget(ProfileKey("bank", f"user {user}"), slots, at=10.5 + round_)
            for slot in range(4):
                if slots is None or f"slot {slot}" in slots:
                    erased += live.pop((user, slot), [])
    return erased, [token for tokens in live.values() for token in tokens]


SEEDS = [(1, 3000), (2, 60_000), (3, 30), (4, 300)]


@pytest.mark.parametrize(("seed", "longest"), SEEDS)
async def test_rows_that_moved_between_pages_leave_no_copies(
    open_store: OpenStore, file: Path, seed: int, longest: int
) -> None:
    erased, kept = await churn(open_store(), seed, longest)
    assert len(erased) > 100
    assert found(file, erased) == []
    assert found(file, kept) == kept


async def test_overwriting_alone_would_leave_copies(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the file is rewritten: what is tested above does happen."""
    monkeypatch.setattr(wiping.Wiper, "_rewrite", lambda *_: "")
    left = []
    for seed, longest in SEEDS:
        file = tmp_path / f"{seed}.db"
        store = SQLProfileStore(StoreSettings(url=f"sqlite:///{file}", timeout=60))
        erased, _ = await churn(store, seed, longest)
        left += found(file, erased)
        store.close()
    assert left


async def test_while_somebody_reads_the_receipt_tells_what_remains_and_it_is_done_later(
    open_store: OpenStore, file: Path, ann: ProfileKey, quick_pace: None
) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("name", "secret", 10.0)])
    reading = reader(file)
    receipt = await store.forget(ann, at=20.0)
    assert (receipt.slots, receipt.bytes_gone) == (("name",), False)
    assert receipt.remains.startswith("another process is using the file")
    assert found(file, ["secret"]) == ["secret"]
    reading.execute("COMMIT")
    reading.close()
    await until_gone(file, "secret")


async def test_what_a_killed_process_left_another_removes(
    open_store: OpenStore, file: Path, ann: ProfileKey, quick_pace: None
) -> None:
    script = (
        "import os, sys, asyncio\n"
        "from profile_store import *\n"
        "from profile_store import wiping\n"
        "wiping.Wiper.wipe = lambda *given: os._exit(9)\n"
        "store = SQLProfileStore(StoreSettings(url=sys.argv[1]))\n"
        "ann = ProfileKey('bank', 'ann')\n"
        "asyncio.run(store.store(ann, [SlotWrite('name', 'secret', 10.0)]))\n"
        "asyncio.run(store.forget(ann, at=20.0))\n"
    )
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, f"sqlite:///{file}"], check=False
    )
    assert killed.returncode == 9
    assert found(file, ["secret"]) == ["secret"]
    store = open_store()
    assert dict(await store.fetch(ann)) == {}
    await until_gone(file, "secret")
    deadline = time.monotonic() + 20
    while marked(file):
        assert time.monotonic() < deadline, "it is still taken for to be done"
        await asyncio.sleep(0.02)


async def test_an_erasure_during_the_rewriting_is_not_taken_for_done(
    open_store: OpenStore, file: Path, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = open_store(), open_store()
    for user in (ann, BOB):
        await store.store(user, [SlotWrite("name", f"secret of {user.user_id}", 10.0)])
    cut_log_off = wiping._cut_log_off
    monkeypatch.setattr(other._housekeeping._wiper, "wipe", lambda _: "not now")

    def meanwhile(connection: sa.Connection) -> bool:
        asyncio.run(other.forget(BOB, at=20.0))
        return cut_log_off(connection)

    monkeypatch.setattr(wiping, "_cut_log_off", meanwhile)
    await store.forget(ann, at=20.0)
    assert marked(file), "Bob's is still to be done"


async def test_the_file_is_not_rewritten_all_the_time(
    open_store: OpenStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiping, "SHARE", 1_000_000)
    store = open_store()
    users = [ProfileKey("bank", f"user {number}") for number in range(2)]
    for user in users:
        await store.store(user, [SlotWrite("name", f"secret of {user.user_id}", 10.0)])
    first, second = [await store.forget(user, at=20.0) for user in users]
    assert (first.bytes_gone, second.bytes_gone) == (True, False)
    assert second.remains == wiping.SOON
    assert marked(file)


async def test_a_large_file_is_left_to_the_command_and_the_receipt_tells_so(
    open_store: OpenStore, file: Path, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("name", "secret", 10.0)])
    monkeypatch.setattr(wiping, "REWRITE_BYTES", 1)
    receipt = await store.forget(ann, at=20.0)
    assert (receipt.bytes_gone, receipt.remains) == (False, wiping.LARGE)
    engine = sa.create_engine(f"sqlite:///{file}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        assert wiping.finish(connection) == ""
    engine.dispose()
    assert found(file, ["secret"]) == []
    assert not marked(file)


async def test_a_disk_that_is_full_keeps_no_erasure_from_being_acknowledged(
    open_store: OpenStore, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("name", "secret", 10.0)])

    def full(*_: Any) -> str:
        cause = sqlite3.OperationalError("database or disk is full")
        raise sa.exc.OperationalError("VACUUM", None, cause)

    monkeypatch.setattr(wiping.Wiper, "_rewrite", full)
    receipt = await store.forget(ann, at=20.0)
    assert receipt.remains.startswith("the file could not be rewritten (OperationalError")
    assert dict(await store.fetch(ann)) == {}


async def test_what_is_linked_away_goes_where_it_was(
    open_store: OpenStore, file: Path, ann: ProfileKey, quick_pace: None
) -> None:
    phone = ProfileKey("bank", "phone-of-ann")
    store = open_store(encryption_keys=OLD)  # so that the two are not the same bytes
    await store.store(phone, [SlotWrite("name", "Ann", 10.0)])
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        select = "SELECT value FROM profile_slot WHERE user_id = 'phone-of-ann'"
        sealed = connection.exec_driver_sql(select).scalar_one()
    engine.dispose()
    assert any(sealed in path.read_bytes() for path in files(file))
    await store.link(phone, ann)
    deadline = time.monotonic() + 20
    while any(sealed in path.read_bytes() for path in files(file)):
        assert time.monotonic() < deadline, "nobody removed it"
        await asyncio.sleep(0.02)


async def test_what_was_not_sealed_goes_when_it_is(
    open_store: OpenStore, file: Path, database: Database, ann: ProfileKey
) -> None:
    store = open_store()
    for at in (10.0, 11.0):
        await store.store(ann, [SlotWrite("name", f"secret {at}", at)])
    rotation.rotate(StoreSettings(url=database.url, encryption_keys=NEW), lambda *_: None)
    assert found(file, ["secret"]) == []


async def test_the_bytes_wait_for_the_disk_as_the_erasure_does(
    open_store: OpenStore, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    levels = []
    rewrite = wiping.Wiper._rewrite

    def watched(self: Any, connection: sa.Connection, *given: Any) -> str:
        levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
        return rewrite(self, connection, *given)

    monkeypatch.setattr(wiping.Wiper, "_rewrite", watched)
    await store.store(ann, [SlotWrite("name", "secret", 10.0)])
    await store.forget(ann, at=20.0)
    assert levels == [2], "FULL"


async def test_afterwards_the_store_waits_for_locks_as_before(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store(timeout=7)
    await store.store(ann, [SlotWrite("name", "secret", 10.0)])
    await store.forget(ann, at=20.0)
    waits = await store._task(
        lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    )
    assert waits == 7000


async def test_an_erasure_that_is_undone_leaves_no_mark(
    open_store: OpenStore, file: Path, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("name", "Ann", 10.0)])

    mark = wiping.mark

    def fail(connection: sa.Connection) -> None:
        mark(connection)
        raise RuntimeError

    monkeypatch.setattr(wiping, "mark", fail)
    with pytest.raises(StatementFailed):
        await store.forget(ann, at=20.0)
    assert dict(await store.fetch(ann)) == {"name": "Ann"}
    assert not marked(file)


async def test_what_is_deleted_is_overwritten_whatever_sqlites_build_does_by_itself(
    open_store: OpenStore,
) -> None:
    store = open_store()
    on = await store._task(
        lambda connection: connection.exec_driver_sql("PRAGMA secure_delete").scalar_one()
    )
    assert on == 1
