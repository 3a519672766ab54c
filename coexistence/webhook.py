"""Request bodies: decoded within limits and checked, before an action sees any of them."""

from __future__ import annotations

import json
import zlib
from typing import Any

import msgspec

from coexistence.errors import BadRequest
from coexistence.known_calls import decode_known
from coexistence.nesting import check_depth

MAX_ACTION_NAME = 255

_TRACKER_TYPES: dict[str, tuple[type, ...]] = {
    "slots": (dict,),
    "latest_message": (dict, type(None)),
    "events": (list,),
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
_NO_NAME = "next_action must be the name of an action."
_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    type(None): "null",
}


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
    call = decode_known(body)
    if call is None:
        check_depth(body)
        call = _decode(body)
        _check_shape(call)
    _check_name(call["next_action"])
    _check_message(call["tracker"].get("latest_message") or {})
    return call


def _inflate(body: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(body, max_bytes + 1)
    except zlib.error:
        raise BadRequest("The body is not deflated, though Content-Encoding says so.") from None
    if not inflater.eof and len(inflated) <= max_bytes:
        raise BadRequest("The deflated body ends too early.")
    return inflated


def _decode(body: bytes) -> Any:
    """Return what a body says as dictionaries and lists, all of it."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # Python's JSON, which Rasa writes, spells NaN and half surrogate pairs; what a bare SDK
        # would take, a conversation must not break on.
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise BadRequest("The body is not JSON.", 400) from None


def _check_shape(call: Any) -> None:
    if not isinstance(call, dict):
        raise BadRequest("The body is not a JSON object.")
    if not isinstance(call.get("next_action"), str):
        raise BadRequest(_NO_NAME)
    _check_types(call, _CALL_TYPES, "")
    tracker = call.get("tracker")
    if not isinstance(tracker, dict):
        raise BadRequest("tracker must be an object.")
    if not isinstance(tracker.get("sender_id"), str):
        raise BadRequest("tracker.sender_id must be text.")
    _check_types(tracker, _TRACKER_TYPES, "tracker.")
    for event in tracker.get("events") or ():
        if type(event) is not dict or type(event.get("event")) is not str:
            raise BadRequest("tracker.events must be objects, each with the name of its event.")
    for frame in tracker.get("stack") or ():
        if type(frame) is not dict:
            raise BadRequest("tracker.stack must be objects.")


def _check_name(action: str) -> None:
    problem = name_problem(action) if action else _NO_NAME
    if problem is not None:
        raise BadRequest(problem)


def name_problem(action: str) -> str | None:
    """Return why a text is no action's name, without it: it goes into logs and answers."""
    if len(action) > MAX_ACTION_NAME:
        return f"next_action has more than {MAX_ACTION_NAME} characters."
    if not action.isprintable():
        return "next_action has characters that cannot be printed."
    return None


def _check_message(message: dict[str, Any]) -> None:
    entities = message.get("entities")
    if entities is not None and not isinstance(entities, list):
        raise BadRequest("tracker.latest_message.entities must be a list or null.")


def _check_types(found: dict[str, Any], expected: dict[str, tuple[type, ...]], where: str) -> None:
    for name, types in expected.items():
        if name in found and not isinstance(found[name], types):
            wanted = " or ".join(dict.fromkeys(_JSON_NAMES[kind] for kind in types))
            raise BadRequest(f"{where}{name} must be {wanted}.")
