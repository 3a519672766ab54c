"""What Rasa checks of an action server's response, and what it silently drops of one.

The schema is the one by which Rasa validates a response (`action_response_format_spec`; read off
Rasa Open Source 3.6 and the newer events that its documentation lists). One violation loses all
events and messages of the action. No sentence repeats a value: it may be a user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from coexistence.shared_slots import DomainSlots

Version = tuple[int, int]

FIRST_WITH_COEXISTENCE: Version = (3, 8)
_FIRST_WITH_CALM: Version = (3, 7)

_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "a number": (int, float),
    "true or false": (bool,),
    "an object": (dict,),
    "a list": (list,),
    "null": (type(None),),
}
_TEXT = ("text",)
_MAYBE_TEXT = ("text", "null")
_ANY: tuple[str, ...] = ()

Fields = Mapping[str, tuple[str, ...]]

_OF_ALL: Fields = {"timestamp": ("a number", "null"), "metadata": ("an object", "null")}

_NO_FIELDS: Fields = {}
_NAMELESS = (
    "user_featurization", "cancel_reminder", "reminder", "action_execution_rejected",
    "form_validation", "loop_interrupted", "form", "active_loop", "reset_slots", "resume", "pause",
    "followup", "export", "restart", "undo", "rewind", "bot", "session_started", "agent",
)  # fmt: skip
_FIELDS: dict[str, Fields] = {
    **dict.fromkeys(_NAMELESS, _NO_FIELDS),
    "user": {
        "text": _MAYBE_TEXT,
        "input_channel": _MAYBE_TEXT,
        "message_id": _MAYBE_TEXT,
        "parse_data": ("an object",),
    },
    "action": {
        "name": _MAYBE_TEXT,
        "policy": _MAYBE_TEXT,
        "confidence": ("a number", "null"),
        "hide_rule_turn": ("true or false",),
        "action_text": _MAYBE_TEXT,
    },
    "slot": {"name": _TEXT, "value": _ANY},
    "entities": {"entities": ("a list",)},
    "routing_session_ended": _NO_FIELDS,
}
_NEEDED: dict[str, tuple[str, ...]] = {"slot": ("name", "value"), "entities": ("entities",)}
_STEP: Fields = {"flow_id": _TEXT, "step_id": _TEXT}
_AGENT: Fields = {"agent_id": _TEXT, "flow_id": _TEXT}
_OF_CALM: dict[str, Fields] = {
    "stack": {"update": _TEXT},
    "session_ended": _NO_FIELDS,
    "error": _NO_FIELDS,
    "flow_started": {"flow_id": _TEXT},
    "flow_interrupted": _STEP,
    "flow_resumed": _STEP,
    "flow_completed": _STEP,
    "flow_cancelled": _STEP,
    "agent_started": _AGENT,
    "agent_completed": _AGENT,
    "agent_interrupted": _AGENT,
    "agent_resumed": _AGENT,
    "agent_cancelled": _AGENT,
}
_FIELDS.update(_OF_CALM)


def version_of(rasa: str) -> Version:
    """Return the first two numbers of a version of Rasa, such as `3.21.0`."""
    numbers = re.match(r"(\d+)\.(\d+)", rasa)
    if numbers is None:
        raise ValueError(f"{rasa!r} is no version of Rasa; write it as 3.21.0.")
    return int(numbers[1]), int(numbers[2])


def violations(body: Any, rasa: Version) -> list[str]:
    """Return why Rasa refuses a response, one sentence each; nothing when it takes it."""
    if not isinstance(body, dict):
        return [f"The response must be an object, not {_kind(body)}."]
    found: list[str] = []
    events, responses = body.get("events", []), body.get("responses", [])
    if not isinstance(events, list):
        found.append(f"`events` must be a list, not {_kind(events)}.")
    else:
        for number, event in enumerate(events):
            found.extend(f"events[{number}] {why}" for why in _of_event(event, rasa))
    if not isinstance(responses, list):
        found.append(f"`responses` must be a list, not {_kind(responses)}.")
    else:
        found.extend(
            f"responses[{number}] must be an object, not {_kind(message)}."
            for number, message in enumerate(responses)
            if not isinstance(message, dict)
        )
    return found


def _of_event(event: Any, rasa: Version) -> Iterator[str]:
    if not isinstance(event, dict):
        yield f"must be an object, not {_kind(event)}."
        return
    if "event" not in event:
        yield "lacks `event`, the name of its type."
        return
    kind = event["event"]
    if not isinstance(kind, str):
        yield f"must name its type in `event`, which is {_kind(kind)}."
        return
    fields = _FIELDS.get(kind)
    if fields is None:
        yield f"is of type {kind!r}, which Rasa does not know."
        return
    if kind == "routing_session_ended" and rasa < FIRST_WITH_COEXISTENCE:
        yield (
            f"is `routing_session_ended`, which Rasa {_dotted(rasa)} does not know: coexistence "
            f"came with {_dotted(FIRST_WITH_COEXISTENCE)}."
        )
        return
    if kind in _OF_CALM and rasa < _FIRST_WITH_CALM:
        yield f"is of type {kind!r}, which came with CALM: Rasa {_dotted(rasa)} does not know it."
        return
    for name in _NEEDED.get(kind, ()):
        if name not in event:
            yield f"is of type {kind!r} and lacks `{name}`."
    for name, allowed in {**_OF_ALL, **fields}.items():
        if name in event and allowed and _kind(event[name]) not in allowed:
            wanted = " or ".join(allowed)
            yield f"is of type {kind!r}, whose `{name}` must be {wanted}, not {_kind(event[name])}."


def ignored(
    events: Iterable[Mapping[str, Any]], slots: DomainSlots, known: Iterable[str]
) -> list[str]:
    """Return what of accepted events Rasa ignores or breaks on later, one sentence each.

    `known` are all slots of the tracker, Rasa's own among them.
    """
    names = set(known)
    found = []
    for event in events:
        if event["event"] != "slot":
            continue
        name = event["name"]
        if name not in names:
            found.append(
                f"Slot {name} is not in the domain: Rasa ignores the event. "
                "Declare it under `slots`, or correct its name."
            )
        elif (
            (spec := slots.get(name)) is not None
            and spec.kind == "strict_categorical"
            and spec.refusal(event["value"]) is not None
        ):
            found.append(
                f"Slot {name} is strict_categorical, and the value is not among those that the "
                "domain lists: Rasa can fail to load the conversation from then on."
            )
    return found


def _kind(value: Any) -> str:
    # true is an int to Python, and none to JSON
    if isinstance(value, bool):
        return "true or false"
    return next((name for name, types in _TYPES.items() if isinstance(value, types)), "something")


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
