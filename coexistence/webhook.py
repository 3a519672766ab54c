"""Request bodies: decoded within limits and checked, before an action sees any of them."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

import msgspec

from coexistence.errors import CoexistenceError
from coexistence.events import JSONEvents, UndecodedEvents

MAX_DEPTH = 200
"""How deep lists and objects of a body may nest; Rasa's own stay below 20."""

MAX_ACTION_NAME = 255

_MOST_PASSES = 10
"""How often as many bytes as a body has may be looked at to find how deep it nests."""

_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b'{}[]"')
_STRING = re.compile(rb'"[^"]*"')
_decoder = msgspec.json.Decoder()
_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_TRACKER_TYPES: dict[str, tuple[type, ...]] = {
    "slots": (dict,),
    "latest_message": (dict, type(None)),
    "events": (list, UndecodedEvents),
    "paused": (bool, type(None)),
    "followup_action": (str, type(None)),
    "active_loop": (dict, type(None)),
    "active_form": (dict, type(None)),
    "latest_action_name": (str, type(None)),
    "stack": (list, type(None)),
    "user_id": (str, type(None)),
}
_CALL_TYPES: dict[str, tuple[type, ...]] = {
    "sender_id": (str, type(None)),
    "version": (str, type(None)),
    "domain": (dict, type(None)),
    "domain_digest": (str, type(None)),
}
_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    UndecodedEvents: "a list",
    str: "text",
    bool: "true or false",
    type(None): "null",
}


class BadRequest(CoexistenceError):
    """A body is not an action call; the message says why and repeats nothing of it."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


def read_call(body: bytes, encoding: str | None, max_bytes: int) -> dict[str, Any]:
    """Return an action call as Rasa sends it, inflated when it came deflated.

    Raises:
        BadRequest: when it is too large, too deep, not JSON, or not of the shape that the SDK
            (rasa-sdk 3.11 to 3.21) reads: without it a wrong type would be a 500 there.
    """
    if encoding == "deflate":
        body = _inflate(body, max_bytes)
    if len(body) > max_bytes:
        raise BadRequest(
            f"The body is larger than {max_bytes} bytes (profile_store.max_body_bytes).", 413
        )
    if _deeper_than(body, MAX_DEPTH):
        raise BadRequest(f"The body is nested deeper than {MAX_DEPTH}.")
    return _checked(_decode(body))


def _inflate(body: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(body, max_bytes + 1)
    except zlib.error:
        raise BadRequest("The body is not deflated, though Content-Encoding says so.") from None
    if not inflater.eof and len(inflated) <= max_bytes:
        raise BadRequest("The deflated body ends too early.")
    return inflated


def _deeper_than(body: bytes, limit: int) -> bool:
    """Return whether brackets nest deeper than a limit, without decoding anything."""
    if len(body) <= limit:
        return False
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Taking out two neighbouring quotes leaves every bracket inside or outside of its string.
    brackets = body.translate(None, _NOT_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _STRING.sub(b"", brackets)
    budget = max(_MOST_PASSES * len(body), 2 * limit * limit)
    for _ in range(limit):
        budget -= len(brackets)
        if budget < 0:
            return True  # thousands of deep nests side by side: made to keep us busy
        inner = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(inner) == len(brackets):
            # nothing closes any more: not JSON, or nothing is left; the decoder will tell
            return len(inner) > limit
        brackets = inner
    return bool(brackets)


def _decode(body: bytes) -> Any:
    """Return what a body says, its tracker's events undecoded where they can be."""
    try:
        if not body.isascii():
            body.decode()  # what is skipped is not looked at so closely
        call: Any = _decoded(_split(body))
        tracker = _split(call["tracker"])
        events = tracker.pop("events")
        call["tracker"] = _decoded(tracker)
        call["tracker"]["events"] = JSONEvents(events)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, KeyError, TypeError):
        # Python's JSON, which Rasa writes, spells NaN and half surrogate pairs; what a bare SDK
        # would take, a conversation must not break on.
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise BadRequest("The body is not JSON.", 400) from None
    return call


def _decoded(parts: dict[str, msgspec.Raw]) -> dict[str, Any]:
    return {
        name: part if name == "tracker" else _decoder.decode(part) for name, part in parts.items()
    }


def _checked(call: Any) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise BadRequest("The body is not a JSON object.")
    action = call.get("next_action")
    if not isinstance(action, str) or not action:
        raise BadRequest("next_action must be the name of an action.")
    problem = name_problem(action)
    if problem is not None:
        raise BadRequest(problem)
    _check_types(call, _CALL_TYPES, "")
    tracker = call.get("tracker")
    if not isinstance(tracker, dict):
        raise BadRequest("tracker must be an object.")
    if not isinstance(tracker.get("sender_id"), str):
        raise BadRequest("tracker.sender_id must be text.")
    _check_types(tracker, _TRACKER_TYPES, "tracker.")
    _check_events(tracker.get("events") or ())
    for frame in tracker.get("stack") or ():
        if type(frame) is not dict:
            raise BadRequest("tracker.stack must be objects.")
    _check_message(tracker.get("latest_message") or {})
    return call


def name_problem(action: str) -> str | None:
    """Return why a text is no action's name, without it: it goes into logs and answers."""
    if len(action) > MAX_ACTION_NAME:
        return f"next_action has more than {MAX_ACTION_NAME} characters."
    if not action.isprintable():
        return "next_action has characters that cannot be printed."
    return None


def _check_events(events: Any) -> None:
    if isinstance(events, UndecodedEvents):
        return  # they were checked when they were scanned
    for event in events:
        if type(event) is not dict or type(event.get("event")) is not str:
            raise BadRequest("tracker.events must be objects, each with the name of its event.")


def _check_message(message: dict[str, Any]) -> None:
    entities = message.get("entities")
    if entities is not None and not isinstance(entities, list):
        raise BadRequest("tracker.latest_message.entities must be a list or null.")


def _check_types(found: dict[str, Any], expected: dict[str, tuple[type, ...]], where: str) -> None:
    for name, types in expected.items():
        if name in found and not isinstance(found[name], types):
            wanted = " or ".join(dict.fromkeys(_JSON_NAMES[kind] for kind in types))
            raise BadRequest(f"{where}{name} must be {wanted}.")
