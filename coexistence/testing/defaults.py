"""What Rasa's own default actions do, where a domain does not list them under `actions`."""

from __future__ import annotations

from coexistence.system import RESET_ACTION, ROUTING_SLOT
from coexistence.testing.tracker import (
    LISTEN,
    SESSION_METADATA,
    SESSION_START,
    ConversationTracker,
    Event,
)

RESTART = "action_restart"
DEFAULT_ACTIONS = frozenset({RESET_ACTION, SESSION_START, RESTART})


def events_of(action: str, tracker: ConversationTracker, *, carries_over: bool) -> list[Event]:
    """Return the events of one of `DEFAULT_ACTIONS`.

    A session start carries over by repeating every slot event of the session before, those too
    whose values a routing reset took away since.
    """
    if action == RESET_ACTION:
        return [
            {"event": "routing_session_ended"},
            {"event": "slot", "name": ROUTING_SLOT, "value": None},
        ]
    if action == RESTART:
        return [{"event": "restart"}]
    return [
        {"event": "session_started"},
        *_carried_over(tracker, carries_over),
        {"event": "action", "name": LISTEN},
    ]


def _carried_over(tracker: ConversationTracker, carries_over: bool) -> list[Event]:
    told = [
        {key: value for key, value in event.items() if key != "timestamp"}
        for event in tracker.applied_events()
        if event["event"] == "slot"
    ]
    if carries_over:
        return told
    return [event for event in told if event["name"] == SESSION_METADATA][-1:]
