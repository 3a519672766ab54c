"""The base class of users' own actions: the profile fetched before, what they say stored after."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from coexistence import routing, tags
from coexistence.calls import Call
from coexistence.errors import UnknownSlot
from coexistence.exchange import Exchange
from coexistence.profiled_call import ProfiledCall, slot_set_by
from coexistence.system import System
from profile_store import Profile


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
        self.events = [event for event in self.events if slot_set_by(event) not in slots]
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
        with Call(self.name(), tracker.sender_id) as measured:
            call = await ProfiledCall.begin(tracker, domain, measured.action)
            turn = Turn(dispatcher, call.exchange, domain)
            returned = await self.act(turn)
            return await call.finish([*turn.events, *(returned or ())], turn.forgotten)
