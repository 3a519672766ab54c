"""`coexist profile export`: all that is kept, as lines of JSON."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coexistence.commands import whole_file
from profile_store import ProfileKey, SlotWrite, SQLProfileStore, listing
from profile_store.hashing import PREFIX
from tests.commands.conftest import ANN, Coexist, T, wait
from tests.conftest import Database, OpenStore
from tests.profile_store.sealed import NEW, OLD


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_user_is_one_line(known: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "export", "ann")
    assert (done.code, done.err) == (0, "")
    assert lines(done.out) == [wait(known.export(ANN))]


def test_everybody_of_the_namespace_is_a_line_each(
    known: SQLProfileStore, coexist: Coexist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "BATCH", 2)
    wait(known.store(ProfileKey("shop", "ann"), [SlotWrite("name", "Other", T)]))
    done = coexist("profile", "export", "--all")
    assert done.code == 0
    assert "3/3" in done.err
    keys = [ProfileKey("bank", name) for name in ("ann", "bob", "conversation/phone-1")]
    assert lines(done.out) == [wait(known.export(key)) for key in keys]


def test_ids_and_values_of_any_kind_are_exported(
    bank: SQLProfileStore, coexist: Coexist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "BATCH", 2)
    odd = ["a", "A", "é", "\N{GRINNING FACE}", "a ", "'", "%s", "Z", "~", '"\\', "\x01"]
    for user in odd:
        write = SlotWrite(user, {"half": "\ud83d", user: [None, 1.5, 2**70]}, T)
        wait(bank.store(ProfileKey("bank", user), [write]))
    exported = lines(coexist("profile", "export", "--all").out)
    assert {line["user_id"] for line in exported} == set(odd)
    assert exported == [wait(bank.export(ProfileKey("bank", one["user_id"]))) for one in exported]


def test_a_file_is_for_its_owner_alone_and_never_overwritten_unasked(
    known: SQLProfileStore, coexist: Coexist, tmp_path: Path
) -> None:
    file = tmp_path / "out" / "ann.jsonl"
    file.parent.mkdir()
    done = coexist("profile", "export", "ann", "-o", file)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert lines(file.read_text()) == [wait(known.export(ANN))]
    done = coexist("profile", "export", "--all", "-o", file)
    assert done.code == 1
    assert done.complaints == [
        f"coexist: {file} is there already; give another name, or --overwrite."
    ]
    assert len(lines(file.read_text())) == 1
    assert coexist("profile", "export", "--all", "-o", file, "--overwrite").code == 0
    assert len(lines(file.read_text())) == 3
    assert names(file.parent) == ["ann.jsonl"]


def test_what_is_no_regular_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with (
        pytest.raises(OSError, match="no regular file"),
        whole_file.writing(pipe, overwrite=True),
    ):
        pass
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


@pytest.mark.parametrize("links", [True, False])
def test_of_two_that_make_one_file_the_first_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError(1, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "all.jsonl"
    mine = whole_file.writing(file, overwrite=False)
    mine.__enter__().write(b"mine")
    with whole_file.writing(file, overwrite=False) as theirs:
        theirs.write(b"theirs")
    with pytest.raises(FileExistsError):
        mine.__exit__(None, None, None)
    assert file.read_bytes() == b"theirs"
    assert names(tmp_path) == ["all.jsonl"]


def test_what_fails_half_way_leaves_no_file(
    known: SQLProfileStore, coexist: Coexist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    done = coexist("profile", "export", "--all", "-o", tmp_path / "all.jsonl")
    assert done.code == 1
    assert done.complaints == ["coexist: No space left on device"]
    assert names(tmp_path) == before


def test_a_folder_that_is_not_there_is_named(known: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "export", "ann", "-o", "nowhere/ann.jsonl")
    assert done.code == 1
    assert "nowhere" in done.complaints[0]
    assert "No such file" in done.complaints[0]


def test_nobody_makes_no_file(known: SQLProfileStore, coexist: Coexist, tmp_path: Path) -> None:
    done = coexist("profile", "export", "carol", "-o", tmp_path / "carol.jsonl")
    assert (done.code, done.out) == (3, "")
    assert not (tmp_path / "carol.jsonl").exists()


@pytest.mark.parametrize("arguments", [[], ["ann", "--all"], ["--all", "--conversation"]])
def test_whom_must_be_said_once(coexist: Coexist, arguments: list[str]) -> None:
    assert coexist("profile", "export", *arguments).code == 2


def test_what_cannot_be_read_is_named_and_its_profile_left_out(
    bank: SQLProfileStore, open_store: OpenStore, coexist: Coexist
) -> None:
    wait(open_store(encryption_keys=OLD).store(ANN, [SlotWrite("name", "Ann", T)]))
    wait(open_store(encryption_keys=OLD).store(ANN, [SlotWrite("city", "Bath", T)]))
    wait(open_store(encryption_keys=NEW).store(ANN, [SlotWrite("name", "Anna", T + 1)]))
    bob = ProfileKey("bank", "bob")
    wait(open_store(encryption_keys=NEW).store(bob, [SlotWrite("name", "Bob", T)]))
    keys = {"encryption_keys": NEW}
    done = coexist("profile", "export", "--all", settings=keys)
    assert [line["user_id"] for line in lines(done.out)] == ["bob"]
    assert done.code == 1
    assert done.complaints == [
        "coexist: Profiles that are left out: 1. Slot city cannot be read: none of "
        "profile_store.encryption_keys has sealed it; add the key that did, behind the first. (1)"
    ]
    one = coexist("profile", "export", "ann", settings=keys)
    assert (one.code, one.out) == (1, "")
    assert "cannot be read" in one.complaints[0]
    assert "Ann" not in done.out + done.err + one.err


def test_hashed_ids_say_so(bank: SQLProfileStore, open_store: OpenStore, coexist: Coexist) -> None:
    wait(open_store(user_id_key=OLD).store(ANN, [SlotWrite("name", "Ann", T)]))
    (one,) = lines(coexist("profile", "export", "ann", settings={"user_id_key": OLD}).out)
    (all_,) = lines(coexist("profile", "export", "--all", settings={"user_id_key": OLD}).out)
    assert one["user_id"] == "ann"
    assert all_["user_id"].startswith(PREFIX)
    assert (one["hashed"]["user_id"], all_["hashed"]["user_id"]) == (False, True)
    assert one["hashed"]["with"] == all_["hashed"]["with"] != OLD
    (other,) = lines(coexist("profile", "export", "--all", settings={"user_id_key": NEW}).out)
    assert other["hashed"]["with"] != all_["hashed"]["with"]


def test_a_server_writes_on_while_everybody_is_exported(
    bank: SQLProfileStore, database: Database, coexist: Coexist
) -> None:
    async def fill() -> None:
        for number in range(150):
            key = ProfileKey("bank", f"user {number}")
            await bank.store(key, [SlotWrite("count", 0, T), SlotWrite("same", 0, T)])

    wait(fill())
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.commands.counting_process", database.url],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        server.stdout.readline()
        exported = lines(coexist("profile", "export", "--all").out)
    finally:
        server.terminate()
        server.communicate()
    assert len(exported) == 150
    assert any(line["slots"]["count"]["value"] for line in exported), "it did write"
    for line in exported:
        slots = line["slots"]
        assert slots["count"]["value"] == slots["same"]["value"], "each line is one moment's"
        assert line["history"][0]["value"] == slots["count"]["value"]
