"""The kit itself, as somebody with a store of their own meets it."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from profile_store import conformance
from profile_store.conformance import StoreConformance

CHECKOUT = Path(__file__).resolve().parents[2]

STORE = """\
import pytest

from profile_store import StoreSettings
from profile_store.conformance import StoreConformance
from tests.profile_store.memory_store import MemoryStore


class TestMine(StoreConformance):
    no_second_store = "each has a memory of its own"
    no_reopening = "it is gone with its process"
    no_outage = "memory is always there"
    model_runs = 5
    ordering_runs = 5

    def open_store(self, database, **limits):
        return MemoryStore(StoreSettings(**limits))
"""
LACKING = 21
"""Tests that the store above is skipped by, for what it says it lacks."""


FUNCTION_SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")
"""Keeps pytest-asyncio from warning of a default that is going to change."""


class Project:
    """A folder of somebody's own, away from this project's configuration of pytest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "test_mine.py") -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def pytest(self, *options: str) -> str:
        """Return what pytest prints in it."""
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("[pytest]\n", "pytest.ini")
    return made


def the_kits_tests() -> list[str]:
    return [name for name in dir(StoreConformance) if name.startswith("test_")]


@pytest.mark.parametrize("name", the_kits_tests())
def test_no_test_is_a_coroutine_that_a_plug_in_must_run(name: str) -> None:
    assert not inspect.iscoroutinefunction(getattr(StoreConformance, name))


@pytest.mark.parametrize(
    "options",
    [
        ("-p", "no:asyncio", "-p", "no:anyio"),
        (*FUNCTION_SCOPE, "-o", "asyncio_mode=strict"),
        (*FUNCTION_SCOPE, "-o", "asyncio_mode=auto"),
        ("-p", "no:asyncio", "-o", "anyio_mode=auto"),
    ],
    ids=["no plug-in", "asyncio strict", "asyncio auto", "anyio auto"],
)
def test_every_test_runs_whatever_plug_in_there_is(
    project: Project, options: tuple[str, ...]
) -> None:
    project.write(STORE)
    printed = project.pytest("-W", "error", *options)
    (passed,) = re.findall(rf"^(\d+) passed, {LACKING} skipped in", printed, re.MULTILINE)
    assert int(passed) >= len(the_kits_tests())


def test_other_tests_keep_their_event_loop(project: Project) -> None:
    project.write(
        STORE
        + """

@pytest.fixture(scope="module", autouse=True)
def mine():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    loop.close()


def test_mine_is_still_there(mine):
    assert asyncio.get_event_loop() is mine


import asyncio
"""
    )
    printed = project.pytest("-p", "no:asyncio", "-k", "still_there or knows or is_fetched")
    assert "2 passed" in printed


def test_what_a_store_lacks_is_skipped_with_the_reason(project: Project) -> None:
    project.write(STORE)
    printed = project.pytest("-rs")
    for reason in (
        "TestMine.no_second_store: each has a memory of its own",
        "TestMine.no_reopening: it is gone with its process",
        "TestMine.no_outage: memory is always there",
    ):
        assert reason in printed
    assert printed.count("SKIPPED") >= 3


def test_limits_may_be_lacking_too(project: Project) -> None:
    project.write(STORE.replace("no_outage =", 'no_limits = "none are kept"\n    no_outage ='))
    printed = project.pytest("-rs", "-k", "full_profile or too_large or no_room")
    assert "TestMine.no_limits: none are kept" in printed
    assert "passed" not in printed


def test_a_lack_must_be_put_into_words(project: Project) -> None:
    project.write(STORE.replace('"memory is always there"', "True"))
    assert "TypeError: TestMine.no_outage must say in words why" in project.pytest()


def test_an_outage_that_is_not_told_of_fails(project: Project) -> None:
    project.write(STORE.replace('no_outage = "memory is always there"', ""))
    printed = project.pytest("-k", "outage", "--tb=line")
    assert "Define TestMine.open_unreachable_store(self, database), or say in no_outage" in printed
    assert "skipped" not in printed


def test_a_class_without_a_store_fails_and_says_what_to_define(project: Project) -> None:
    project.write(
        """\
from profile_store.conformance import StoreConformance


class TestNothing(StoreConformance):
    pass
"""
    )
    printed = project.pytest("-k", "is_fetched", "--tb=line")
    assert "Define TestNothing.open_store(self, database)." in printed
    assert "1 error" in printed


def test_a_failed_assertion_tells_what_it_compared(project: Project) -> None:
    project.write(
        STORE
        + """

class Forgetful(MemoryStore):
    async def sync(self, key, *rest, **clock):
        self._profiles.pop(key, None)
        return await super().sync(key, *rest, **clock)


class TestForgetful(TestMine):
    def open_store(self, database, **limits):
        return Forgetful(StoreSettings(**limits))
"""
    )
    printed = project.pytest("-k", "TestForgetful and is_fetched")
    assert "AssertionError: assert {} == {'" in printed
    assert "1 failed" in printed


@pytest.mark.parametrize(
    "module",
    [
        path.stem
        for path in sorted(Path(conformance.__file__).parent.glob("*.py"))
        if re.search(r"^ +assert ", path.read_text(encoding="utf-8"), re.MULTILINE)
    ],
)
def test_pytest_rewrites_the_assertions_of_each_module(module: str) -> None:
    loader = import_module(f"{conformance.__name__}.{module}").__loader__
    assert type(loader).__name__ == "AssertionRewritingHook"


def test_no_test_reaches_the_database_that_the_environment_names(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROFILE_STORE_URL", "sqlite:////in/use.db")
    project.write(
        STORE
        + """
    def open_store(self, database, **limits):
        config = StoreSettings(**limits)
        assert config.url is None
        return MemoryStore(config)
"""
    )
    assert "1 passed" in project.pytest("-k", "is_fetched")


def test_stores_are_closed_before_their_database_goes(project: Project) -> None:
    project.write(
        STORE
        + """

    @pytest.fixture
    def database(self):
        opened = []
        yield opened
        assert opened
        assert all(store._closed for store in opened)

    def open_store(self, database, **limits):
        database.append(MemoryStore(StoreSettings(**limits)))
        return database[-1]
"""
    )
    printed = project.pytest("-k", "is_fetched or at_once")
    assert "4 passed" in printed
    assert "error" not in printed


@pytest.mark.parametrize("missing", ["pytest", "hypothesis"])
def test_without_the_extra_one_line_names_it(missing: str) -> None:
    script = f"import sys; sys.modules[{missing!r}] = None; import profile_store.conformance"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: The conformance kit needs {missing}; "
        "run: pip install 'rasa-coexistence[testing]'"
    )
    assert "During handling" not in done.stderr


def test_nothing_but_the_kit_needs_the_extra() -> None:
    script = (
        "import importlib, pkgutil, sys\n"
        "sys.modules['pytest'] = sys.modules['hypothesis'] = None\n"
        "import profile_store\n"
        "for found in pkgutil.iter_modules(profile_store.__path__):\n"
        "    if found.name not in {'conformance', 'migrations'}:\n"
        "        print(importlib.import_module(f'profile_store.{found.name}').__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert "profile_store.sql_store\n" in done.stdout
