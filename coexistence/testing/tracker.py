"""A conversation's events, and what they make of its state, as Rasa Pro 3.21 applies them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from coexistence.testing.errors import ImpossibleTurn

Event = dict[str, Any]

SESSION_METADATA = "session_started_metadata"
"""Rasa's slot for the metadata of a session's first message, set before the session starts."""

REQUESTED_SLOT = "requested_slot"
LISTEN = "action_listen"
SESSION_START = "action_session_start"


class ConversationTracker:
    """What Rasa keeps of one conversation, and sends to the action server.

    Applying an event changes the slots as it does in Rasa; a routing reset and the start of a
    session leave no slot events behind. A value for a slot that the domain lacks changes nothing.
    """

    slots: dict[str, Any]
    stack: list[dict[str, Any]]
    active_loop: dict[str, Any]
    latest_message: dict[str, Any]
    latest_action: str | None
    followup_action: str | None
    paused: bool

    def __init__(self, sender_id: str, domain: Mapping[str, Any]) -> None:
        self.sender_id = sender_id
        self.events: list[Event] = []
        self.user_id: str | None = None
        own: dict[str, Mapping[str, Any]] = {SESSION_METADATA: {"type": "any"}}
        if domain.get("forms"):
            own[REQUESTED_SLOT] = {"type": "text"}
        self._declared: dict[str, Mapping[str, Any]] = {
            **{name: spec or {} for name, spec in (domain.get("slots") or {}).items()},
            **own,
        }
        self.slots = {}
        self._begin()

    def apply(self, event: Mapping[str, Any], at: float) -> None:
        """Add an event, at a time in seconds that replaces its own, and do what it says."""
        stamped = {**event, "timestamp": at}
        self.events.append(stamped)
        if event["event"] in {"rewind", "undo"}:
            self._replay()
        else:
            self._do(stamped)

    def keep_newest_session(self) -> None:
        """Drop the events of earlier sessions, as Rasa's tracker stores do between messages."""
        starts = [i for i, event in enumerate(self.events) if event["event"] == "session_started"]
        if starts:
            # the action that started the session goes before
            self.events = self.events[max(0, starts[-1] - 1) :]

    def applied_events(self) -> list[Event]:
        """Return the events since the last session start or restart, less those undone."""
        applied: list[Event] = []

        def back_to(kind: str) -> None:
            while applied and applied.pop()["event"] != kind:
                pass

        for event in self.events:
            kind = event["event"]
            if kind in {"session_started", "restart"}:
                applied.clear()
            elif kind == "undo":
                back_to("action")
            elif kind == "rewind":
                back_to("user")
                back_to("action")
            else:
                applied.append(event)
        return applied

    def as_sent(self) -> dict[str, Any]:
        """Return the tracker as it stands in the body of an action call."""
        return {
            "sender_id": self.sender_id,
            "user_id": self.user_id,
            "slots": dict(self.slots),
            "latest_message": self.latest_message,
            "latest_event_time": self.events[-1]["timestamp"] if self.events else None,
            "followup_action": self.followup_action,
            "paused": self.paused,
            "stack": list(self.stack),
            "events": list(self.events),
            "active_loop": self.active_loop,
            "latest_action_name": self.latest_action,
        }

    def initial_value(self, slot: str) -> Any:
        """Return the value with which a slot of the domain starts."""
        return self._declared[slot].get("initial_value")

    def _do(self, event: Event) -> None:
        kind = event["event"]
        if kind == "slot":
            if event["name"] in self.slots:
                self.slots[event["name"]] = event["value"]
        elif kind == "user":
            self._hear(event)
        elif kind == "action":
            self.latest_action = event.get("name")
            self.followup_action = None
        elif kind == "followup":
            self.followup_action = event.get("name")
        elif kind in {"active_loop", "form"}:
            self.active_loop = {"name": event["name"]} if event.get("name") else {}
        elif kind == "stack":
            self.stack = _patched(event.get("update"))
        elif kind == "routing_session_ended":
            self._end_routing_session()
        elif kind == "reset_slots":
            self._reset(self._declared)
        elif kind == "session_started":
            self._begin()
        elif kind == "restart":
            self._begin()
            self.followup_action = SESSION_START
        elif kind in {"pause", "resume"}:
            self.paused = kind == "pause"

    def _hear(self, event: Mapping[str, Any]) -> None:
        self.latest_message = dict(event.get("parse_data") or {})
        self.followup_action = None
        named = (event.get("metadata") or {}).get("user_id")
        if self.user_id is None and named is not None:
            self.user_id = named

    def _begin(self) -> None:
        self._reset(self._declared)
        self.paused = False
        self._end_skill()

    def _end_routing_session(self) -> None:
        self._reset(
            name
            for name, declared in self._declared.items()
            if declared.get("shared_for_coexistence") is not True
        )
        self._end_skill()

    def _end_skill(self) -> None:
        self.stack = []
        self.active_loop = {}
        self.latest_message = {}
        self.latest_action = None
        self.followup_action = LISTEN

    def _replay(self) -> None:
        self._begin()
        for event in self.applied_events():
            self._do(event)

    def _reset(self, names: Iterable[str]) -> None:
        for name in names:
            self.slots[name] = self.initial_value(name)


def stack_event(*frames: Mapping[str, Any]) -> Event:
    """Return the event that makes these frames the whole dialogue stack, the top one last."""
    patch = [{"op": "replace", "path": "", "value": [dict(frame) for frame in frames]}]
    return {"event": "stack", "update": json.dumps(patch)}


def _patched(update: str | None) -> list[dict[str, Any]]:
    """Return the stack that a JSON patch makes; those of the kit replace the whole."""
    try:
        patch = json.loads(update or "")
    except ValueError:
        patch = None
    match patch:
        case [{"op": "replace", "path": "", "value": list(frames)}]:
            return frames
    raise ImpossibleTurn(
        "This stack event does not replace the whole dialogue stack. A change of a part is Rasa's "
        "own business; make the event with coexistence.testing.tracker.stack_event()."
    )
