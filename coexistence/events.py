"""A tracker's events: what we read of them, and decoding all of them only for who asks.

A call grows with its conversation, and most of it is events that no action reads. The servers
scan them for the few fields that observing takes; objects are made of them when an action first
reads `tracker.events`, which then is the list that it always was.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from rasa_sdk import Tracker

from coexistence.errors import BadRequest
from coexistence.nesting import check_depth


class Event(msgspec.Struct, frozen=True, gc=False, rename={"kind": "event"}):
    """One event, as far as we read it; `timestamp` is in seconds, on Rasa's clock."""

    kind: str
    timestamp: Any = None
    name: Any = None
    value: Any = None
    metadata: Any = None
    anonymized_at: Any = None

    @property
    def tags(self) -> Mapping[str, Any]:
        """Its metadata, empty where there is none."""
        metadata = self.metadata
        return metadata if isinstance(metadata, dict) else {}


class UndecodedEvents(abc.ABC):
    """Events as they came, already scanned."""

    __slots__ = ("scanned",)

    scanned: list[Event]

    @abc.abstractmethod
    def decode(self) -> list[dict[str, Any]]:
        """Return the events as the SDK has them."""


class JSONEvents(UndecodedEvents):
    """Events in the JSON of a whole call: how they come over HTTP."""

    __slots__ = ("_call",)

    def __init__(self, call: bytes, scanned: list[Event]) -> None:
        self._call = call
        self.scanned = scanned

    def decode(self) -> list[dict[str, Any]]:
        """Return the events as the SDK has them.

        Raises:
            BadRequest: when one of them nests too deep, or holds a number that nobody can read.
        """
        encoded = _split(_split(self._call)["tracker"])["events"]
        check_depth(encoded)
        try:
            decoded: list[dict[str, Any]] = _decoder.decode(encoded)
        except msgspec.DecodeError:
            try:
                decoded = json.loads(bytes(encoded))  # Python's has 1e999, msgspec's has not
            except ValueError:  # a number of thousands of digits, that nobody has
                raise BadRequest("The body is not JSON.", 400) from None
        return decoded


_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decoder = msgspec.json.Decoder()
_ATTRIBUTE = "events"


def of(tracker: Tracker) -> Sequence[Event]:
    """Return a tracker's events as far as we read them, without decoding the rest."""
    given = vars(tracker).get(_ATTRIBUTE)
    return given.scanned if isinstance(given, UndecodedEvents) else read(tracker.events)


def read(events: Sequence[Mapping[str, Any]]) -> list[Event]:
    """Return events as far as we read them."""
    try:
        return msgspec.convert(events, list[Event])
    except msgspec.ValidationError:
        return _read_odd(events)


def _read_odd(events: Iterable[Mapping[str, Any]]) -> list[Event]:
    """Return events of which one does not name itself by a text."""
    return [
        Event(
            event.get("event", ""),
            event.get("timestamp"),
            event.get("name"),
            event.get("value"),
            event.get("metadata"),
            event.get("anonymized_at"),
        )
        for event in events
    ]


def decode_lazily() -> None:
    """Let the SDK's trackers take undecoded events; a second call does nothing."""
    if not isinstance(vars(Tracker).get(_ATTRIBUTE), property):
        Tracker.events = property(_decoded, _keep)


def _decoded(tracker: Tracker) -> Any:
    kept = vars(tracker)
    given = kept.get(_ATTRIBUTE)
    if isinstance(given, UndecodedEvents):
        given = kept[_ATTRIBUTE] = given.decode()
    return given


def _keep(tracker: Tracker, events: Any) -> None:
    vars(tracker)[_ATTRIBUTE] = events
