"""Bodies of calls, as every way can carry them."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

from tests.coexistence.events import START, slot, user

DOMAIN: dict[str, Any] = {
    "slots": {
        "customer_name": {"type": "text", "shared_for_coexistence": True},
        "prefs": {"type": "any", "shared_for_coexistence": True},
        "limit": {"type": "float", "shared_for_coexistence": True},
        "tier": {"type": "strict_categorical", "values": [1, 2], "shared_for_coexistence": True},
        "heard": {"type": "any"},
        "profile_status": {"type": "text"},
        "route_session_to_calm": {"type": "bool", "influence_conversation": False},
    },
    "session_config": {"session_expiration_time": 60, "carry_over_slots_to_new_session": True},
}
VALUES = {"customer_name": "Ann", "prefs": {"a": [1, 2.5, None, True], "b": "ü"},
          "limit": 100, "tier": 2}  # fmt: skip


def someone() -> str:
    """Return a user id that nobody else has."""
    return f"user-{uuid.uuid4().hex}"


def call(
    action: str,
    user_id: str,
    *events: dict[str, Any],
    sender_id: str = "",
    slots: dict[str, Any] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """A call in a conversation of a user, in which some events came before."""
    clock = itertools.count(START)
    said = user(metadata={"user_id": user_id})
    return {
        "next_action": action,
        "sender_id": sender_id or f"conversation of {user_id}",
        "version": "3.21.0",
        "domain": DOMAIN,
        "tracker": {
            "sender_id": sender_id or f"conversation of {user_id}",
            "user_id": user_id,
            "slots": {**dict.fromkeys(DOMAIN["slots"]), **(slots or {})},
            "latest_message": {"text": "hello", "intent": {"name": "greet"}, "entities": [],
                               "metadata": metadata},
            "events": [{"timestamp": next(clock), **event} for event in (said, *events)],
            "paused": False,
            "latest_action_name": "action_listen",
        },
    }  # fmt: skip


def said(values: dict[str, Any] = VALUES) -> list[dict[str, Any]]:
    return [slot(name, value) for name, value in values.items()]
