"""Several workers, spawned and forked, and actions that change while the server runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.action_server import ActionServer
from tests.transports import ways
from tests.transports.calls import VALUES, call, said, someone
from tests.transports.ways import going

WORKERS = 4
OUR_CODE = re.compile(r'File ".*/(?:actions|coexistence|profile_store)/')


def running_in(group: int) -> list[str]:
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--sid", str(group)], capture_output=True, text=True, check=False
    )
    # one that has ended and was reaped by nobody is gone all the same
    return [line for line in listed.stdout.splitlines() if "<defunct>" not in line]


def ended(group: int) -> bool:
    """Return whether all processes end; one that was told to may take a moment."""
    deadline = time.monotonic() + 10
    while running_in(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("method", ["spawn", "fork"])
async def test_workers_share_the_profiles_and_all_surround_plain_actions(
    tmp_path: Path, method: str
) -> None:
    env = {"ACTION_SERVER_SANIC_WORKERS": str(WORKERS), "SANIC_STARTS_BY": method}
    users = [someone() for _ in range(10)]
    with ActionServer(tmp_path, path=ways.ASSISTANT, env=env) as running:
        group = running._process.pid
        async with httpx.AsyncClient(timeout=60) as client:

            async def slots(body: dict[str, Any]) -> dict[str, Any]:
                # a connection of its own, so that any worker may be the one that takes it
                async with httpx.AsyncClient(timeout=60) as client:
                    response = await client.post(f"{running.url}/webhook", json=body)
                assert response.status_code == 200, response.text
                return {event["name"]: event["value"] for event in response.json()["events"]}

            for user in users:
                await slots(call("action_writes", user, writes=VALUES))
            read = await asyncio.gather(
                *(
                    slots(call("action_reads", user, sender_id=f"c{number}"))
                    for number in range(20)
                    for user in users
                )
            )
            assert {told["heard"] for told in read} == {"Ann"}
            assert (await client.get(f"{running.url}/ready")).status_code == 200
        assert len(running.workers) >= WORKERS
        assert "Traceback" not in running.log
    assert ended(group), running_in(group)
    # Sanic's main process prints one of its own when the signal comes while it asks for states
    assert not OUR_CODE.search(running.log)
    with contextlib.closing(sqlite3.connect(tmp_path / "profiles.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


NEW = """
from rasa_sdk import Action
from rasa_sdk.events import SlotSet

class New(Action):
    def name(self): return "action_new"
    async def run(self, dispatcher, tracker, domain):
        return [SlotSet("heard", tracker.get_slot("customer_name"))]
"""


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_changed_and_new_actions_are_reloaded_and_surrounded(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = tmp_path / "assistant"
    shutil.copytree(ways.ASSISTANT, assistant)
    monkeypatch.setattr(ways, "ASSISTANT", assistant)
    file = assistant / "actions" / "__init__.py"
    ann = someone()
    with going(way, tmp_path, arguments=("--auto-reload",)) as rasa:
        assert rasa.call(call("action_store_profile", ann, *said())).outcome == "done"
        file.write_text(file.read_text().replace("Hello", "Goodbye") + NEW)
        later = file.stat().st_mtime + 10
        os.utime(file, (later, later))
        read = rasa.call(call("action_reads", ann, sender_id="elsewhere"))
        assert read.responses[0]["text"] == "Goodbye Ann!"
        assert [event["name"] for event in read.events].count("customer_name") == 1
        assert rasa.call(call("action_new", ann, sender_id="elsewhere")).slots["heard"] == "Ann"
        assert fetched_after_a_write(rasa) == {"limit": 5}


def fetched_after_a_write(rasa: Any) -> dict[str, Any]:
    bob = someone()
    rasa.call(call("action_writes", bob, writes={"limit": 5}))
    slots: dict[str, Any] = rasa.call(call("action_fetch_profile", bob, sender_id="x")).slots
    slots.pop("profile_status")
    return slots
