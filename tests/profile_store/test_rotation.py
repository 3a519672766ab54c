"""Sealing everything anew: while servers write, from several places, killed and begun again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from profile_store import (
    InvalidSettings,
    ProfileKey,
    SlotWrite,
    SQLProfileStore,
    StoreSettings,
    rotation,
    schema,
    wiping,
)
from profile_store.rotation import Rotation, rotate
from tests.conftest import Database, OpenStore
from tests.profile_store.killing import kill_after
from tests.profile_store.sealed import NEW, OLD, key

BOTH = f"{NEW},{OLD}"


def users(count: int) -> list[ProfileKey]:
    return [ProfileKey("bank", f"user {number}") for number in range(count)]


async def fill(store: SQLProfileStore, count: int, slots: int = 2) -> None:
    """Store a name for each user, and then another; each slot has two writes in its history."""
    for at in (10.0, 11.0):
        writes = [SlotWrite(f"slot {number}", f"{at:g}", at) for number in range(slots)]
        await asyncio.gather(*(store.store(user, writes) for user in users(count)))


def sealed_anew(database: Database, keys: str = BOTH, **options: Any) -> Rotation:
    seen: list[tuple[int, int]] = []
    config = StoreSettings(url=database.url, encryption_keys=keys, **options)
    done = rotate(config, lambda *progress: seen.append(progress))
    assert seen == sorted(seen)
    assert seen[0][0] == 0
    assert seen[-1][0] == seen[-1][1]
    return done


async def held(open_store: OpenStore, count: int) -> list[dict[str, Any]]:
    """Return the profiles as a server reads them that has the new key alone."""
    store = open_store(encryption_keys=NEW, refuse_unsealed=True)
    found = []
    for user in users(count):
        found.append(dict(await store.fetch(user)))
        await store.history(user, limit=None)
    return found


@pytest.mark.parametrize("before", [OLD, None], ids=["the old key", "no key"])
async def test_afterwards_the_first_key_is_enough(
    open_store: OpenStore, database: Database, before: str | None
) -> None:
    await fill(open_store(encryption_keys=before), 150)
    done = sealed_anew(database)
    assert (done.resealed, done.unreadable.total()) == (150 * 2 * 3, 0)
    assert await held(open_store, 150) == [{"slot 0": "11", "slot 1": "11"}] * 150
    assert sealed_anew(database).resealed == 0


async def test_nothing_but_the_seal_changes(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    store = open_store(encryption_keys=OLD)
    await store.store(ann, [SlotWrite("name", "Ann", 10.0), SlotWrite("city", "Bath", 10.0)])
    await store.forget(ann, ["city"], at=11.0)
    before = await store.export(ann)
    assert sealed_anew(database).resealed == 2
    assert await open_store(encryption_keys=NEW).export(ann) == before


async def test_keys_and_texts_of_any_kind_are_walked_along(
    open_store: OpenStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    odd = ["a", "A", "é", "\N{GRINNING FACE}", "a ", "'", "%s", "Z", "~"]
    store = open_store(encryption_keys=OLD)
    for namespace in ("bank", "Bank"):
        for user in odd:
            writes = [SlotWrite(slot, 1, 1e9 / 3 + at) for at, slot in enumerate(odd)]
            await store.store(ProfileKey(namespace, user), writes)
    assert sealed_anew(database).resealed == 2 * 2 * len(odd) ** 2
    assert sealed_anew(database).resealed == 0


async def test_what_cannot_be_read_is_named_and_left(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    await open_store(encryption_keys=key("lost")).store(ann, [SlotWrite("name", "Ann", 10.0)])
    await open_store(encryption_keys=OLD).store(ann, [SlotWrite("city", "Bath", 10.0)])
    done = sealed_anew(database)
    assert done.resealed == 2
    ((reason, count),) = done.unreadable.items()
    assert reason.startswith("Slot name cannot be read: none of")
    assert count == 2, "the value and its history"
    assert (await open_store(encryption_keys=key("lost")).fetch(ann))["name"] == "Ann"


async def test_a_value_that_is_not_sealed_is_not_sealed_where_it_is_refused(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    await open_store().store(ann, [SlotWrite("name", "Ann", 10.0)])
    done = sealed_anew(database, refuse_unsealed=True)
    assert (done.resealed, done.unreadable.total()) == (0, 2)


def test_without_a_key_there_is_nothing_to_seal_with(database: Database) -> None:
    with pytest.raises(InvalidSettings, match="encryption_keys is not set"):
        rotate(StoreSettings(url=database.url), lambda *_: None)


async def test_a_write_between_reading_and_sealing_stays(
    open_store: OpenStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the server wrote in the very moment in which a value is sealed anew."""
    store = open_store(encryption_keys=OLD)
    await fill(store, 1, slots=1)
    seal = rotation.sealing.Sealed.seal
    theirs = rotation.sealing.Sealed((bytes(32),))
    raced = []

    def write_first(self: Any, user: ProfileKey, slot: str, encoded: bytes) -> bytes:
        if not raced:
            raced.append(slot)
            engine = sa.create_engine(database.url, poolclass=sa.NullPool)
            with engine.begin() as connection:
                newer = seal(theirs, user, slot, b'"12"')
                change = sa.update(schema.profile_slot).values(value=newer, written_at=12.0)
                connection.execute(change)
            engine.dispose()
        return seal(self, user, slot, encoded)

    monkeypatch.setattr(rotation.sealing.Sealed, "seal", write_first)
    done = sealed_anew(database)
    assert done.resealed == 2, "the history's, and not the slot's"
    assert raced == ["slot 0"]
    monkeypatch.undo()
    profile = await open_store(encryption_keys="A" * 43 + "=").fetch(users(1)[0])
    assert dict(profile) == {"slot 0": "12"}


