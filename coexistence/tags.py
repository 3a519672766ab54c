"""Marks on slot events, so that our own are known when they come back in a tracker.

Rasa keeps a slot event's `metadata` through its tracker store and every transport.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasa_sdk.events import EventType

KEY = "profile_store"
"""Where in an event's metadata they stand."""


def hydrated_slot(name: str, value: Any) -> EventType:
    """Return a slot event that puts a stored value back: no new write of anybody's."""
    return {
        "event": "slot",
        "timestamp": None,
        "name": name,
        "value": value,
        "metadata": {KEY: {"hydrated": True}},
    }


def written_slot(event: EventType, written_at: float) -> EventType:
    """Return a slot event marked with the time in seconds under which it is stored already."""
    metadata = event.get("metadata")
    kept = metadata if isinstance(metadata, Mapping) else {}
    return {**event, "metadata": {**kept, KEY: {"written_at": written_at}}}


def is_hydration(metadata: Mapping[str, Any]) -> bool:
    """Return whether an event's metadata marks it as a hydration."""
    tag = metadata.get(KEY)
    return isinstance(tag, dict) and bool(tag.get("hydrated"))


def written_at(metadata: Mapping[str, Any]) -> float | None:
    """Return the time in seconds under which an event was stored by the action that returned it."""
    tag = metadata.get(KEY)
    time = tag.get("written_at") if isinstance(tag, dict) else None
    return time if isinstance(time, float) else None
