"""A conversation's events, and what they make of its slots, as Rasa Pro 3.21 applies them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Event = dict[str, Any]

SESSION_METADATA = "session_started_metadata"
"""Rasa's slot for the metadata of a session's first message, set before the session starts."""


class ConversationTracker:
    """What Rasa keeps of one conversation, and sends to the action server.

    Applying an event changes the slots as it does in Rasa; a routing reset and the start of a
    session leave no slot events behind.
    """

    def __init__(self, sender_id: str, domain: Mapping[str, Any]) -> None:
        self.sender_id = sender_id
        self.events: list[Event] = []
        self.user_id: str | None = None
        self.stack: list[dict[str, Any]] = []
        self.followup_action: str | None = None
        self._declared: dict[str, Mapping[str, Any]] = {
            **domain["slots"],
            SESSION_METADATA: {"type": "any"},
        }
        self.slots: dict[str, Any] = {name: self._initial(name) for name in self._declared}
        self._latest_message: dict[str, Any] = {}
        self._latest_action: str | None = None
        self._active_loop: dict[str, Any] = {}

    def apply(self, event: Mapping[str, Any], at: float) -> None:
        """Add an event, at a time in seconds that replaces its own, and do what it says."""
        stamped = {**event, "timestamp": at}
        self.events.append(stamped)
        kind = event["event"]
        if kind == "slot":
            self.slots[event["name"]] = event["value"]
        elif kind == "user":
            self._hear(event)
        elif kind == "action":
            self._latest_action = event["name"]
            self.followup_action = None
        elif kind == "active_loop":
            self._active_loop = {"name": event["name"]} if event["name"] else {}
        elif kind == "stack":
            # a JSON patch; those of the demo replace the whole
            self.stack = json.loads(event["update"])[0]["value"]
        elif kind == "routing_session_ended":
            self._end_routing_session()
        elif kind == "reset_slots":
            self._reset(self._declared)
        elif kind == "session_started":
            self._reset(self._declared)
            self._end_skill()

    def keep_newest_session(self) -> None:
        """Drop the events of earlier sessions, as Rasa's tracker stores do between messages."""
        starts = [i for i, event in enumerate(self.events) if event["event"] == "session_started"]
        if starts:
            # the action that started the session goes before
            self.events = self.events[max(0, starts[-1] - 1) :]

    def as_sent(self) -> dict[str, Any]:
        """Return the tracker as it stands in the body of an action call."""
        return {
            "sender_id": self.sender_id,
            "user_id": self.user_id,
            "slots": dict(self.slots),
            "latest_message": self._latest_message,
            "latest_event_time": self.events[-1]["timestamp"] if self.events else None,
            "followup_action": self.followup_action,
            "paused": False,
            "stack": list(self.stack),
            "events": list(self.events),
            "active_loop": self._active_loop,
            "latest_action_name": self._latest_action,
        }

    def _hear(self, event: Mapping[str, Any]) -> None:
        self._latest_message = dict(event.get("parse_data") or {})
        self.followup_action = None
        named = (event.get("metadata") or {}).get("user_id")
        if self.user_id is None and named is not None:
            self.user_id = named

    def _end_routing_session(self) -> None:
        self._reset(
            name
            for name, declared in self._declared.items()
            if declared.get("shared_for_coexistence") is not True
        )
        self._end_skill()
        self.followup_action = "action_listen"

    def _end_skill(self) -> None:
        self.stack = []
        self._active_loop = {}
        self._latest_message = {}
        self._latest_action = None
        self.followup_action = None

    def _reset(self, names: Iterable[str]) -> None:
        for name in names:
            self.slots[name] = self._initial(name)

    def _initial(self, name: str) -> Any:
        return self._declared[name].get("initial_value")
