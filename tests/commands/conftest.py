"""`coexist profile` as its users run it, in this process; output as bytes, for it goes to files."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar

import pytest

from coexistence import cli
from profile_store import ProfileKey, Release, SlotWrite, Source, SQLProfileStore
from tests.conftest import Database, OpenStore

T = 1_700_000_000.0
IBAN = "DE89370400440532013000"
ANN, BOB = ProfileKey("bank", "ann"), ProfileKey("bank", "bob")
PHONE = ProfileKey("bank", "conversation/phone-1")

Answer = TypeVar("Answer")


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def complaints(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("coexist: ")]


Coexist = Callable[..., Done]


def wait(answer: Coroutine[Any, Any, Answer]) -> Answer:
    return asyncio.run(answer)


@pytest.fixture(autouse=True)
def no_settings_but_the_test_s(bare_place: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test begin in an empty folder, with a terminal that is wide and plain."""
    monkeypatch.setenv("PROFILE_STORE_NAMESPACE", "bank")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "220")


@pytest.fixture
def coexist(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Coexist:
    """Run `coexist`; `terminal` says whether standard output is one."""

    def run(
        *arguments: object,
        stdin: str | bytes = "",
        terminal: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> Done:
        capsysbinary.readouterr()
        code: int | str | None = 0
        given = stdin.encode() if isinstance(stdin, str) else stdin
        with monkeypatch.context() as patch:
            for name, value in (settings or {}).items():
                patch.setenv(f"PROFILE_STORE_{name.upper()}", value)
            patch.setattr(sys, "argv", ["coexist", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
            patch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
            try:
                cli.main()
            except SystemExit as end:
                code = end.code
        out, err = capsysbinary.readouterr()
        assert isinstance(code, int)
        done = Done(code, out.decode(), err.decode())
        assert "Traceback" not in done.err
        return done

    return run


@pytest.fixture
def bank(
    database: Database, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> SQLProfileStore:
    """A server's store, on each database in turn, that the commands are pointed at."""
    monkeypatch.setenv("PROFILE_STORE_URL", database.url)
    return open_store()


@pytest.fixture
def known(bank: SQLProfileStore) -> SQLProfileStore:
    """The same, with a user, another, and an anonymous conversation."""
    wait(tell(bank))
    return bank


async def tell(store: SQLProfileStore) -> None:
    calm = Source("calm", "action_transfer", "phone-1")
    await store.store(ANN, [SlotWrite("name", "Ann", T, calm), SlotWrite("iban", IBAN, T, calm)])
    await store.store(
        ANN,
        [SlotWrite("name", "Anna", T + 1, Source("nlu", None, "web-7"))],
        [Release("iban", T + 5)],
    )
    await store.store(ANN, [SlotWrite("city", "Bath", T + 1)])
    await store.forget(ANN, ["city"], at=T + 2)
    await store.store(BOB, [SlotWrite("name", "Bob", T)])
    await store.store(PHONE, [SlotWrite("name", "Annie", T + 9), SlotWrite("language", "en", T)])
