"""However many start together on an empty database, it is migrated once and all of them succeed."""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys

import pytest

from profile_store import StoreSettings, migrate, schema
from tests.migrations.conftest import CHECKOUT, tables
from tests.migrations.test_upgrade import OURS, version_rows

STARTERS = 8

# plain `alembic upgrade head` with its log switched on; all that it needs is imported first, so
# that what is left to do is done by all of them at once when standard input ends
_STARTER = """
import logging, sys
from alembic.config import main
from profile_store import engine, settings
engine.create_engine(settings.load())
logging.basicConfig(level=logging.INFO)
print("ready", flush=True)
sys.stdin.read()
main(["upgrade", "head"])
"""


@pytest.fixture
def started(config: StoreSettings) -> list[tuple[int, str]]:
    """Run starters in processes of their own; return their exit codes and logs."""
    gate, opener = os.pipe()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _STARTER],
            cwd=CHECKOUT,
            env={**os.environ, "PROFILE_STORE_URL": str(config.url)},
            stdin=gate,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(STARTERS)
    ]
    os.close(gate)
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    os.close(opener)  # every reader sees the end at once
    logs = [process.communicate()[1] for process in processes]
    return [(process.returncode, log) for process, log in zip(processes, logs, strict=True)]


def test_processes_that_start_together_migrate_once(
    config: StoreSettings, started: list[tuple[int, str]]
) -> None:
    assert [code for code, _ in started] == [0] * STARTERS, started
    assert sum(log.count("Running upgrade") for _, log in started) == 1
    assert version_rows(config) == [schema.REVISION]
    assert tables(config) == OURS


def test_threads_that_start_together_all_succeed(config: StoreSettings) -> None:
    with concurrent.futures.ThreadPoolExecutor(STARTERS) as pool:
        reached = list(pool.map(migrate.upgrade, [config] * STARTERS))
    assert reached == [schema.REVISION] * STARTERS
    assert version_rows(config) == [schema.REVISION]
