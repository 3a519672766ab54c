"""Ending a routing session: the helper for actions, and the events of the reset itself."""

from __future__ import annotations

import contextvars
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rasa_sdk.events import EventType, FollowupAction

from coexistence.shared_slots import DomainSlots
from coexistence.system import RESET_ACTION, ROUTING_SLOT
from coexistence.tags import hydrated_slot

rasa_version: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "rasa_version", default=None
)
"""The version of the Rasa that sent the call at hand, as its body says; None where unknown."""

_FIRST_WITH_COEXISTENCE = (3, 8)


def reset_routing() -> EventType:
    """Return the event that ends the routing session after the action that returns it.

    The rest of the flow, story or rule is dropped, and `pattern_completed` does not run. Slots
    that are not shared go to their initial values. Rasa drops it when it comes from an action
    that runs on every turn.
    """
    event: EventType = FollowupAction(RESET_ACTION)
    return event


def knows_routing(domain_slots: DomainSlots) -> bool:
    """Return whether the calling Rasa takes `routing_session_ended` (Rasa 3.8 and newer).

    An older one (and Rasa Open Source) rejects a whole response that contains it. gRPC and direct
    execution do not tell a version, but exist only in newer ones; where nothing tells, a domain
    with a `shared_for_coexistence` flag is one that an older Rasa would not load.
    """
    version = _told_version()
    return domain_slots.any_flagged if version is None else version >= _FIRST_WITH_COEXISTENCE


def _told_version() -> tuple[int, int] | None:
    version = rasa_version.get()
    numbers = re.match(r"(\d+)\.(\d+)", version) if version else None
    return None if numbers is None else (int(numbers[1]), int(numbers[2]))


def least_reset_events() -> list[EventType]:
    """Return what ends a routing session when nothing is known of the domain and the slots.

    Every Rasa tells its version over HTTP; what calls in another way is new enough.
    """
    if (_told_version() or _FIRST_WITH_COEXISTENCE) < _FIRST_WITH_COEXISTENCE:
        return [_routing_slot()]
    return [_session_ended(), _routing_slot()]


def _session_ended() -> EventType:
    return {"event": "routing_session_ended", "timestamp": None}


def _routing_slot() -> EventType:
    return {"event": "slot", "timestamp": None, "name": ROUTING_SLOT, "value": None}


def slots_after_reset(domain_slots: DomainSlots, slots: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a routing reset makes of some slots: all but the flagged start anew."""
    return {
        name: value
        if (spec := domain_slots.get(name)) is None or spec.flagged
        else spec.initial_value
        for name, value in slots.items()
    } | {ROUTING_SLOT: None}


def reset_events(
    domain_slots: DomainSlots,
    slots: Mapping[str, Any],
    hydration: Sequence[EventType],
    active_loop: bool,
) -> list[EventType]:
    """Return the events that end a routing session and leave the hydrated slots filled.

    `slots` are those before the reset, `hydration` what is to be put back after it.
    """
    if knows_routing(domain_slots):
        return [_session_ended(), _routing_slot(), *hydration]
    # An older Rasa has no event for it: set each slot to what it would be afterwards.
    after = slots_after_reset(domain_slots, slots)
    after.update((event["name"], event["value"]) for event in hydration)
    events: list[EventType] = [
        hydrated_slot(name, value)
        for name, value in after.items()
        if name != ROUTING_SLOT and (name not in slots or slots[name] != value)
    ]
    if active_loop:
        events.append({"event": "active_loop", "timestamp": None, "name": None})
    if ROUTING_SLOT in slots:
        events.append(_routing_slot())
    return events
