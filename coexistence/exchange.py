"""One action call's dealings with the profile store; an outage never gets past it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.interfaces import ActionMissingDomainException

from coexistence import calls, events, failures, metrics, runtime, status, tracing
from coexistence.errors import TokenRefused
from coexistence.hydration import hydrate
from coexistence.identity import SENDER_ID, Identity, conversation_key, identify
from coexistence.observation import Observation, newest_time, observe
from coexistence.recovery import recovered
from coexistence.shared_slots import STATUS_SLOT, DomainSlots
from coexistence.system import ROUTING_SLOT, System
from coexistence.tags import hydrated_slot
from profile_store import (
    InvalidKey,
    Profile,
    ProfileKey,
    ProfileStoreError,
    Receipt,
    Release,
    SlotState,
    SlotWrite,
)

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1024)
def _complain(unreadable: str) -> None:
    """Log that a slot cannot be read; once for each slot and reason."""
    logger.error("%s It is left as it is; other slots are fetched and stored.", unreadable)


def _comes_back(state: SlotState) -> bool:
    return state.live and not state.unreadable


class Exchange:
    """What an action knows of the user whose tracker it was called with.

    `profile` is what is stored and observed, None until it was asked for and while the database
    is out of reach: never an empty profile for an outage.

    Raises:
        ActionMissingDomainException: when the call has no domain; Rasa repeats it with one (449).
        profile_store.InvalidSettings: when the settings are impossible.
    """

    def __init__(
        self,
        tracker: Tracker,
        domain: Mapping[str, Any] | None,
        action: str,
        *,
        candidates: bool = False,
    ) -> None:
        if domain is None:
            raise ActionMissingDomainException(action)
        self._runtime = runtime.current()
        self.tracker = tracker
        self.action = action
        self.slots: DomainSlots = self._runtime.domains.read(domain)
        self.system = System.of_slot(tracker.slots.get(ROUTING_SLOT))
        self.profile: Profile | None = None
        self.key: ProfileKey | None = None
        self._events = events.of(tracker)
        self._said = len(self._events)
        self._candidates: set[str] = set()
        while candidates and self._said and self._events[self._said - 1].kind == "slot":
            # Slots at the end are what Rasa asks the action to validate: on no real tracker yet.
            self._said -= 1
            self._candidates.add(self._events[self._said].name)
        self._identity = self._identify()
        self.user_id = self._identity.user_id if self._identity else None
        self._observed: Observation | None = None
        self._refused: set[str] = set()
        if self._identity is None:
            calls.went(calls.WITHOUT_PROFILE, metrics.IDENTITY)
            return
        try:
            self.key = ProfileKey(self._runtime.settings.namespace, self._identity.user_id)
        except InvalidKey as error:
            logger.warning("%s: no profile. %s", action, error)
            calls.went(calls.WITHOUT_PROFILE, metrics.IDENTITY)

    def _identify(self) -> Identity | None:
        """Return who the user is, or log why nobody knows."""
        rules = self._runtime.settings.identity
        try:
            found = identify(self.tracker, self._events, rules, self._runtime.tokens)
        except TokenRefused as error:
            logger.warning(
                "%s: no profile, for the token in the message metadata is refused: %s.",
                self.action,
                error,
            )
            return None
        if found is None:
            logger.warning(
                "%s: no profile, for nothing in profile_store.identity is present.", self.action
            )
        return found

    @property
    def observed(self) -> Observation:
        """What this session's events wrote and released."""
        if self._observed is None:
            since = self._identity.since if self._identity else 0
            self._observed = observe(
                self._events[since : self._said],
                self.slots.shared,
                conversation=self.tracker.sender_id,
                system_now=self.system,
            )
            self._refuse(self._observed.refused, metrics.BY_DOMAIN)
        return self._observed

    def has_outlived(self, slot: str) -> bool:
        """Return whether the profile kept a slot's value for a time only, which is over."""
        if self.profile is None or slot not in self.slots.shared or slot in self._refused:
            return False
        return self._runtime.retention.limits_slot(slot) and not self.profile.state(slot).held

    @property
    def busy(self) -> bool:
        """Whether a skill is running: a flow is on the stack, or a form is active."""
        return bool(self.tracker.stack) or bool((self.tracker.active_loop or {}).get("name"))

    @property
    def status(self) -> str:
        """How fetching went, in the words of `profile_status`."""
        return status.of_fetched(self.profile)

    async def sync(self) -> None:
        """Store what was observed, and fetch what is newer, in one submission."""
        try:
            observed = self.observed
        except Exception as error:  # noqa: BLE001 - events that nobody foresaw break no conversation
            failures.log(logger, f"{self.action} could not read the tracker's events", error)
            calls.went(calls.WITHOUT_PROFILE, metrics.EVENTS)
            return
        await self._submit(observed.writes, observed.releases, observed.newest)

    async def store(
        self, writes: Sequence[SlotWrite], releases: Sequence[Release]
    ) -> Collection[str]:
        """Store what the action itself wrote and released; return the slots that are refused."""
        return await self._submit(writes, releases, self.newest)

    @property
    def newest(self) -> float | None:
        """The time in seconds of the tracker's newest event; None when it has none."""
        return newest_time(self._events) or None

    async def _submit(
        self, writes: Sequence[SlotWrite], releases: Sequence[Release], clock: float | None
    ) -> Collection[str]:
        self.profile = None
        if self.key is None:
            return ()
        with tracing.span(tracing.SYNC) as span:
            if span.is_recording():
                self._runtime.observe()
            try:
                await self._link(self.key)
                outcome = await self._runtime.store.sync(
                    self.key, writes, releases, clock=clock or None
                )
            except ProfileStoreError as error:
                self._unavailable(error, span)
                return ()
            for slot, reason in outcome.refused.items():
                logger.warning("Slot %s is not stored: %s Other slots are.", slot, reason)
            self._refuse(outcome.refused, metrics.BY_STORE)
            for reason in outcome.profile.unreadable.values():
                _complain(reason)
            self.profile = outcome.profile
            if span.is_recording():
                span.set_attributes(
                    {
                        tracing.ACTION: self.action,
                        "profile_store.writes": len(writes),
                        "profile_store.releases": len(releases),
                        "profile_store.refused": len(outcome.refused),
                        "profile_store.slots": len(outcome.profile),
                    }
                )
            return outcome.refused

    def _refuse(self, slots: Collection[str], reason: str) -> None:
        self._refused.update(slots)
        if slots and self._runtime.meter is not None:
            self._runtime.meter.refused(reason, len(slots))

    async def _link(self, target: ProfileKey) -> None:
        """Bring along what was kept of the conversation while it was anonymous."""
        if (
            self._identity is None
            or not self._identity.was_anonymous
            or SENDER_ID not in self._runtime.settings.identity
        ):
            return
        try:
            source = ProfileKey(target.namespace, conversation_key(self.tracker.sender_id))
        except InvalidKey:
            return  # nothing can have been stored under it
        since = newest_time(self._events[: self._identity.known_from + 1])
        if source != target and not self._runtime.is_linked(source, target, since):
            with tracing.span(tracing.LINK):
                await self._runtime.store.link(source, target)
            self._runtime.remember_link(source, target, since)

    async def forget(self, slots: Collection[str] | None, at: float) -> Receipt | None:
        """Erase slots or the whole profile; None when it could not be done."""
        if self.key is None:
            return None
        with tracing.span(tracing.FORGET) as span:
            span.set_attribute(tracing.ACTION, self.action)
            try:
                await self._link(self.key)
                return await self._runtime.store.forget(self.key, slots, at=at, clock=self.newest)
            except ProfileStoreError as error:
                self._unavailable(error, span)
                return None

    def _unavailable(self, error: ProfileStoreError, span: tracing.Span) -> None:
        logger.warning("%s: the conversation goes on without its profile. %s", self.action, error)
        calls.went(calls.WITHOUT_PROFILE)
        tracing.fail(span, error)

    def hydration(
        self,
        *,
        explicit: bool = False,
        busy: bool | None = None,
        slots: Mapping[str, Any] | None = None,
        leave: Collection[str] = (),
    ) -> list[EventType]:
        """Return the slot events that bring the tracker to the profile.

        During an outage only what another user left in the slots is emptied.
        """
        now = self.tracker.slots if slots is None else slots
        with tracing.span(tracing.HYDRATE) as span:
            events = self._hydration(explicit, busy, now, leave)
            if events and (self._runtime.meter is not None or span.is_recording()):
                self._tell(events, now, span)
        return events

    def _tell(self, events: list[EventType], now: Mapping[str, Any], span: tracing.Span) -> None:
        """Count the slots that were given a value."""
        filled = [event["name"] for event in events if event["value"] is not None]
        if not filled:
            return
        back = recovered(self._events, filled, self.tracker.slots, now)
        if self._runtime.meter is not None:
            self._runtime.meter.hydrated(self.action, len(filled), back)
        span.set_attributes(
            {
                tracing.ACTION: self.action,
                "profile_store.hydrated": len(filled),
                "profile_store.recovered": back,
            }
        )

    def _hydration(
        self,
        explicit: bool,
        busy: bool | None,
        now: Mapping[str, Any],
        leave: Collection[str],
    ) -> list[EventType]:
        foreign = self._foreign_slots()
        events = [
            hydrated_slot(name, None)
            for name in sorted(foreign)
            if now.get(name) is not None
            and not (self.profile is not None and _comes_back(self.profile.state(name)))
        ]
        if self.profile is None:
            return events
        return [
            *events,
            *hydrate(
                self.profile,
                self.slots.shared,
                now,
                explicit=explicit,
                # a skill that another user began is none that this one is in
                busy=(self.busy if busy is None else busy) and not foreign,
                leave={*self._refused, *self._candidates, *leave},
            ),
        ]

    def _foreign_slots(self) -> set[str]:
        """Return the shared slots that another user of the same conversation filled last."""
        since = self._identity.since if self._identity else 0
        if not since:
            return set()
        theirs, own = (
            {event.name for event in part if event.kind == "slot"}
            for part in (self._events[:since], self._events[since:])
        )
        return {name for name in self.slots.shared if name in theirs and name not in own}

    def filled_by_this_message(self) -> set[str]:
        """Return the shared slots that Rasa is about to fill from the message at hand.

        An action that runs on every turn is called while Rasa extracts slots, and its events may
        be applied after those of this very message: it must not answer with older values.
        """
        for event in reversed(self._events):
            if event.kind == "user":
                break
            if event.kind == "action":
                return set()
        message = self.tracker.latest_message
        return {
            name
            for name, spec in self.slots.shared.items()
            if spec.mappings and spec.filled_by(message, self.busy)
        }

    def status_event(
        self, went: str | None = None, slots: Mapping[str, Any] | None = None
    ) -> list[EventType]:
        """Return the event that tells flows how it went, where the domain has a slot for it.

        `went` is how fetching went, unless another word is given.
        """
        if STATUS_SLOT not in self.slots:
            return []
        went = went or self.status
        before = (self.tracker.slots if slots is None else slots).get(STATUS_SLOT)
        return [] if before == went else [SlotSet(STATUS_SLOT, went)]
