"""The command line itself: terminals, Ctrl-C, and never a traceback."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coexistence import cli
from coexistence.commands import exits, show
from profile_store import ProfileKey, SlotWrite, SQLProfileStore, StoreSettings, importing
from tests.commands.conftest import ANN, IBAN, Coexist, T, wait
from tests.conftest import Database

PROGRAM = str(Path(sys.executable).with_name("coexist"))


@pytest.fixture(params=["sqlite"])
def backend(request: pytest.FixtureRequest) -> str:
    """What is the same on each database is tested on one."""
    name: str = request.param
    return name


def in_a_terminal(*arguments: str, answer: str = "") -> tuple[int, str]:
    """Run `coexist` in a real terminal; return its exit code and what the terminal got."""
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - another process
        os.execv(PROGRAM, [PROGRAM, *arguments])
    got = b""
    with contextlib.suppress(OSError):  # what Linux says when the other side has gone
        while part := os.read(terminal, 65536):
            got += part
            if answer and b"[y/N]" in got:
                os.write(terminal, answer.encode())
                answer = ""
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), got.decode()


def test_a_terminal_gets_tables_and_a_pipe_json(known: SQLProfileStore) -> None:
    code, got = in_a_terminal("profile", "show", "ann")
    assert code == 0
    assert "written (UTC)" in re.sub(r"\x1b\[\d*m", "", got)
    piped = subprocess.run([PROGRAM, "profile", "show", "ann"], capture_output=True, check=True)
    assert piped.stdout.startswith(b"{")
    assert piped.stderr == b""


def test_a_terminal_is_asked(known: SQLProfileStore) -> None:
    code, got = in_a_terminal("profile", "forget", "ann", answer="y\n")
    assert code == 0
    assert "Erase it? [y/N]" in got
    assert "Receipt" in got
    assert dict(wait(known.fetch(ANN))) == {}


def test_ctrl_c_at_the_question_changes_nothing(known: SQLProfileStore) -> None:
    before = wait(known.export(ANN))
    code, got = in_a_terminal("profile", "forget", "ann", answer="\x03")
    assert code == exits.INTERRUPTED
    assert "Traceback" not in got
    assert wait(known.export(ANN)) == before


@contextlib.contextmanager
def locked(database: Database) -> Iterator[None]:
    """Hold the lock of a SQLite file, as a stuck server does."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.exec_driver_sql("ROLLBACK")
    engine.dispose()


def wait_until_open(process: int, file: Path) -> None:
    """Return when a process has had a file open for a while, and so waits for its lock."""
    opened = Path(f"/proc/{process}/fd")
    if opened.exists():
        deadline = time.monotonic() + 60
        while not any(link.exists() and link.samefile(file) for link in opened.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)
    else:
        time.sleep(10)  # not Linux


