"""Sensitive slots: their values are left out of what is printed, unless they are asked for.

The value's place stays empty, so that a mask tells nothing of it, its length included, and cannot
be imported in its place.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from profile_store.exported import MASKED

MASK = "******"
"""What tables show in the place of a value, whatever it is."""


def masked(exported: dict[str, Any], sensitive: Collection[str]) -> dict[str, Any]:
    """Return an export without the values of some slots; it names those that had one."""
    names = set()
    slots = dict(exported["slots"])
    for name, slot in slots.items():
        if name in sensitive and slot["written_at"] is not None and not slot["erased"]:
            slots[name] = _without_value(slot)
            names.add(name)
    history = []
    for write in exported.get("history", ()):
        if write["slot"] in sensitive:
            names.add(write["slot"])
            write = _without_value(write)
        history.append(write)
    made = {**exported, "slots": slots}
    if "history" in exported:
        made["history"] = history
    return {**made, MASKED: sorted(names)} if names else made


def _without_value(entry: dict[str, Any]) -> dict[str, Any]:
    return {MASKED: True, **{name: item for name, item in entry.items() if name != "value"}}
