"""Removing what is past its time: all of it and nothing else, while servers go on."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from profile_store import (
    ProfileKey,
    Release,
    SchemaOutdated,
    SlotWrite,
    SQLProfileStore,
    StoreSettings,
    housekeeping,
    purging,
    schema,
    wiping,
)
from profile_store.purging import Purged, purge
from tests.conftest import Database, OpenStore
from tests.profile_store.bytes_on_disk import found
from tests.profile_store.killing import kill_after

HOUR = 3600.0
KEPT: dict[str, Any] = {"default": "1h", "slots": {"language": "forever"}}


def ago(slot: str, hours: float, value: object = "a value") -> SlotWrite:
    return SlotWrite(slot, value, time.time() - hours * HOUR)


def users(count: int) -> list[ProfileKey]:
    return [ProfileKey("bank", f"user {number:04}") for number in range(count)]


def purged(
    database: Database, retention: dict[str, Any] = KEPT, *, dry_run: bool = False, **options: Any
) -> Purged:
    seen: list[tuple[int, int]] = []
    options = {"namespace": "bank", **options}
    config = StoreSettings(url=database.url, retention=retention, **options)  # type: ignore[arg-type]
    done = purge(config, lambda *progress: seen.append(progress), dry_run=dry_run)
    assert seen == sorted(seen)
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1]
    return done


def rows(database: Database) -> dict[str, int]:
    """Return how many rows each table has."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        counted = {
            table.name: connection.execute(
                sa.select(sa.func.count()).select_from(table)
            ).scalar_one()
            for table in schema.metadata.sorted_tables
        }
    engine.dispose()
    return {name.removeprefix("profile_"): count for name, count in counted.items()}


async def fill(store: SQLProfileStore, count: int, hours: float = 2) -> None:
    """Store a name for each user, and then another: two entries in the history."""
    for earlier in (1.0, 0.0):
        write = ago("name", hours + earlier)
        await asyncio.gather(*(store.store(user, [write]) for user in users(count)))


async def test_values_histories_and_empty_profiles_go_and_everything_else_stays(
    open_store: OpenStore, database: Database, ann: ProfileKey, bob: ProfileKey
) -> None:
    store = open_store()
    await store.store(ann, [ago("name", 3), ago("city", 3), ago("language", 9000)])
    await store.store(ann, [ago("name", 2), ago("city", 0.5)])
    await store.store(bob, [ago("name", 2)])
    done = purged(database)
    assert done[:3] == (2, 4, 1), "two names; their history and the old city; Bob"
    assert rows(database) == {"profile": 1, "slot": 2, "slot_history": 2}
    assert sorted(await store.fetch(ann)) == ["city", "language"]
    assert purged(database)[:3] == (0, 0, 0)


async def test_a_dry_run_counts_the_same_and_changes_nothing(
    open_store: OpenStore, database: Database
) -> None:
    store = open_store()
    await fill(store, 120)
    await store.store(users(1)[0], [ago("language", 1)])
    before = rows(database)
    dry = purged(database, dry_run=True)
    assert rows(database) == before
    assert dry[:3] == (120, 240, 119)
    assert purged(database)[:3] == dry[:3]
    assert rows(database) == {"profile": 1, "slot": 1, "slot_history": 1}


