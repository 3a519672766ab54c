"""The base class of users' own actions: the profile fetched before, what they say stored after."""

from __future__ import annotations

import abc
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from coexistence import routing, tags
from coexistence.errors import RoutingSlotWritten, UnknownSlot
from coexistence.exchange import UNAVAILABLE, Exchange
from coexistence.observation import TICK, refuse
from coexistence.shared_slots import STATUS_SLOT
from coexistence.system import ROUTING_SLOT, System
from profile_store import Profile, Release, SlotWrite, Source


class Turn:
    """One call of a `ProfileAction`: what Rasa sent, and what is known of the user.

    `tracker` has the profile's values in its slots already. `profile` maps slot names to all
    values that are kept, released ones too; it is empty while the database is out of reach
    (`available` tells).
    """

    def __init__(self, dispatcher: CollectingDispatcher, exchange: Exchange, domain: Any) -> None:
        self.dispatcher = dispatcher
        self.tracker: Tracker = exchange.tracker
        self.domain: dict[str, Any] = domain
        self.system: System = exchange.system
        self.profile: Profile = exchange.profile if exchange.profile is not None else Profile()
        self.available = exchange.profile is not None
        self.user_id: str | None = exchange.user_id
        self.events: list[EventType] = []
        self.forgotten: list[str] = []
        self._shared = exchange.slots.shared

    def remember(self, **slots: Any) -> None:
        """Set shared slots, and store them when the action is done.

        Raises:
            UnknownSlot: when the domain does not share a slot of that name.
        """
        self._check(slots)
        self.events.extend(SlotSet(name, value) for name, value in slots.items())

    def forget(self, *slots: str) -> None:
        """Empty shared slots, and erase them with their history when the action is done.

        Raises:
            UnknownSlot: when the domain does not share a slot of that name.
        """
        self._check(slots)
        self.events = [event for event in self.events if _sets(event) not in slots]
        self.forgotten.extend(slots)
        self.events.extend(tags.hydrated_slot(name, None) for name in slots)

    def reset_routing(self) -> None:
        """End the routing session after this action."""
        self.events.append(routing.reset_routing())

    def _check(self, slots: Mapping[str, Any] | Sequence[str]) -> None:
        unknown = sorted(set(slots) - set(self._shared))
        if unknown:
            raise UnknownSlot(
                f"The domain shares no slot {', '.join(unknown)}; flag it with "
                "shared_for_coexistence: true, or list it under profile_store.shared_slots.include."
            )


class ProfileAction(Action, abc.ABC):  # type: ignore[misc]
    """An action that both systems may use: fetches the profile before, stores after.

    Give it a `name()` and an `act(turn)`. Slot events for shared slots that `act` returns are
    stored before Rasa hears of them; when it raises, nothing of it is. When the database is out
    of reach the action runs all the same, with the slots that Rasa has.
    """

    @abc.abstractmethod
    async def act(self, turn: Turn) -> Sequence[EventType] | None:
        """Do the work; return events for Rasa, or None.

        Raises:
            Whatever it likes: Rasa treats it as it does any action's error.
        """

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        """Fetch, act, store; what Rasa calls."""
        exchange = Exchange(tracker, domain, self.name())
        await exchange.sync()
        status = exchange.status
        hydration = exchange.hydration()
        tracker.slots.update((event["name"], event["value"]) for event in hydration)

        turn = Turn(dispatcher, exchange, domain)
        returned = await self.act(turn)
        events = [*turn.events, *(returned or ())]
        for event in events:
            if _sets(event) == ROUTING_SLOT:
                raise RoutingSlotWritten(
                    f"{self.name()} set {ROUTING_SLOT}; Rasa's routing slot is only ever set by "
                    "action_reset_routing: return reset_routing() or call turn.reset_routing()."
                )
        events, stored = await _store(exchange, events, turn.forgotten)
        status = status if stored else UNAVAILABLE
        if any(_sets(event) == STATUS_SLOT for event in events):
            return [*hydration, *events]
        return [*hydration, *exchange.status_event(status), *events]


def _sets(event: Any) -> Any:
    """Return the name of the slot that an event sets; None for other events, and for no event."""
    return event.get("name") if isinstance(event, dict) and event.get("event") == "slot" else None


async def _store(
    exchange: Exchange, events: Sequence[EventType], forgotten: Sequence[str]
) -> tuple[list[EventType], bool]:
    """Store what an action's events say; return them marked as stored, and whether it worked.

    Their times come just after the newest event of the tracker: they win over what the action
    followed, and lose to whatever comes later.
    """
    at = exchange.newest or time.time()
    writes: list[SlotWrite] = []
    releases: list[Release] = []
    marked: list[EventType] = []
    worked = True
    if forgotten:
        at += TICK
        worked = await exchange.forget(forgotten, at) is not None
        if not worked:
            # Nothing was erased: a slot that is emptied all the same would be back next turn.
            events = [event for event in events if _sets(event) not in forgotten]
    for event in events:
        spec = exchange.slots.shared.get(str(_sets(event)))
        if spec is None or tags.is_hydration(event.get("metadata") or {}):
            marked.append(event)
            continue
        value = event.get("value")
        reason = spec.refusal(value)
        if reason is not None:
            refuse(spec.name, reason)
            marked.append(event)
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
        marked.append(tags.written_slot(event, at))
    if writes or releases:
        await exchange.store(writes, releases)
        if exchange.profile is None:
            # Unmarked, they are observed as new writes on the next call, when the database is back.
            return list(events), False
    return marked, worked