@pytest.mark.parametrize(
    "arguments",
    [
        ["profile", "forget", "ann", "--yes"],
        ["profile", "link", "bob", "ann", "--yes"],
        ["profile", "import", "given.jsonl", "--namespace", "shop"],
    ],
    ids=lambda arguments: arguments[1],
)
def test_ctrl_c_ends_a_command_at_once_and_nothing_is_half_done(
    known: SQLProfileStore, database: Database, coexist: Coexist, arguments: list[str]
) -> None:
    given = coexist("profile", "export", "--all").out
    Path("given.jsonl").write_text(given)
    with locked(database):
        process = subprocess.Popen(
            [PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_until_open(process.pid, Path(str(sa.make_url(database.url).database)))
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - began < 5
    assert process.returncode == exits.INTERRUPTED
    assert "Traceback" not in err
    assert coexist("profile", "export", "--all").out == given
    assert coexist("profile", "export", "--all", "--namespace", "shop").out == ""


def test_what_an_interrupted_import_has_merged_is_told_and_stays(
    known: SQLProfileStore, coexist: Coexist, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = coexist("profile", "export", "--all").out
    merge = importing.Importer.merge
    batches = []

    def once(self: Any, batch: Any, **options: Any) -> Any:
        if batches:
            raise KeyboardInterrupt
        batches.append(batch)
        return merge(self, batch, **options)

    monkeypatch.setattr(importing, "BATCH", 2)
    monkeypatch.setattr(importing.Importer, "merge", once)
    done = coexist("profile", "import", "-", "--namespace", "shop", stdin=given)
    assert (done.code, done.document["merged"]) == (exits.INTERRUPTED, 2)
    monkeypatch.undo()
    wait(known.fetch(ANN))


def test_an_interrupted_export_leaves_no_file(
    known: SQLProfileStore, coexist: Coexist, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    before = sorted(tmp_path.iterdir())
    done = coexist("profile", "export", "--all", "-o", "all.jsonl")
    assert done.code == exits.INTERRUPTED
    assert sorted(tmp_path.iterdir()) == before


def test_a_reader_that_leaves_early_is_no_mistake(bank: SQLProfileStore) -> None:
    async def fill() -> None:
        for number in range(500):
            write = SlotWrite("text", "x" * 1000, T)
            await bank.store(ProfileKey("bank", f"user {number}"), [write])

    wait(fill())
    done = subprocess.run(
        f"{PROGRAM} profile export --all | head -n 1",
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "mistake" not in done.stderr


def test_a_mistake_of_our_own_is_one_line_without_its_message(
    known: SQLProfileStore, coexist: Coexist, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError(IBAN)

    monkeypatch.setattr(show.kept, "document", fail)
    done = coexist("profile", "show", "ann")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "coexist: a mistake of this program's own (KeyError); report it with what "
        "PYTHONDEVMODE=1 coexist ... prints.\n"
    )


def test_developers_see_where(
    known: SQLProfileStore, coexist: Coexist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exits, "in_development", lambda: True)
    monkeypatch.setattr(show.kept, "document", lambda *_: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["coexist", "profile", "show", "ann"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_a_terminal_that_cannot_spell_it_gets_json_all_the_same(bank: SQLProfileStore) -> None:
    wait(bank.store(ANN, [SlotWrite("name", "\N{SNOWMAN}", T)]))
    done = subprocess.run(
        [PROGRAM, "profile", "show", "ann"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert '"\N{SNOWMAN}"'.encode() in done.stdout


def test_a_database_that_is_down_is_one_line(coexist: Coexist, tmp_path: Path) -> None:
    url = {"url": "postgresql://rasa:s3cret@127.0.0.1:1/profiles"}
    for command in (
        ["show", "ann"],
        ["export", "ann"],
        ["export", "--all"],
        ["import", "-"],
        ["forget", "ann", "--yes"],
        ["link", "ann", "bob", "--yes"],
    ):
        done = coexist("profile", *command, settings=url)
        assert (done.code, done.out) == (1, "")
        assert len(done.complaints) == 1
        assert "cannot be reached" in done.complaints[0]
        assert "s3cret" not in done.err


def test_a_file_that_is_no_database_is_one_line(coexist: Coexist, tmp_path: Path) -> None:
    (tmp_path / "profiles.db").write_bytes(b"no database" * 1000)
    for command in (["show", "ann"], ["export", "--all"], ["import", "-"]):
        done = coexist("profile", *command)
        assert (done.code, done.out) == (1, "")
        assert len(done.complaints) == 1
        assert "file is not a database" in done.complaints[0]


def test_the_settings_of_a_project_are_found_by_endpoints(
    coexist: Coexist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROFILE_STORE_NAMESPACE")
    file = tmp_path / "other.yml"
    file.write_text(
        f"profile_store:\n  db: {tmp_path}/other.db\n  namespace: other\n"
        "  sensitive_slots: [name]\n"
    )
    store = SQLProfileStore(StoreSettings(db=str(tmp_path / "other.db")))
    wait(store.store(ProfileKey("other", "ann"), [SlotWrite("name", "Ann", T)]))
    store.close()
    done = coexist("profile", "show", "ann", "--endpoints", file)
    assert done.document["masked"] == ["name"]