async def test_a_server_writes_on_while_everything_is_sealed_anew(
    open_store: OpenStore, database: Database
) -> None:
    count = 150
    store = open_store(encryption_keys=BOTH)
    await fill(open_store(encryption_keys=OLD), count)
    rotating = asyncio.create_task(asyncio.to_thread(sealed_anew, database))
    rounds = 0
    while not rotating.done() or not rounds:
        rounds += 1
        write = SlotWrite("slot 0", f"round {rounds}", 20.0 + rounds)
        await asyncio.gather(*(store.store(user, [write]) for user in users(count)))
        await asyncio.sleep(0.02)
    await rotating
    assert await held(open_store, count) == [{"slot 0": f"round {rounds}", "slot 1": "11"}] * count


async def test_two_at_once_do_no_harm(open_store: OpenStore, database: Database) -> None:
    await fill(open_store(encryption_keys=OLD), 150)
    done = await asyncio.gather(*(asyncio.to_thread(sealed_anew, database) for _ in range(2)))
    assert sum(one.resealed for one in done) == 150 * 2 * 3
    assert await held(open_store, 150) == [{"slot 0": "11", "slot 1": "11"}] * 150


async def test_one_that_was_killed_is_gone_on_with(
    open_store: OpenStore, database: Database
) -> None:
    count = 400
    await fill(open_store(encryption_keys=OLD), count)
    await asyncio.to_thread(kill_after, 400, "rotating_process", database.url, BOTH)
    left = sealed_anew(database).resealed
    assert 0 < left <= count * 2 * 3 - 400
    assert await held(open_store, count) == [{"slot 0": "11", "slot 1": "11"}] * count


async def test_what_keeps_the_old_bytes_is_told(open_store: OpenStore, database: Database) -> None:
    await fill(open_store(encryption_keys=OLD), 1)
    name = sa.make_url(database.url).get_backend_name()
    assert sealed_anew(database).remains == wiping.ELSEWHERE.get(name, "")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_reader_that_keeps_the_log_with_the_old_bytes_is_told(
    open_store: OpenStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiping, "ATTEMPTS", 1)
    await fill(open_store(encryption_keys=OLD), 1)
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.connect() as reader:
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM profile_slot").scalar_one()
        assert sealed_anew(database).remains == wiping.BUSY
    assert sealed_anew(database).remains == ""
