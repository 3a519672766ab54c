"""A SQLite file whose disk is full, that nobody may write to, or that is damaged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from profile_store import SQLProfileStore, sqlite_file
from tests.faults import files
from tests.faults.conftest import Serve
from tests.faults.conversations import Talk
from tests.faults.results import results

OpenStore = Callable[[str], SQLProfileStore]

HELD_SECONDS = 3
"""How long a fault lasts under load before it is lifted."""


@pytest.fixture
def backend() -> str:
    return "sqlite"


@pytest.fixture
def file(url: str) -> Path:
    return Path(str(sa.make_url(url).database))


def told(log: str, file: Path, fault: str) -> bool:
    """Return whether the log names the file, and what to do about its fault, in one line."""
    does = sqlite_file.REMEDIES[fault]
    return any(str(file) in line and does in line for line in log.splitlines())


def not_here(fault: str, reason: files.NotHere) -> None:
    results.notes.append(f"{fault}: not tested here: {reason}")
    pytest.skip(str(reason))


async def test_a_full_disk_is_told_and_over_when_there_is_room_again(
    serve: Serve, open_store: OpenStore, tmp_path: Path
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    url = f"sqlite:///{folder / 'profiles.db'}"
    try:
        with files.small_disk(folder):
            action_server = serve(url)
            async with Talk([action_server.url]).going_on() as talk:
                await talk.acknowledge(200)
                ballast = await asyncio.to_thread(files.fill, folder)
                await talk.be_refused()
                await asyncio.sleep(HELD_SECONDS)
                ballast.unlink()
                took = await talk.recover()
                await talk.acknowledge(200)
            store = open_store(url)
            await talk.audit(store)
            store.close()
            action_server.stop()
    except files.NotHere as reason:
        not_here("disk full", reason)
    assert told(action_server.log, folder / "profiles.db", "database or disk is full")
    results.record("disk full, sqlite", talk.book, took)


async def test_a_file_that_becomes_read_only_is_told_and_written_to_when_it_may_be_again(
    url: str, file: Path, serve: Serve, open_store: OpenStore
) -> None:
    action_server = serve(url)
    async with Talk([action_server.url]).going_on() as talk:
        await talk.acknowledge(200)
        try:
            with files.read_only(file):
                await talk.be_refused()
                await asyncio.sleep(HELD_SECONDS)
        except files.NotHere as reason:
            not_here("read-only file", reason)
        took = await talk.recover()
        await talk.acknowledge(200)
    await talk.audit(open_store(url))
    assert told(action_server.log, file, "attempt to write a readonly database")
    results.record("file read-only, sqlite", talk.book, took)


async def test_a_damaged_file_is_told_and_put_back_from_a_copy_without_a_restart(
    url: str, file: Path, serve: Serve, open_store: OpenStore, tmp_path: Path
) -> None:
    servers = [serve(url), serve(url)]
    # The copy lacks what came after it; what sessions say again is all there is to go by.
    async with Talk([server.url for server in servers], remembers=False).going_on() as talk:
        await talk.acknowledge(200)
        await asyncio.to_thread(files.copy, file, tmp_path / "copy")
        await talk.acknowledge(200)
        await asyncio.to_thread(files.damage, file)
        await talk.be_refused()
        await asyncio.sleep(HELD_SECONDS)
        file.parent.rename(tmp_path / "damaged")
        (tmp_path / "copy").rename(file.parent)
        took = await talk.recover()
        await talk.acknowledge(200)
    await talk.audit(open_store(url))
    for server in servers:
        assert told(server.log, file, "database disk image is malformed")
    results.record("file damaged, put back from a copy, sqlite", talk.book, took)


async def test_a_server_starts_on_a_damaged_file_and_on_without_it_when_it_is_gone(
    url: str, file: Path, serve: Serve, open_store: OpenStore, tmp_path: Path
) -> None:
    files.damage(file)
    action_server = serve(url)
    async with Talk([action_server.url]).going_on() as talk:
        await talk.be_refused()
        file.parent.rename(tmp_path / "damaged")
        await asyncio.sleep(HELD_SECONDS)
        file.parent.mkdir()
        took = await talk.recover()
        await talk.acknowledge(200)
    await talk.audit(open_store(url))
    assert told(action_server.log, file, "file is not a database")
    results.record("file damaged before the start, then removed, sqlite", talk.book, took)
