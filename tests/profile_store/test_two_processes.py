"""Two server processes with 32 conversations each, all of one user: no write is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from profile_store import ProfileKey, SlotState, merge, values
from tests.conftest import Database, OpenStore

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2
WRITES = 1000
PATIENCE = 120


def start(database: Database, process: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.profile_store.writing_process", database.url, str(process),
         str(WRITES // PROCESSES)],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


async def test_the_profile_is_the_merge_of_all_acknowledged_writes(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    acknowledged: dict[str, list[SlotState]] = {}
    running = [start(database, process) for process in range(PROCESSES)]
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
    profile = await open_store().fetch(ann)
    assert {slot: profile.state(slot).encoded for slot in profile} == {
        slot: state.encoded for slot, state in merged.items()
    }
