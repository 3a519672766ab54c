"""Bodies to begin fuzzing with: what Rasa sends, for each action, small enough to be varied."""

from __future__ import annotations

import json
import random
from typing import Any

from google.protobuf.json_format import ParseDict
from rasa_sdk.grpc_py import action_webhook_pb2 as messages

from tests.faults.conversations import USERS

ACTIONS = sorted(
    {f"action_{verb}_profile" for verb in ("fetch", "store", "sync", "forget")}
    | {"action_reset_routing", "action_session_start", "action_transfer_money",
       "action_check_balance", "action_add_contact", "action_list_contacts"}
)  # fmt: skip
SLOTS = {
    "name": "text", "amount": "float", "recipient": "text", "contacts": "list", "settings": "any",
    "wants_news": "bool",
}  # fmt: skip
ROUTING = "route_session_to_calm"
DOMAIN: dict[str, Any] = {
    "slots": {
        "profile_status": {"type": "text"},
        "profile_forget": {"type": "any"},
        ROUTING: {"type": "bool", "influence_conversation": False},
        **{name: {"type": kind, "shared_for_coexistence": True} for name, kind in SLOTS.items()},
    }
}
EVENTS: list[dict[str, Any]] = [
    {"event": "action", "name": "action_session_start", "timestamp": 1.7e9},
    {"event": "session_started", "timestamp": 1.7e9},
    {"event": "action", "name": "action_listen", "timestamp": 1.7e9},
    {"event": "user", "text": "I am Ann", "timestamp": 1.7e9 + 1, "metadata": {"user_id": "ann"},
     "parse_data": {"intent": {"name": "inform", "confidence": 1.0}, "entities": []}},
    {"event": "slot", "name": ROUTING, "value": True, "timestamp": 1.7e9 + 1},
    {"event": "slot", "name": "name", "value": "Ann", "timestamp": 1.7e9 + 2, "metadata": {}},
    {"event": "slot", "name": "amount", "value": 5.5, "timestamp": 1.7e9 + 3},
    {"event": "slot", "name": "contacts", "value": [{"name": "Bob"}], "timestamp": 1.7e9 + 4},
    {"event": "slot", "name": "amount", "value": None, "timestamp": 1.7e9 + 5,
     "metadata": {"reset": True}},
    {"event": "routing_session_ended", "timestamp": 1.7e9 + 6},
    {"event": "restart", "timestamp": 1.7e9 + 7}, {"event": "undo", "timestamp": 1.7e9 + 7},
    {"event": "rewind", "timestamp": 1.7e9 + 8}, {"event": "reset_slots", "timestamp": 1.7e9 + 8},
]  # fmt: skip
MESSAGE = {
    "text": "I am Ann", "intent": {"name": "inform", "confidence": 0.9},
    "entities": [{"entity": "name", "value": "Ann"}], "metadata": {"user_id": "ann"},
}  # fmt: skip


def body(action: str, user: int = 0) -> dict[str, Any]:
    """Return a call as Rasa makes it, of one of a few users."""
    return {
        "next_action": action, "sender_id": f"conversation {user}", "version": "3.21.0",
        "domain": DOMAIN, "domain_digest": None,
        "tracker": {
            "sender_id": f"conversation {user}", "user_id": f"user {user % USERS}",
            "slots": {ROUTING: None, **dict.fromkeys(SLOTS), "recipient": "Bob", "amount": 5},
            "latest_message": MESSAGE, "events": EVENTS, "paused": False, "stack": [],
            "active_loop": {}, "latest_action_name": "action_listen", "followup_action": None,
        },
    }  # fmt: skip


def as_json(action: str) -> bytes:
    return json.dumps(body(action)).encode()


def as_message(action: str) -> bytes:
    request = ParseDict(body(action), messages.WebhookRequest(), ignore_unknown_fields=True)
    encoded: bytes = request.SerializeToString()
    return encoded


WORDS = sorted(
    {f'"{key}"' for call in (body(""), body("")["tracker"], *EVENTS) for key in call}
    | {f'"{name}"' for name in DOMAIN["slots"]}
    | {f'"{event["event"]}"' for event in EVENTS}
    | {
        "null",
        "true",
        "NaN",
        "Infinity",
        "-1e999",
        "1e400",
        '"\\ud800"',
        '"\\u0000"',
        "{",
        "[",
        "0",
    }
)
"""What a fuzzer puts in and takes out whole."""

ODD: list[Any] = [
    None, True, 0, -1, 1.5, 1e308, float("nan"), 2**64, "", "Ann", "\x00", "\ud800", "\U0001f600",
    [], {}, [None], [[]], {"": None}, [{}], "x" * 300,
]  # fmt: skip
"""Values to put where others are expected."""


def vary(call: Any, dice: random.Random) -> Any:
    """Return a call in which one part, anywhere, is another, is gone, or is there twice."""
    if isinstance(call, dict) and call and dice.random() < 0.9:
        name = dice.choice(list(call))
        part = vary(call[name], dice)
        varied = {**call, name: part}
        if dice.random() < 0.05:
            del varied[name]
        return varied
    if isinstance(call, list) and call and dice.random() < 0.8:
        at = dice.randrange(len(call))
        part = vary(call[at], dice)
        return [*call[:at], *([part] * dice.choice((0, 1, 1, 1, 2))), *call[at + 1 :]]
    return dice.choice([*ODD, *EVENTS, *SLOTS, *SLOTS.values()])
