"""Two server processes with 32 conversations each, all of one user: no write is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from profile_store import ProfileKey, SlotState, merge, values
from tests.conftest import Database, OpenStore
from tests.profile_store.sealed import NEW, OLD

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2
WRITES = 1000
PATIENCE = 120
KEYS = "PROFILE_STORE_ENCRYPTION_KEYS"


def start(
    database: Database, process: int, environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.profile_store.writing_process", database.url, str(process),
         str(WRITES // PROCESSES)],
        cwd=ROOT, env={**os.environ, **environment}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


PLAIN: list[dict[str, str]] = [{}, {}]
SEALED = [{KEYS: f"{OLD},{NEW}"}, {KEYS: f"{NEW},{OLD}"}]


@pytest.mark.parametrize("environments", [PLAIN, SEALED], ids=["plain", "sealed with two keys"])
async def test_the_profile_is_the_merge_of_all_acknowledged_writes(
    open_store: OpenStore, database: Database, ann: ProfileKey, environments: list[dict[str, str]]
) -> None:
    acknowledged: dict[str, list[SlotState]] = {}
    running = [start(database, process, environments[process]) for process in range(PROCESSES)]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in running:
            output, complaints = process.communicate(timeout=PATIENCE)
            assert (process.returncode, complaints) == (0, "")
            for line in output.splitlines():
                slot, value, at = json.loads(line)
                acknowledged.setdefault(slot, []).append(SlotState(values.encode(value), at))
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    assert sum(map(len, acknowledged.values())) == WRITES
    merged = {slot: max(states, key=merge.rank) for slot, states in acknowledged.items()}
    keys = environments[0].get(KEYS)
    profile = await open_store(encryption_keys=keys).fetch(ann)
    assert {slot: profile.state(slot).encoded for slot in profile} == {
        slot: state.encoded for slot, state in merged.items()
    }
