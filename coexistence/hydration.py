"""Putting profile values into slots, where they differ from what a tracker holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rasa_sdk.events import EventType

from coexistence.observation import refuse
from coexistence.shared_slots import SlotSpec
from coexistence.tags import hydrated_slot
from profile_store import InvalidValue, Profile, values


def hydrate(
    profile: Profile,
    shared: Mapping[str, SlotSpec],
    slots: Mapping[str, Any],
    *,
    explicit: bool = False,
    busy: bool = False,
    leave: Collection[str] = (),
) -> list[EventType]:
    """Return the slot events that bring a tracker's shared slots to what a profile holds.

    `profile` has the tracker's own writes merged into it, so that nothing just said is replaced
    by something older. Released slots come back only when hydration is `explicit`. While a skill
    runs (`busy`) an automatic one fills empty slots and changes no other. Slots to `leave` are
    not touched: the tracker knows something newer of them that the profile does not. Nor are
    slots whose stored values cannot be read.
    """
    events = []
    get_slot, get_state, decode = slots.get, profile.state, values.decode
    for name, spec in shared.items():
        if name in leave:
            continue
        now = get_slot(name)
        if now is not None and busy and not explicit:
            continue
        state = get_state(name)
        if state.unreadable:
            continue  # nobody knows what it is: least of all that it is nothing
        if state.erased:
            if now is not None and now != spec.initial_value:
                events.append(hydrated_slot(name, None))
        elif state.encoded and (explicit or state.live):
            try:
                value = spec.own(decode(state.encoded))
            except ValueError:
                refuse(name, "what is stored of it cannot be read")
                continue
            if now is not None and same(now, value):
                continue
            reason = spec.refusal(value)
            if reason is not None:
                # A bad value for a strict_categorical slot would break every later load.
                refuse(name, f"{reason} (the domain has changed since it was stored)")
                continue
            events.append(hydrated_slot(name, value))
    return events


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are one: 3 and 3.0 are, 1 and true are not."""
    if isinstance(one, list | dict):
        try:
            return values.encode(one) == values.encode(other)
        except InvalidValue:
            return False
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
