"""Request bodies of about 12 kB: five turns of a conversation, as Rasa Pro 3.21 sends them.

A body is a list of pieces of JSON: between them go the user, and times that move with every call,
for a slot said once more is a new write.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

PAYLOAD = Path(__file__).parents[1] / "tests" / "payloads" / "calm-rasa-pro-3.21.json"
TURNS = 5
TARGET_BYTES = 12_000
FETCHED_SLOTS = 20
STORED_SLOTS = 5
USER = "@user@"
TIME = 0.123456789
"""Stands in a body for the time of the call."""


def domain() -> dict[str, Any]:
    """Return a domain with twenty shared slots."""
    slots: dict[str, Any] = {
        f"kept_{number}": {"type": "text", "shared_for_coexistence": True}
        for number in range(FETCHED_SLOTS)
    }
    slots["route_session_to_calm"] = {"type": "bool", "influence_conversation": False}
    return {"version": "3.1", "slots": slots}


def body(action: str, *, said: int, with_domain: bool = False) -> dict[str, Any]:
    """Return the call of an action; `said` shared slots have been set in the last turn."""
    call: dict[str, Any] = json.loads(PAYLOAD.read_text())
    tracker = call["tracker"]
    metadata = tracker["events"][0]["metadata"]
    turn = [
        event
        for event in tracker["events"]
        if event["event"] in {"user", "action"} and event.get("name") != "action_session_start"
    ]
    noise = [event for event in tracker["events"] if event.get("name") in {"cart", "scratch"}]
    events = [*tracker["events"][:3]]
    for number in range(TURNS):
        events.extend({**event, "timestamp": time.time() - 60 + number} for event in turn + noise)
    slot_events = [
        {"event": "slot", "timestamp": TIME, "metadata": metadata, "name": f"kept_{number}",
         "value": f"value {number}", "filled_by": "llm"}
        for number in range(said)
    ]  # fmt: skip
    bot = {"event": "bot", "timestamp": time.time(), "metadata": metadata, "data": {}, "text": ""}
    tracker.update(
        events=[*events, bot, *slot_events],
        sender_id=USER,
        user_id=USER,
        slots=dict.fromkeys(domain()["slots"]),
    )
    call.update(
        next_action=action, sender_id=USER, domain=domain(), domain_digest="benchmark-domain"
    )
    if not with_domain:
        del call["domain"]
    short = TARGET_BYTES - len(json.dumps(call))
    if not with_domain and short > 0:
        bot["text"] = "." * short
    return call


def user(number: int) -> str:
    """Return a user's id: all are of one length, so that they can be put into finished bytes."""
    return f"user-{number:05d}"


def filled(call: dict[str, Any], number: int, now: float) -> str:
    """Return a body's JSON for one user, at one time."""
    return json.dumps(call).replace(USER, user(number)).replace(str(TIME), repr(now))


def pieces(call: dict[str, Any]) -> list[str]:
    """Return a body's JSON cut where the user (`@user@`) and the time of a call (`@time@`) go."""
    text = json.dumps(call).replace(str(TIME), "@time@")
    found: list[str] = []
    for part in text.split(USER):
        if found:
            found.append(USER)
        for number, piece in enumerate(part.split("@time@")):
            if number:
                found.append("@time@")
            found.append(piece)
    return found
