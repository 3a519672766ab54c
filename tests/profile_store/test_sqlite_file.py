"""SQLite's file: errors name it and what to do, and another in its place is noticed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from profile_store import (
    ProfileKey,
    SlotWrite,
    SQLProfileStore,
    StoreSettings,
    StoreUnavailable,
    engine,
    migrate,
    sqlite_file,
)

OpenStore = Callable[[], SQLProfileStore]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database in a folder of its own, as docs/faults.md recommends."""
    (tmp_path / "profiles").mkdir()
    file = tmp_path / "profiles" / "profiles.db"
    migrate.upgrade(StoreSettings(url=f"sqlite:///{file}"))
    return file


@pytest.fixture
def open_store(file: Path) -> Iterator[Callable[[], SQLProfileStore]]:
    opened = []

    def make() -> SQLProfileStore:
        opened.append(SQLProfileStore(StoreSettings(url=f"sqlite:///{file}", retry_after=0)))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def damage(file: Path, leave: int = 0) -> None:
    with file.open("r+b") as opened:
        opened.seek(leave)
        opened.write(os.urandom(file.stat().st_size - leave))


async def test_a_folder_that_was_put_in_place_is_used_from_the_next_call_on(
    open_store: OpenStore, file: Path, ann: ProfileKey
) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
    file.parent.rename(file.parent.with_name("damaged"))
    with pytest.raises(StoreUnavailable, match="unable to open"):
        await store.fetch(ann)
    file.parent.mkdir()
    assert dict(await store.fetch(ann)) == {}, "not from memory, and not from the file before"
    await store.store(ann, [SlotWrite("name", "Anna", 2.0)])
    assert dict(await open_store().fetch(ann)) == {"name": "Anna"}


async def test_nothing_is_acknowledged_that_went_into_a_file_that_is_gone(
    open_store: OpenStore, file: Path, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    await store.store(ann, [SlotWrite("name", "Ann", 1.0)])
    serve = store._serving.serve_syncs

    def taken_away(*arguments: object) -> None:
        serve(*arguments)  # type: ignore[arg-type]
        file.parent.rename(file.parent.with_name("damaged"))
        file.parent.mkdir()

    monkeypatch.setattr(store._serving, "serve_syncs", taken_away)
    with pytest.raises(StoreUnavailable, match="another file"):
        await store.store(ann, [SlotWrite("name", "Anna", 2.0)])
    monkeypatch.undo()
    assert dict(await store.fetch(ann)) == {}, "a new one was made"


async def test_a_damaged_file_is_told_with_its_name_and_what_to_do(
    open_store: OpenStore, file: Path, ann: ProfileKey
) -> None:
    damage(file)
    with pytest.raises(StoreUnavailable, match="is damaged") as told:
        await open_store().fetch(ann)
    assert str(file) in str(told.value)
    assert "docs/faults.md" in str(told.value)


async def test_what_is_damaged_in_mid_work_is_told_with_its_name_and_what_to_do(
    open_store: OpenStore, file: Path, ann: ProfileKey
) -> None:
    store = open_store()
    await store.health()
    damage(file, leave=100)  # its header
    # a commit of somebody else, so that nothing of the file is taken from memory
    other = sqlite3.connect(file)
    other.execute("PRAGMA user_version = 7")
    other.close()
    with pytest.raises(StoreUnavailable, match="is damaged") as told:
        await store.fetch(ann)
    assert str(file) in str(told.value)


@pytest.mark.parametrize("said", sqlite_file.REMEDIES)
def test_each_fault_of_a_file_has_a_remedy(said: str, file: Path) -> None:
    error = sa.exc.OperationalError("SELECT 1", None, sqlite3.OperationalError(said))
    for told in (
        engine.unreachable(error, sa.make_url(f"sqlite:///{file}")),
        engine.broken(error, sa.make_url(f"sqlite:///{file}")),
    ):
        assert sqlite_file.REMEDIES[said] in str(told)
        assert str(file) in str(told)
