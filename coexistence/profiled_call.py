"""One call of a user's action: the profile fetched before it, what it says stored after it."""

from __future__ import annotations

import copy
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import EventType

from coexistence import tags
from coexistence.errors import RoutingSlotWritten
from coexistence.exchange import Exchange
from coexistence.observation import TICK, refuse
from coexistence.shared_slots import STATUS_SLOT
from coexistence.status import UNAVAILABLE
from coexistence.system import ROUTING_SLOT, System
from profile_store import Release, SlotWrite, Source


class ProfiledCall:
    """What surrounds an action: `begin`, then the action, then `finish` with what it returned.

    An action that raises or is cancelled never gets to `finish`, and nothing of it is stored.
    """

    def __init__(self, exchange: Exchange, hydration: Sequence[EventType], status: str) -> None:
        self.exchange = exchange
        self._hydration = hydration
        self._status = status

    @classmethod
    async def begin(
        cls,
        tracker: Tracker,
        domain: Mapping[str, Any] | None,
        action: str,
        *,
        validates: bool = False,
    ) -> ProfiledCall:
        """Store what the session said, and put the profile into the tracker's slots.

        An action that validates slots, by its class or its name, is called with candidates at the
        end of its events: nobody has said them before it returns them.

        Raises:
            ActionMissingDomainException: when the call has no domain; Rasa repeats it with one.
        """
        candidates = validates or action.startswith("validate_") or action == _VALIDATE_MAPPINGS
        exchange = Exchange(tracker, domain, action, candidates=candidates)
        await exchange.sync()
        hydration = exchange.hydration()
        # An action may change a list or an object in place, and not mean the profile.
        tracker.slots.update((event["name"], copy.deepcopy(event["value"])) for event in hydration)
        return cls(exchange, hydration, exchange.status)

    async def finish(
        self, events: Sequence[EventType], forgotten: Collection[str] = ()
    ) -> list[EventType]:
        """Store what an action's events say in one submission; return all that Rasa is to hear.

        Raises:
            RoutingSlotWritten: when one of them sets the routing slot; then nothing is stored.
        """
        if any(_kind(event) == "session_started" for event in events):
            return self._in_a_new_session(events)
        for event in events:
            if slot_set_by(event) == ROUTING_SLOT:
                raise RoutingSlotWritten(
                    f"{self.exchange.action} set {ROUTING_SLOT}; Rasa's routing slot is only ever "
                    "set by action_reset_routing: return reset_routing() instead "
                    "(turn.reset_routing() in a ProfileAction)."
                )
        events, stored = await _store(self.exchange, events, forgotten)
        if any(slot_set_by(event) == STATUS_SLOT for event in events):
            return [*self._hydration, *events]
        status = self._status if stored else UNAVAILABLE
        return [*self._hydration, *self.exchange.status_event(status), *events]

    def _in_a_new_session(self, events: Sequence[EventType]) -> list[EventType]:
        """Return what starts a session with the profile put in after all that is carried over.

        What is carried over repeats old values: nobody has said them now, and none is stored. The
        routing slot may be among them, as it is when Rasa itself carries over.
        """
        slots = {name: spec.initial_value for name, spec in self.exchange.slots.items()}
        for event in events:
            if slot_set_by(event) is not None:
                slots[event["name"]] = event.get("value")
        listening = [
            place
            for place, event in enumerate(events)
            if _kind(event) == "action" and event.get("name") == "action_listen"
        ]
        end = listening[-1] if listening else len(events)
        return [
            *events[:end],
            *self.exchange.hydration(busy=False, slots=slots),
            *self.exchange.status_event(self._status, slots),
            *events[end:],
        ]


_VALIDATE_MAPPINGS = "action_validate_slot_mappings"


def _kind(event: Any) -> Any:
    return event.get("event") if isinstance(event, dict) else None


def slot_set_by(event: Any) -> Any:
    """Return the name of the slot that an event sets; None for other events, and for no event."""
    return event.get("name") if _kind(event) == "slot" else None


async def _store(
    exchange: Exchange, events: Sequence[EventType], forgotten: Collection[str]
) -> tuple[Sequence[EventType], bool]:
    """Store what an action's events say; return them marked as stored, and whether it worked.

    Their times come just after the newest event of the tracker: they win over what the action
    followed, and lose to whatever comes later.
    """
    at = exchange.newest or time.time()
    writes: list[SlotWrite] = []
    releases: list[Release] = []
    times: dict[int, float] = {}
    worked = True
    if forgotten:
        at += TICK
        worked = await exchange.forget(forgotten, at) is not None
        if not worked:
            # Nothing was erased: a slot that is emptied all the same would be back next turn.
            events = [event for event in events if slot_set_by(event) not in forgotten]
    for place, event in enumerate(events):
        spec = exchange.slots.shared.get(str(slot_set_by(event)))
        if spec is None or tags.is_hydration(event.get("metadata") or {}):
            continue
        value = event.get("value")
        reason = spec.refusal(value)
        if reason is not None:
            refuse(spec.name, reason)
            continue
        at += TICK
        if value is None:
            releases.append(Release(spec.name, at))
        else:
            source = Source(
                None if exchange.system is System.NONE else exchange.system.value,
                exchange.action,
                exchange.tracker.sender_id,
            )
            writes.append(SlotWrite(spec.name, value, at, source))
        times[place] = at
    if writes or releases:
        refused = await exchange.store(writes, releases)
        if exchange.profile is None:
            # Unmarked, they are observed as new writes on the next call, when the database is back.
            return events, False
        times = {place: at for place, at in times.items() if events[place]["name"] not in refused}
    return [
        tags.written_slot(event, times[place]) if place in times else event
        for place, event in enumerate(events)
    ], worked
