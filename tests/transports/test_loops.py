"""Event loops come and go, in direct execution and in tests: nothing hangs, nothing is left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.transports.calls import call, said, someone
from tests.transports.ways import Direct, going

CALLS = 50


def open_files(process: Any) -> list[str]:
    return sorted(str(file.readlink()) for file in Path(f"/proc/{process.pid}/fd").iterdir())


def test_a_loop_for_each_call_leaves_no_thread_and_no_connection(tmp_path: Path) -> None:
    ann = someone()
    with going("direct", tmp_path) as running:
        assert isinstance(running, Direct)
        body = call("action_sync_profile", ann, *said())
        first = running.tell({"call": body})
        files = open_files(running.process)
        for number in range(CALLS):
            told = running.tell({"call": call("action_own", f"{ann} {number}", *said())})
            assert told["threads"] == first["threads"]
        assert open_files(running.process) == files
    assert first["threads"].count("profile-store") == 1
    assert not (tmp_path / "profiles.db-wal").exists(), "the connection was closed at the end"


def test_calls_that_are_cancelled_leave_nothing_either(tmp_path: Path) -> None:
    ann = someone()
    with going("direct", tmp_path) as running:
        first = running.tell({"call": call("action_sync_profile", ann, *said())})
        files = open_files(running.process)
        for number in range(CALLS):
            running.tell(
                {
                    "call": call("action_own", f"{ann} {number}", *said()),
                    "cancel_after": number % 5 * 0.0005,
                }
            )
        last = running.tell({"call": call("action_sync_profile", ann, *said())})
        assert last["threads"] == first["threads"]
        assert open_files(running.process) == files


@pytest.mark.parametrize("way", ["direct"])
def test_the_process_ends_at_once(tmp_path: Path, way: str) -> None:
    with going(way, tmp_path) as running:
        running.call(call("action_store_profile", someone(), *said()))
        leaving = time.monotonic()
    assert time.monotonic() - leaving < 10
