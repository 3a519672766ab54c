"""Two action servers on one database, and one user in 32 conversations at once."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from profile_store import migrate, values
from profile_store.settings import StoreSettings
from tests.conftest import Database
from tests.server.action_server import ActionServer

CONVERSATIONS = 32
WRITES = 1_000
SLOTS = [f"slot_{number}" for number in range(5)]
DOMAIN = {
    "slots": {
        "profile_status": {"type": "text"},
        **{slot: {"type": "any", "shared_for_coexistence": True} for slot in SLOTS},
    }
}
USER = "one user, everywhere"


def call(action: str, conversation: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    tracker = {
        "sender_id": conversation, "user_id": USER, "events": events,
        "slots": dict.fromkeys(DOMAIN["slots"]),
    }  # fmt: skip
    return {"next_action": action, "tracker": tracker, "domain": DOMAIN, "version": "3.21.0"}


@pytest.mark.timeout(300)
async def test_the_profile_is_the_merge_of_all_that_was_acknowledged(
    empty_database: Database, tmp_path: Path
) -> None:
    migrate.upgrade(StoreSettings(url=empty_database.url))
    env = {"PROFILE_STORE_URL": empty_database.url, "PROFILE_STORE_TIMEOUT": "30"}
    dice = random.Random(1)
    began = time.time() - 600
    # times from a small range: many writes of a slot are at one time
    writes = [
        (dice.choice(SLOTS), dice.randrange(10_000), began + dice.randrange(200))
        for _ in range(WRITES)
    ]
    waiting = iter(writes)
    acknowledged: list[tuple[str, int, float]] = []
    with ActionServer(tmp_path, env=env) as one, ActionServer(tmp_path, env=env) as other:
        async with httpx.AsyncClient(timeout=60) as client:

            async def talk(number: int) -> None:
                url = f"{(one, other)[number % 2].url}/webhook"
                for slot, value, at in waiting:
                    said = {"event": "slot", "name": slot, "value": value, "timestamp": at}
                    answer = await client.post(
                        url, json=call("action_store_profile", f"conversation {number}", [said])
                    )
                    status = {event["value"] for event in answer.json()["events"]}
                    if status == {"stored"}:
                        acknowledged.append((slot, value, at))

            await asyncio.gather(*(talk(number) for number in range(CONVERSATIONS)))
            expected: dict[str, tuple[float, bytes]] = {}
            for slot, value, at in acknowledged:
                expected[slot] = max(expected.get(slot, (0.0, b"")), (at, values.encode(value)))
            for server in (one, other):
                answer = await client.post(
                    f"{server.url}/webhook", json=call("action_fetch_profile", "another", [])
                )
                found = {event["name"]: event["value"] for event in answer.json()["events"]}
                found.pop("profile_status")
                assert found == {s: values.decode(won) for s, (_, won) in expected.items()}
    assert len(acknowledged) == WRITES, "none had to be refused"
