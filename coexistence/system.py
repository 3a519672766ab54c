"""The two systems, and where a conversation stands between them."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from rasa_sdk import Tracker

from coexistence import events

ROUTING_SLOT = "route_session_to_calm"
"""Rasa's slot for the router's decision: true CALM, false NLU, null no routing session."""

RESET_ACTION = "action_reset_routing"


class System(enum.Enum):
    """Which of the assistant's two systems has the conversation; NONE between routing sessions."""

    CALM = "calm"
    NLU = "nlu"
    NONE = "none"

    @classmethod
    def of_slot(cls, value: Any) -> System:
        """Return the system that a value of the routing slot stands for."""
        if value is True:
            return cls.CALM
        return cls.NLU if value is False else cls.NONE


class RoutingState(NamedTuple):
    """Where a conversation stands: the system that has it, and how many resets there were."""

    system: System
    resets: int

    @property
    def active(self) -> bool:
        """Whether a routing session is on; without one the router decides on the next message."""
        return self.system is not System.NONE


def routing_state(tracker: Tracker) -> RoutingState:
    """Return the routing state of a tracker.

    An action that runs on every turn is called before the router's decision is in the slots, so
    on the first turn of a routing session it sees NONE. Resets are counted in the events that the
    tracker carries; Rasa before 3.8 has no event for them, there the action's own is counted.
    """
    ended = actions = 0
    for event in events.of(tracker):
        if event.kind == "routing_session_ended":
            ended += 1
        elif event.kind == "action" and event.name == RESET_ACTION:
            actions += 1
    return RoutingState(System.of_slot(tracker.slots.get(ROUTING_SLOT)), ended or actions)
