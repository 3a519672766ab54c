"""The six profile actions, for stories, rules, flows and the domain."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import ActionExecuted, EventType, SessionStarted, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import ActionMissingDomainException

from coexistence import calls, failures, logs, metrics, plugin, routing
from coexistence.exchange import Exchange
from coexistence.hydration import hydrate
from coexistence.observation import TICK
from coexistence.shared_slots import FORGET_SLOT, RASA_SLOTS
from coexistence.status import EMPTY, STORED, UNAVAILABLE
from coexistence.system import RESET_ACTION, ROUTING_SLOT
from coexistence.tags import hydrated_slot
from profile_store import Profile

logger = logging.getLogger(__name__)

# A spawned worker process imports the modules of the actions that it is handed, and perhaps
# nothing else of the assistant: the plug-in must come with them.
plugin.register()
logs.name_calls()

_SESSION_METADATA = "session_started_metadata"


class ActionFetchProfile(Action):  # type: ignore[misc]
    """Puts the whole profile into the slots, released values too: the start of a skill."""

    def name(self) -> str:
        return "action_fetch_profile"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        async def fetch() -> list[EventType]:
            exchange = Exchange(tracker, domain, self.name())
            await exchange.sync()
            return [*exchange.hydration(explicit=True), *exchange.status_event()]

        return await _unbroken(self.name(), tracker, fetch, [])


class ActionStoreProfile(Action):  # type: ignore[misc]
    """Stores what this session said: the step before `action_reset_routing`."""

    def name(self) -> str:
        return "action_store_profile"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        async def store() -> list[EventType]:
            exchange = Exchange(tracker, domain, self.name())
            await exchange.sync()
            return exchange.status_event(UNAVAILABLE if exchange.profile is None else STORED)

        return await _unbroken(self.name(), tracker, store, [])


class ActionSyncProfile(Action):  # type: ignore[misc]
    """Stores and fetches on every turn, from a slot mapping: no story or flow changes at all."""

    def name(self) -> str:
        return "action_sync_profile"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        async def sync() -> list[EventType]:
            exchange = Exchange(tracker, domain, self.name())
            await exchange.sync()
            return [
                *exchange.hydration(leave=exchange.filled_by_this_message()),
                *exchange.status_event(),
            ]

        return await _unbroken(self.name(), tracker, sync, [])


class ActionResetRouting(Action):  # type: ignore[misc]
    """Stores, ends the routing session and fetches, in one step, in the place of Rasa's own.

    Rasa calls it when the domain lists `action_reset_routing` under `actions`. A running skill
    ends with the routing session, so every live value comes back.
    """

    def name(self) -> str:
        return RESET_ACTION

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        async def reset() -> list[EventType]:
            exchange = Exchange(tracker, domain, self.name())
            await exchange.sync()
            after = routing.slots_after_reset(exchange.slots, tracker.slots)
            hydration = [
                *exchange.hydration(busy=False, slots=after),
                *exchange.status_event(slots=after),
            ]
            in_loop = bool((tracker.active_loop or {}).get("name"))
            return routing.reset_events(exchange.slots, tracker.slots, hydration, in_loop)

        # Were it to fail, routing would stay as it was and the user be stuck in one system.
        return await _unbroken(self.name(), tracker, reset, routing.least_reset_events())


class ActionSessionStart(Action):  # type: ignore[misc]
    """Begins a session as Rasa's own does, with the profile in its slots from the start.

    Rasa calls it when the domain lists `action_session_start` under `actions`. Slots are carried
    over as `session_config.carry_over_slots_to_new_session` says.
    """

    def name(self) -> str:
        return "action_session_start"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        started: EventType = SessionStarted()
        listen: EventType = ActionExecuted("action_listen")

        async def start() -> list[EventType]:
            exchange = Exchange(tracker, domain, self.name())
            await exchange.sync()
            fresh: dict[str, Any] = {
                name: spec.initial_value for name, spec in exchange.slots.items()
            }
            carried = _carried_over(exchange)
            slots = {**fresh, **carried}
            hydration = exchange.hydration(busy=False, slots=slots)
            put_back = {event["name"] for event in hydration}
            return [
                started,
                *(
                    hydrated_slot(name, value)
                    for name, value in carried.items()
                    if name not in put_back
                ),
                *hydration,
                *exchange.status_event(slots=slots),
                listen,
            ]

        return await _unbroken(self.name(), tracker, start, [started, listen])


def _carried_over(exchange: Exchange) -> dict[str, Any]:
    """Return the slots that a new session takes over from the one before, as Rasa's own does.

    But none that the profile was to keep for a time only, when that is over.
    """
    slots = exchange.tracker.slots
    kept = {}
    if slots.get(_SESSION_METADATA) is not None:
        kept[_SESSION_METADATA] = slots[_SESSION_METADATA]
    if exchange.slots.carries_over:
        for name, value in slots.items():
            spec = exchange.slots.get(name)
            initial = spec.initial_value if spec is not None else None
            if (
                value != initial
                and (name == ROUTING_SLOT or name not in RASA_SLOTS)
                and not exchange.has_outlived(name)
            ):
                kept[name] = value
    return kept


class ActionForgetProfile(Action):  # type: ignore[misc]
    """Erases the user's profile, and the shared slots in the tracker: "forget me".

    Where the domain has a slot `profile_forget` that names slots (a list, or one name), only
    those. During an outage nothing is emptied and `profile_status` says `unavailable`, so that
    the assistant does not promise what was not done.
    """

    def name(self) -> str:
        return "action_forget_profile"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        async def forget() -> list[EventType]:
            exchange = Exchange(tracker, domain, self.name())
            named = _named(tracker.slots.get(FORGET_SLOT), exchange)
            if named == []:
                logger.warning(
                    "%s: nothing is forgotten, for %s names no shared slot.",
                    self.name(),
                    FORGET_SLOT,
                )
                return exchange.status_event(UNAVAILABLE)
            at = max(
                exchange.newest or 0.0,
                *(write.written_at for write in exchange.observed.writes),
                0.0,
            )
            receipt = await exchange.forget(named, at + TICK)
            if receipt is None:
                return exchange.status_event(UNAVAILABLE)
            shared = exchange.slots.shared
            erased = shared if named is None else {name: shared[name] for name in named}
            events = [
                *hydrate(Profile(erased_at=receipt.erased_at), erased, tracker.slots),
                *_unsaid(exchange, erased),
            ]
            if named is not None:
                events.append(SlotSet(FORGET_SLOT, None))
            return [*events, *exchange.status_event(EMPTY if named is None else STORED)]

        return await _unbroken(self.name(), tracker, forget, [])


def _unsaid(exchange: Exchange, erased: Collection[str]) -> list[EventType]:
    """Return the events that erase what the session said of slots that are empty again.

    The tombstone alone would not do: it stays with the conversation when that gains a user.
    """
    events: list[EventType] = []
    for name in sorted({write.slot for write in exchange.observed.writes} & set(erased)):
        now, initial = exchange.tracker.slots.get(name), exchange.slots[name].initial_value
        if now is None or now == initial:
            events.append(hydrated_slot(name, None))
            if now is not None:
                events.append(hydrated_slot(name, now))
    return events


def _named(value: Any, exchange: Exchange) -> list[str] | None:
    """Return the shared slots that the assistant asked to forget, None for all."""
    if value is None or value == []:
        return None
    names = value if isinstance(value, list) else [value]
    return [name for name in names if name in exchange.slots.shared]


async def _unbroken(
    action: str,
    tracker: Tracker,
    work: Callable[[], Awaitable[list[EventType]]],
    otherwise: list[EventType],
) -> list[EventType]:
    """Return what some work returns; whatever goes wrong in it, the conversation goes on."""
    with calls.Call(action, tracker.sender_id):
        try:
            return await work()
        except ActionMissingDomainException:
            raise  # Rasa repeats the call with the domain
        except Exception as error:  # noqa: BLE001 - a profile is never worth a conversation
            failures.log(logger, f"{action} failed and the conversation goes on", error)
            calls.went(calls.FAILED, metrics.INTERNAL)
            return otherwise
