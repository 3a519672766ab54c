"""Rasa's part in the demo: keeps trackers, runs actions, and notes what becomes of the slots."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

from coexistence.demo.domain import SESSION_START, SHOWN, Flow
from coexistence.demo.server import ActionServer, Answer
from coexistence.system import RESET_ACTION, ROUTING_SLOT, System
from coexistence.tags import is_hydration
from coexistence.testing import defaults
from coexistence.testing.tracker import (
    LISTEN,
    SESSION_METADATA,
    ConversationTracker,
    Event,
    stack_event,
)

USER = "ann"

_STEP_SECONDS = 0.01
"""How far the assistant's clock goes from one event to the next."""


class Fate(enum.Enum):
    """What became of a slot's value."""

    TOLD = "told"
    TOLD_AGAIN = "told again"
    DROPPED = "dropped with its flow"
    LOST = "lost"
    BACK = "back"


class Change(NamedTuple):
    """One change of a slot, and the value that it had or, told or back, has now."""

    slot: str
    fate: Fate
    value: Any


class Line(NamedTuple):
    """Something that was said: by the user, or by the system that had the conversation."""

    speaker: str
    text: str


class Call(NamedTuple):
    """An action that was run: by the action server, or by Rasa itself (no answer)."""

    action: str
    answer: Answer | None


class Played(NamedTuple):
    """What happened in one scene; `before` are the shown slots at its start."""

    before: dict[str, Any]
    lines: list[Line]
    calls: list[Call]
    changes: list[Change]


class Assistant:
    """One assistant, with one domain, and one user who talks to it.

    `now` is its clock in seconds; events of the future would be taken for a wrong clock, so the
    story has to begin in the past.
    """

    def __init__(self, domain: Mapping[str, Any], server: ActionServer, now: float) -> None:
        self._domain = dict(domain)
        self._server = server
        self._now = now
        self._system = System.NONE
        self._lost: set[str] = set()
        self._tracker = ConversationTracker("", domain)
        self._scene = self._begin_scene()

    @property
    def slots(self) -> dict[str, Any]:
        """The shown slots as they are now."""
        return {name: self._tracker.slots[name] for name in SHOWN}

    def take(self) -> Played:
        """Return what happened since the last call."""
        played, self._scene = self._scene, self._begin_scene()
        return played

    def wait(self, minutes: float) -> None:
        """Let time go by."""
        self._now += minutes * 60

    def start_conversation(self, sender_id: str) -> None:
        """Begin another conversation of the same user: to Rasa, one with nobody it knows."""
        before = self.slots
        self._tracker = ConversationTracker(sender_id, self._domain)
        self._note_lost(before)
        self.start_session()

    def start_session(self) -> None:
        """Begin a session, as Rasa does before its first message."""
        self._apply({"event": "slot", "name": SESSION_METADATA, "value": {"user_id": USER}})
        self.run(SESSION_START)

    def hear(
        self,
        text: str,
        intent: str,
        slots: Mapping[str, str],
        system: System,
        *,
        sticky: bool = True,
    ) -> None:
        """Log a message of the user, route it, and fill slots from it.

        `system` is what the router picks; not sticky, the routing slot stays null.
        """
        self._tracker.keep_newest_session()
        self._scene.lines.append(Line("you", text))
        metadata = {"user_id": USER}
        parsed = {
            "text": text,
            "intent": {"name": intent, "confidence": 1.0},
            "entities": [{"entity": name, "value": value} for name, value in slots.items()],
            "metadata": metadata,
        }
        self._apply({"event": "user", "text": text, "parse_data": parsed, "metadata": metadata})
        self._system = system
        if sticky and self._tracker.slots[ROUTING_SLOT] is None:
            self._set(ROUTING_SLOT, system is System.CALM)
        for name, value in slots.items():
            self._set(name, value)

    def listen(self) -> None:
        """Wait for the user."""
        self._apply({"event": "action", "name": LISTEN})

    def reset_routing(self) -> None:
        """End the routing session, and with it the turn."""
        self.run(RESET_ACTION)
        self.listen()

    def run_flow(self, flow: Flow) -> bool:
        """Run a flow up to its action; return False when a slot is asked for first."""
        self._put_on_stack({"frame_type": "flow", "flow_id": flow.name, "step_id": "START"})
        for slot in flow.collects:
            if self._tracker.slots[slot] is None:
                self._say(f"utter_ask_{slot}")
                self.listen()
                return False
        self.run(flow.action)
        return True

    def end_flow(self, flow: Flow) -> None:
        """End a flow: drop what it collected, then the steps of `pattern_completed`."""
        for slot in flow.collects:
            if slot not in flow.persisted:
                self._set(slot, None, {"reset": True})
        self._put_on_stack({"frame_type": "pattern_completed", "flow_id": "pattern_completed"})
        self._say("utter_can_do_something_else")
        self.reset_routing()

    def run(self, action: str) -> None:
        """Run an action: over HTTP where the domain lists it, else Rasa's own."""
        if action in self._domain["actions"]:
            answer = self._server.call(action, self._tracker.as_sent(), self._domain)
            events, texts = answer.events, [said["text"] for said in answer.responses]
        else:
            # slots are not carried over: the demo's domain says so
            events = defaults.events_of(action, self._tracker, carries_over=False)
            answer, texts = None, []
        self._scene.calls.append(Call(action, answer))
        self._apply({"event": "action", "name": action})
        for text in texts:
            self._utter(text)
        for event in events:
            self._apply(event)

    def _say(self, response: str) -> None:
        self._apply({"event": "action", "name": response})
        self._utter(self._domain["responses"][response][0]["text"])

    def _utter(self, text: str) -> None:
        self._apply({"event": "bot", "text": text})
        self._scene.lines.append(Line(f"bot, {self._system.name}", text))

    def _put_on_stack(self, frame: dict[str, str]) -> None:
        self._apply(stack_event(frame))

    def _set(self, slot: str, value: Any, metadata: Mapping[str, Any] | None = None) -> None:
        self._apply({"event": "slot", "name": slot, "value": value, "metadata": metadata or {}})

    def _apply(self, event: Event) -> None:
        before = self.slots
        self._now += _STEP_SECONDS
        self._tracker.apply(event, self._now)
        if event["event"] != "slot":
            self._note_lost(before)
        elif event["name"] in before and event["value"] != before[event["name"]]:
            self._note_set(event, before[event["name"]])

    def _note_lost(self, before: Mapping[str, Any]) -> None:
        for slot, value in before.items():
            if value is not None and self._tracker.slots[slot] is None:
                self._lost.add(slot)
                self._scene.changes.append(Change(slot, Fate.LOST, value))

    def _note_set(self, event: Event, before: Any) -> None:
        slot, value = event["name"], event["value"]
        if value is None:
            self._scene.changes.append(Change(slot, Fate.DROPPED, before))
            return
        if is_hydration(event.get("metadata") or {}):
            fate = Fate.BACK
        else:
            fate = Fate.TOLD_AGAIN if slot in self._lost else Fate.TOLD
        self._lost.discard(slot)
        self._scene.changes.append(Change(slot, fate, value))

    def _begin_scene(self) -> Played:
        return Played(self.slots, [], [], [])
