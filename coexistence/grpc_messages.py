"""gRPC's messages: events taken off a request undecoded, and answers made of a result.

The SDK turns whole requests into dictionaries and back, field by field: with a conversation of
five turns that takes ten times as long as parsing the message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict, SerializeToJsonError
from google.protobuf.struct_pb2 import Struct
from rasa_sdk.grpc_py.action_webhook_pb2 import WebhookResponse

from coexistence.events import Event, UndecodedEvents


class StructEvents(UndecodedEvents):
    """Events as `google.protobuf.Struct`s; the metadata of slot and user events alone is read."""

    __slots__ = ("_structs",)

    def __init__(self, structs: list[Any]) -> None:
        self._structs = structs
        self.scanned = [_event(struct.fields) for struct in structs]

    def decode(self) -> list[dict[str, Any]]:
        try:
            return [MessageToDict(struct) for struct in self._structs]
        except (SerializeToJsonError, ValueError):
            # NaN or infinity, which Python's JSON lets through over HTTP
            return [
                {name: _plain(value) for name, value in struct.fields.items()}
                for struct in self._structs
            ]

    def __reduce__(self) -> tuple[Any, ...]:
        return StructEvents, (self._structs,)


def take_events(request: Any) -> StructEvents:
    """Take the events off a `WebhookRequest`, which is without them afterwards."""
    taken = StructEvents(list(request.tracker.events))
    request.tracker.ClearField("events")
    return taken


def _event(fields: Any) -> Event:
    kind = fields["event"].string_value
    told = kind in {"slot", "user"}
    return Event(
        kind,
        _field(fields, "timestamp"),
        _field(fields, "name"),
        _field(fields, "value") if told else None,
        _field(fields, "metadata") if told else None,
        _field(fields, "anonymized_at"),
    )


def _field(fields: Any, name: str) -> Any:
    # asking a map of messages for what it has not would put it there
    return _plain(fields[name]) if name in fields else None


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {name: _plain(inner) for name, inner in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_plain(inner) for inner in value.list_value.values]
    return None if kind is None or kind == "null_value" else getattr(value, kind)


def answer(result: Any) -> WebhookResponse | None:
    """Return the message for an action's result; None for one that only the SDK can judge.

    Such are values that are not JSON: objects that pydantic knows, NaN, keys that are no text.
    """
    message = WebhookResponse()
    try:
        for part, added in ((result.events, message.events), (result.responses, message.responses)):
            for item in part:
                _put_all(added.add(), item)
    except (TypeError, ValueError, OverflowError):
        return None
    return message


def _put_all(struct: Struct, content: Mapping[str, Any]) -> None:
    if type(content) is not dict:
        raise TypeError
    fields = struct.fields
    for name, value in content.items():
        put = _PUT.get(type(value))
        if put is None:
            raise TypeError
        put(fields[name], value)


def _put_null(into: Any, _: None) -> None:
    into.null_value = 0


def _put_bool(into: Any, value: bool) -> None:
    into.bool_value = value


def _put_text(into: Any, value: str) -> None:
    into.string_value = value


def _put_number(into: Any, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError
    into.number_value = value


def _put_object(into: Any, value: dict[str, Any]) -> None:
    into.struct_value.SetInParent()
    _put_all(into.struct_value, value)


def _put_list(into: Any, value: list[Any]) -> None:
    into.list_value.SetInParent()
    for item in value:
        put = _PUT.get(type(item))
        if put is None:
            raise TypeError
        put(into.list_value.values.add(), item)


_PUT: dict[type, Callable[[Any, Any], None]] = {
    type(None): _put_null, bool: _put_bool, str: _put_text, int: _put_number, float: _put_number,
    dict: _put_object, list: _put_list,
}  # fmt: skip
