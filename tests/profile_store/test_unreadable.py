"""What cannot be read: it is named, never taken for missing, and costs no other slot anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from profile_store import ProfileKey, Release, SlotWrite, SQLProfileStore, ValueUnreadable, schema
from tests.conftest import Database, OpenStore
from tests.profile_store.sealed import NEW, OLD


@contextlib.contextmanager
def tables(database: Database) -> Iterator[sa.Connection]:
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def store_sealed_with(open_store: OpenStore, keys: str | None, **options: Any) -> SQLProfileStore:
    store: SQLProfileStore = open_store(**{"encryption_keys": keys, **options})
    return store


@pytest.fixture
def old(open_store: OpenStore) -> SQLProfileStore:
    """A server that seals with the old key."""
    return store_sealed_with(open_store, OLD)


@pytest.fixture(params=[NEW, None], ids=["another key", "no key"])
def keyless(open_store: OpenStore, request: pytest.FixtureRequest) -> SQLProfileStore:
    """A server that has not the old key."""
    return store_sealed_with(open_store, request.param)


async def test_a_value_that_cannot_be_read_is_an_error_that_names_its_slot(
    old: SQLProfileStore, keyless: SQLProfileStore, ann: ProfileKey
) -> None:
    await old.store(ann, [SlotWrite("name", "Ann", 10.0)])
    profile = await keyless.fetch(ann)
    assert list(profile) == ["name"]
    assert profile.state("name").held
    for ask in (lambda: profile["name"], lambda: profile.get("name"), lambda: dict(profile)):
        with pytest.raises(ValueUnreadable, match="Slot name cannot be read"):
            ask()
    assert set(profile.unreadable) == {"name"}


async def test_other_slots_are_read_and_stored_all_the_same(
    old: SQLProfileStore, keyless: SQLProfileStore, ann: ProfileKey
) -> None:
    await old.store(ann, [SlotWrite("name", "Ann", 10.0)])
    outcome = await keyless.store(ann, [SlotWrite("city", "Bath", 9.0)])
    assert outcome.profile["city"] == "Bath"
    assert (await keyless.fetch(ann))["city"] == "Bath"
    assert (await old.fetch(ann))["name"] == "Ann"


@pytest.mark.parametrize("at", [9.0, 10.0], ids=["an older", "one of the same time"])
@pytest.mark.parametrize("value", ["A", "Z"])
async def test_it_is_not_overwritten_by_a_write_that_is_not_newer(
    old: SQLProfileStore, keyless: SQLProfileStore, ann: ProfileKey, at: float, value: str
) -> None:
    await old.store(ann, [SlotWrite("name", "Ann", 10.0)])
    for _ in range(2):
        outcome = await keyless.store(ann, [SlotWrite("name", value, at)])
        assert set(outcome.profile.unreadable) == {"name"}
    assert dict(await old.fetch(ann)) == {"name": "Ann"}


async def test_a_newer_write_takes_its_place(
    old: SQLProfileStore, keyless: SQLProfileStore, ann: ProfileKey
) -> None:
    await old.store(ann, [SlotWrite("name", "Ann", 10.0)])
    outcome = await keyless.store(ann, [SlotWrite("name", "Anna", 11.0)])
    assert dict(outcome.profile) == {"name": "Anna"}
    assert dict(await keyless.fetch(ann)) == {"name": "Anna"}


async def test_a_release_of_it_is_noted_and_leaves_it_as_it_is(
    old: SQLProfileStore, keyless: SQLProfileStore, ann: ProfileKey
) -> None:
    await old.store(ann, [SlotWrite("name", "Ann", 10.0)])
    await keyless.store(ann, [], [Release("name", 11.0)])
    profile = await old.fetch(ann)
    assert dict(profile) == {"name": "Ann"}
    assert profile.state("name").released
    assert [write.value for write in await old.history(ann)] == ["Ann"]


async def test_it_can_be_erased(
    old: SQLProfileStore, keyless: SQLProfileStore, ann: ProfileKey
) -> None:
    await old.store(ann, [SlotWrite("name", "Ann", 10.0), SlotWrite("city", "Bath", 10.0)])
    assert (await keyless.forget(ann, ["name"], at=11.0)).slots == ("name",)
    assert dict(await old.fetch(ann)) == {"city": "Bath"}
    assert (await keyless.forget(ann, at=12.0)).slots == ("city",)
    assert dict(await old.fetch(ann)) == {}
    assert await keyless.history(ann) == []


async def test_neither_history_nor_export_pass_off_a_part_for_the_whole(
    old: SQLProfileStore, keyless: SQLProfileStore, ann: ProfileKey
) -> None:
    await old.store(ann, [SlotWrite("name", "Ann", 10.0)])
    await keyless.store(ann, [SlotWrite("name", "Anna", 11.0)])
    with pytest.raises(ValueUnreadable, match="Slot name"):
        await keyless.history(ann)
    with pytest.raises(ValueUnreadable, match="Slot name"):
        await keyless.export(ann)
    assert len(await keyless.history(ann, "name", limit=1)) == 1


async def test_it_is_not_linked_until_it_can_be_read(
    old: SQLProfileStore,
    keyless: SQLProfileStore,
    open_store: OpenStore,
    ann: ProfileKey,
    bob: ProfileKey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await old.store(bob, [SlotWrite("name", "Bob", 10.0), SlotWrite("age", 1, 10.0)])
    await keyless.store(bob, [SlotWrite("city", "Bath", 10.0), SlotWrite("age", 2, 11.0)])
    linked = await keyless.link(bob, ann)
    assert dict(linked) == {"city": "Bath"}
    assert "Slot name cannot be read" in caplog.text
    assert "Slot age cannot be read" in caplog.text, "the value is new, but its history is not"
    both = store_sealed_with(open_store, f"{NEW},{OLD}")
    assert dict(await both.fetch(bob)) == {"name": "Bob", "age": 2}
    assert dict(await both.link(bob, ann)) == {"name": "Bob", "age": 2, "city": "Bath"}
    assert dict(await both.fetch(bob)) == {}
    assert [write.value for write in await both.history(ann, "age")] == [2, 1]


async def test_a_linked_value_is_sealed_for_its_new_user(
    old: SQLProfileStore, ann: ProfileKey, bob: ProfileKey
) -> None:
    await old.store(bob, [SlotWrite("name", "Bob", 10.0)])
    await old.store(bob, [SlotWrite("name", "Rob", 11.0)])
    await old.link(bob, ann)
    assert dict(await old.fetch(ann)) == {"name": "Rob"}
    assert [write.value for write in await old.history(ann)] == ["Rob", "Bob"]


@pytest.mark.parametrize("column", ["namespace", "user_id", "slot"])
async def test_a_row_that_was_moved_in_the_database_is_an_error(
    old: SQLProfileStore, database: Database, ann: ProfileKey, column: str
) -> None:
    await old.store(ann, [SlotWrite("name", "Ann", 10.0)])
    with tables(database) as connection:
        for table in (schema.profile_slot, schema.profile_slot_history):
            connection.execute(sa.update(table).values({column: "elsewhere"}))
    names = {"namespace": ann.namespace, "user_id": ann.user_id, "slot": "name"}
    names[column] = "elsewhere"
    key = ProfileKey(names["namespace"], names["user_id"])
    profile = await old.fetch(key)
    with pytest.raises(ValueUnreadable, match=f"Slot {names['slot']} .*damaged, or moved here"):
        profile[names["slot"]]
    with pytest.raises(ValueUnreadable):
        await old.history(key)


async def test_a_value_from_before_there_were_keys_is_read_and_may_be_refused(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    await store_sealed_with(open_store, None).store(ann, [SlotWrite("name", "Ann", 10.0)])
    assert dict(await store_sealed_with(open_store, NEW).fetch(ann)) == {"name": "Ann"}
    strict = store_sealed_with(open_store, NEW, refuse_unsealed=True)
    with pytest.raises(ValueUnreadable, match=r"Slot name .* not sealed"):
        dict(await strict.fetch(ann))


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_no_file_of_the_database_holds_a_value_or_a_hashed_id(
    open_store: OpenStore, database: Database, bob: ProfileKey
) -> None:
    ann = ProfileKey("bank", "ann-the-user")
    store = store_sealed_with(open_store, OLD, user_id_key=NEW)
    phone = ProfileKey("bank", "conversation/ann-the-user")
    await store.store(phone, [SlotWrite("name", "Secret-Ann", 10.0)])
    await store.store(phone, [SlotWrite("name", "Secret-Anna", 11.0)])
    await store.link(phone, ann)
    folder = sa.make_url(database.url).database
    assert folder is not None
    files = sorted(Path(folder).parent.glob("profiles.db*"))
    assert len(files) > 1, "the log is there, too"
    content = b"".join(file.read_bytes() for file in files)
    assert b"name" in content
    for secret in (b"Secret", b"ann-the-user", OLD.encode(), NEW.encode()):
        assert secret not in content
