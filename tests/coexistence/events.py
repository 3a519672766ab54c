"""Events and trackers as Rasa sends them, for tests to spell conversations with."""

from __future__ import annotations

import itertools
from typing import Any

from rasa_sdk import Tracker

START = 1_795_396_000.0
"""A time in seconds on Rasa's clock, before now: events of tests tick on from here."""

Event = dict[str, Any]


def user(text: str = "hello", *, metadata: dict[str, Any] | None = None, **more: Any) -> Event:
    return {"event": "user", "text": text, "metadata": metadata or {}, "parse_data": {}, **more}


def action(name: str) -> Event:
    return {"event": "action", "name": name, "policy": None, "confidence": None}


def listen() -> Event:
    return action("action_listen")


def slot(name: str, value: Any, **metadata: Any) -> Event:
    return {"event": "slot", "name": name, "value": value, "metadata": metadata or None}


def flow_end_reset(name: str, initial_value: Any = None) -> Event:
    """What Rasa Pro 3.21 emits for a slot that a flow collected, when the flow ends."""
    return slot(name, initial_value, reset=True)


def hydration(name: str, value: Any) -> Event:
    return slot(name, value, profile_store={"hydrated": True})


def routed(calm: bool | None) -> Event:
    return slot("route_session_to_calm", calm)


def routing_reset() -> list[Event]:
    return [action("action_reset_routing"), {"event": "routing_session_ended"}, routed(None)]


def session_start(*carried: Event) -> list[Event]:
    return [action("action_session_start"), {"event": "session_started"}, *carried, listen()]


def timed(*events: Event | list[Event]) -> list[Event]:
    """Return events a second apart, those with a timestamp of their own left alone."""
    flat: list[Event] = []
    for event in events:
        flat.extend(event if isinstance(event, list) else [event])
    clock = itertools.count(START)
    return [{"timestamp": next(clock), **event} for event in flat]


def tracker(
    *events: Event | list[Event],
    slots: dict[str, Any] | None = None,
    sender_id: str = "conversation",
    user_id: str | None = None,
    message: dict[str, Any] | None = None,
    stack: list[dict[str, Any]] | None = None,
    active_loop: dict[str, Any] | None = None,
) -> Tracker:
    made = Tracker(
        sender_id, dict(slots or {}), message or {}, timed(*events), False, None,
        active_loop or {}, None,
    )  # fmt: skip
    made.stack = stack or []
    made.user_id = user_id
    return made


DOMAIN: dict[str, Any] = {
    "version": "3.1",
    "slots": {
        "name": {"type": "text", "shared_for_coexistence": True},
        "tier": {
            "type": "categorical",
            "values": ["silver", "gold"],
            "shared_for_coexistence": True,
        },
        "prefs": {"type": "any", "shared_for_coexistence": True},
        "limit": {"type": "float", "shared_for_coexistence": True, "initial_value": 10},
        "scratch": {"type": "text", "initial_value": "init"},
        "recipient": {"type": "text"},
        "profile_status": {"type": "text"},
        "route_session_to_calm": {"type": "bool", "influence_conversation": False},
    },
    "session_config": {"session_expiration_time": 60, "carry_over_slots_to_new_session": True},
}


def empty_slots() -> dict[str, Any]:
    """Return the slots of a session that has just begun."""
    return {name: spec.get("initial_value") for name, spec in DOMAIN["slots"].items()}