async def test_without_retention_only_profiles_of_which_nothing_is_left_go(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    store = open_store()
    await store.store(ann, [ago("name", 1e5)])
    await store.store(ProfileKey("bank", "full"), [])
    assert purged(database, {})[:3] == (0, 0, 0)
    assert dict(await store.fetch(ann)) == {"name": "a value"}


async def test_another_assistants_profiles_are_left(
    open_store: OpenStore, database: Database
) -> None:
    """Assistants in one database may keep their slots for other times."""
    other = ProfileKey("shop", "ann")
    await open_store().store(other, [ago("name", 2)])
    assert purged(database)[:3] == (0, 0, 0)
    assert purged(database, namespace="shop")[:3] == (1, 1, 1)


async def test_erasures_stay_unless_they_are_kept_for_a_time_as_well(
    open_store: OpenStore, database: Database, ann: ProfileKey, bob: ProfileKey
) -> None:
    store = open_store()
    await store.store(ann, [ago("name", 9)])
    await store.forget(ann, ["name"], at=time.time() - 8 * HOUR)
    await store.forget(bob, at=time.time() - 8 * HOUR)
    assert purged(database)[:3] == (0, 0, 0)
    await store.store(ann, [ago("name", 8.5)])
    await store.store(bob, [ago("name", 8.5)])
    assert rows(database)["slot_history"] == 0
    kept: dict[str, Any] = {"default": "1h", "erasures": "9h"}
    assert purged(database, kept)[:3] == (0, 0, 0)
    kept["erasures"] = "8h"
    assert purged(database, kept)[:3] == (0, 0, 2)
    assert rows(database) == {"profile": 0, "slot": 0, "slot_history": 0}


async def test_a_release_that_still_counts_stays_without_its_value(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    store = open_store()
    release = Release("name", time.time() - 0.25 * HOUR)
    await store.store(ann, [ago("name", 2)], [release, Release("city", release.released_at)])
    await store.store(ann, releases=[Release("street", time.time() - 2 * HOUR)])
    assert purged(database)[:3] == (1, 1, 0)
    profile = await store.fetch(ann)
    assert sorted(profile.states) == ["city", "name"]
    assert not profile.state("name").held
    await store.store(ann, [ago("name", 0.5, "late")])
    assert (await store.fetch(ann)).state("name").released


async def test_keys_of_any_kind_are_walked_along(
    open_store: OpenStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "PROFILES", 2)
    monkeypatch.setattr(purging, "BATCH", 3)
    odd = ["a", "A", "é", "\N{GRINNING FACE}", "a ", "'", "%s", "Z", "~", "\x7f", "\x01"]
    store = open_store()
    for user in odd:
        await store.store(ProfileKey("bank", user), [ago(slot, 2) for slot in odd])
    assert purged(database)[:3] == (len(odd) ** 2, len(odd) ** 2, len(odd))


async def test_a_write_between_reading_and_removing_stays(
    open_store: OpenStore, database: Database, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    await store.store(ann, [ago("name", 2), ago("city", 2)])
    remove = purging.Walk._remove

    def write_first(self: Any, *given: Any) -> None:
        monkeypatch.setattr(purging.Walk, "_remove", remove)
        asyncio.run(store.store(ann, [ago("name", 0, "new")]))
        remove(self, *given)

    monkeypatch.setattr(purging.Walk, "_remove", write_first)
    assert (await asyncio.to_thread(purged, database))[:3] == (1, 2, 0)
    assert dict(await store.fetch(ann)) == {"name": "new"}
    assert [write.value for write in await store.history(ann)] == ["new"]


async def test_a_server_writes_on_while_it_is_purged(
    open_store: OpenStore, database: Database
) -> None:
    count = 200
    store = open_store(retention=KEPT)
    await fill(open_store(), count)
    purging_ = asyncio.create_task(asyncio.to_thread(purged, database))
    rounds = 0
    while not purging_.done() or not rounds:
        rounds += 1
        write = ago("name", 0, rounds)
        await asyncio.gather(*(store.store(user, [write]) for user in users(count)))
        await asyncio.sleep(0.02)
    await purging_
    for user in users(count):
        assert dict(await store.fetch(user)) == {"name": rounds}
        assert len(await store.history(user, limit=None)) == rounds
    purged(database)
    assert rows(database) == {"profile": count, "slot": count, "slot_history": count * rounds}


async def test_two_at_once_do_no_harm(open_store: OpenStore, database: Database) -> None:
    await fill(open_store(), 150)
    done = await asyncio.gather(*(asyncio.to_thread(purged, database) for _ in range(2)))
    assert sum(one.values for one in done) == 150
    assert sum(one.history for one in done) == 300
    assert rows(database)["slot"] == rows(database)["slot_history"] == 0
    purged(database)
    assert rows(database)["profile"] == 0


async def test_one_that_was_killed_is_gone_on_with(
    open_store: OpenStore, database: Database
) -> None:
    count = 600
    await fill(open_store(), count)
    await asyncio.to_thread(kill_after, 150, "purging_process", database.url)
    left = purged(database)
    assert 0 < left.values <= count - 150
    assert rows(database) == {"profile": 0, "slot": 0, "slot_history": 0}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_the_bytes_are_in_no_file_afterwards(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    file = Path(str(sa.make_url(database.url).database))
    store = open_store()
    await store.store(ann, [ago("name", 2, "secret-1 " + "x" * 60_000)])
    await store.store(ann, [ago("name", 1.5, "secret-2"), ago("city", 0, "keep-me")])
    assert len(found(file, ["secret-1", "secret-2"])) == 2
    done = purged(database)
    assert (done.bytes_gone, done.remains) == (True, "")
    assert found(file, ["secret-1", "secret-2", "keep-me"]) == ["keep-me"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_what_large_files_hold_of_an_erasure_goes_too(
    open_store: OpenStore, database: Database, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiping, "REWRITE_BYTES", 1)
    store = open_store()
    await store.store(ann, [ago("name", 0, "secret")])
    assert not (await store.forget(ann, at=time.time())).bytes_gone
    done = purged(database, {})
    assert done[:3] == (0, 0, 0)
    assert done.bytes_gone


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
async def test_what_other_databases_do_with_the_bytes_is_told(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    store = open_store()
    await store.store(ann, [ago("name", 2)])
    receipt = await store.forget(ann, at=time.time())
    for told in (receipt, purged(database)):
        assert not told.bytes_gone
        assert "until VACUUM FULL" in told.remains


async def test_tables_of_another_version_are_left(empty_database: Database) -> None:
    with pytest.raises(SchemaOutdated):
        purge(StoreSettings(url=empty_database.url), lambda *_: None)


# By the server itself


@pytest.fixture
def quick_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PACE", 0.02)
    monkeypatch.setattr(housekeeping, "REST", 0.02)
    monkeypatch.setattr(housekeeping, "PROFILES", 7)


async def until(reached: Any) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.02)


async def test_a_server_that_nobody_calls_purges_by_itself(
    open_store: OpenStore, database: Database, quick_pace: None
) -> None:
    await fill(open_store(), 20)
    store = open_store(retention=KEPT, namespace="bank")
    await store.fetch(users(1)[0])
    await until(lambda: rows(database) == {"profile": 0, "slot": 0, "slot_history": 0})
    if database.backend == "sqlite":
        file = Path(str(sa.make_url(database.url).database))
        await until(lambda: not found(file, ["a value"]))


async def test_what_was_purged_can_be_written_anew(
    open_store: OpenStore, database: Database, quick_pace: None, ann: ProfileKey
) -> None:
    """By the store that purged it, over the same connection, which knew the profile."""
    store = open_store(retention=KEPT, namespace="bank")
    store._housekeeping._retention.limits = False
    await store.store(ann, [ago("name", 2)])
    store._housekeeping._retention.limits = True
    await until(lambda: not rows(database)["profile"])
    await store.store(ann, [ago("name", 0, "new")])
    assert rows(database) == {"profile": 1, "slot": 1, "slot_history": 1}
    assert dict(await store.fetch(ann)) == {"name": "new"}


async def test_a_server_without_retention_does_nothing_between_calls(
    open_store: OpenStore, backend: str
) -> None:
    assert (open_store()._batcher._between is None) == (backend != "sqlite")


async def test_a_lock_in_the_way_is_waited_for_hardly_and_logged_never(
    open_store: OpenStore,
    database: Database,
    ann: ProfileKey,
    quick_pace: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await open_store().store(ann, [ago("name", 2)])
    store = open_store(retention=KEPT, namespace="bank")
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(
            sa.update(schema.profile).values(erased_at=0.0)
        )  # and so holds the lock, until it is undone
        bob = ProfileKey("bank", "bob")
        began = time.monotonic()
        for _ in range(3):
            assert dict(await store.fetch(bob)) == {}
            await asyncio.sleep(0.1)
        assert time.monotonic() - began < 10
        connection.rollback()
    engine.dispose()
    await until(lambda: not rows(database)["slot"])
    assert caplog.text == ""


async def test_a_failure_costs_no_call_anything(
    open_store: OpenStore,
    ann: ProfileKey,
    quick_pace: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failed = []

    def fail(*_: Any) -> int:
        failed.append(1)
        raise sa.exc.OperationalError("a value", None, Exception("a value of ann's"))

    monkeypatch.setattr(purging.Walk, "step", fail)
    store = open_store(retention=KEPT, namespace="bank")
    await store.store(ann, [ago("name", 0)])
    await until(lambda: failed)
    assert dict(await store.fetch(ann)) == {"name": "a value"}
    assert "could not be purged now (Exception)" in caplog.text
    assert "ann" not in caplog.text
