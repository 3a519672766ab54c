"""Which hydrated slots got back what a reset had taken away: what this package is for, counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from coexistence.events import Event

_RESETS = frozenset({"routing_session_ended", "restart", "session_started"})
"""What takes slots away without anybody having meant it; Rasa sends no slot events for it."""


def recovered(
    events: Sequence[Event],
    filled: Collection[str],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> int:
    """Return how many slots of those that hydration filled had lost their value to a reset.

    `before` are the tracker's slots, and `after` what they are without the hydration: in an
    action that itself resets, what it takes away. A slot that was never set in this tracker is
    filled, not recovered; one whose last event emptied it was let go of on purpose.
    """
    # taken by the very action that gives it back
    taken = {slot for slot in filled if before.get(slot) not in (None, after.get(slot))}
    open_slots = set(filled) - taken
    reset = False
    for event in reversed(events):
        if not open_slots:
            break
        if event.kind in _RESETS:
            reset = True
        elif event.kind == "slot" and event.name in open_slots:
            open_slots.discard(event.name)
            # a reset leaves flagged slots alone: what is still there was not taken
            if reset and event.value not in (None, before.get(event.name)):
                taken.add(event.name)
    return len(taken)
