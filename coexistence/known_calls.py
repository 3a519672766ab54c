"""Action calls as Rasa is known to send them, decoded in one pass, their events only scanned.

A call in which anything is otherwise is left to be decoded and checked part by part: that says
what is wrong with it, and keeps what a newer Rasa adds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from coexistence.events import Event, JSONEvents
from coexistence.nesting import check_depth

_Unset = msgspec.UnsetType
_Part = msgspec.Raw | _Unset
_Text = str | _Unset | None
_Flag = bool | _Unset | None
_Seconds = float | _Unset | None


class _Known(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What has these fields and no other; those that are not there are not set."""


class _Tracker(_Known):
    """The tracker of rasa 3.6 to rasa-pro 3.21."""

    sender_id: str
    events: list[Event]
    slots: _Part = msgspec.UNSET
    latest_message: _Part = msgspec.UNSET
    latest_event_time: _Seconds = msgspec.UNSET
    followup_action: _Text = msgspec.UNSET
    paused: _Flag = msgspec.UNSET
    inactive: _Flag = msgspec.UNSET
    terminated: _Flag = msgspec.UNSET
    stack: _Part = msgspec.UNSET
    latest_input_channel: _Text = msgspec.UNSET
    active_loop: _Part = msgspec.UNSET
    active_form: _Part = msgspec.UNSET
    latest_action: _Part = msgspec.UNSET
    latest_action_name: _Text = msgspec.UNSET
    user_id: _Text = msgspec.UNSET
    conversation_started_timestamp: _Seconds = msgspec.UNSET
    current_session_id: _Text = msgspec.UNSET


class _Call(_Known):
    next_action: str
    tracker: _Tracker
    sender_id: _Text = msgspec.UNSET
    version: _Text = msgspec.UNSET
    domain: _Part = msgspec.UNSET
    domain_digest: _Text = msgspec.UNSET


_decode = msgspec.json.Decoder(_Call).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_object_or_none = msgspec.json.Decoder(dict[str, Any] | None).decode
_decode_part = {
    "slots": _decode_object,
    "latest_message": _decode_object_or_none,
    "stack": msgspec.json.Decoder(list[dict[str, Any]] | None).decode,
    "active_loop": _decode_object_or_none,
    "active_form": _decode_object_or_none,
    "latest_action": _decode_object_or_none,
    "domain": _decode_object_or_none,
}
_CALL = _Call.__struct_fields__
_TRACKER = _Tracker.__struct_fields__


def decode_known(body: bytes) -> dict[str, Any] | None:
    """Return a call with its tracker's events undecoded; None when it is not as known.

    Raises:
        BadRequest: when a part nests too deep. What is skipped does not recurse, and is looked at
            when somebody reads it.
    """
    try:
        if not body.isascii():
            body.decode()  # what is skipped is not looked at so closely
        call = _decode(body)
        tracker = _set_fields(call.tracker, _TRACKER)
        decoded = _set_fields(call, _CALL)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    tracker["events"] = JSONEvents(body, call.tracker.events)
    decoded["tracker"] = tracker
    return decoded


def _set_fields(struct: _Known, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields that are set, decoded."""
    fields: dict[str, Any] = {}
    for name in names:
        value = getattr(struct, name)
        if value is msgspec.UNSET:
            continue
        if type(value) is msgspec.Raw:
            check_depth(value)
            value = _decode_part[name](value)
        fields[name] = value
    return fields
