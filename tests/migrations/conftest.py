"""Migrations are run three ways here: from Python, by `coexist db` and by plain `alembic`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from coexistence import cli
from profile_store import StoreSettings, engine
from tests.conftest import Database

CHECKOUT = Path(__file__).resolve().parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def no_settings_but_the_test_s(bare_place: None) -> None:
    """Let every test begin in an empty folder."""


@pytest.fixture
def config(empty_database: Database) -> StoreSettings:
    return StoreSettings(url=empty_database.url, timeout=60)


@contextlib.contextmanager
def connected(config: StoreSettings) -> Iterator[sa.Connection]:
    database = engine.create_engine(config)
    try:
        with database.connect() as connection:
            yield connection
    finally:
        database.dispose()


def tables(config: StoreSettings) -> set[str]:
    with connected(config) as connection:
        return set(sa.inspect(connection).get_table_names())


@pytest.fixture
def alembic() -> Run:
    """Run `alembic` as a user does, in the checkout."""

    def run(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=CHECKOUT,
            env={**os.environ, "PROFILE_STORE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def coexist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `coexist` in this process."""

    def run(*arguments: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
        if url is not None:
            monkeypatch.setenv("PROFILE_STORE_URL", url)
        monkeypatch.setattr(sys, "argv", ["coexist", *arguments])
        capsys.readouterr()
        code: int | str | None = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        assert isinstance(code, int)
        return subprocess.CompletedProcess(list(arguments), code, out, err)

    return run
