"""What the users and the assistant meant, read out of a tracker's events.

A tracker tells every change of its slots, but only some of them are meant: the table of which are
is in docs/merging.md, read off Rasa Open Source 3.6 and Rasa Pro 3.21.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from coexistence import tags
from coexistence.events import Event
from coexistence.shared_slots import SlotSpec
from coexistence.system import ROUTING_SLOT, System
from profile_store import Release, SlotWrite, Source

logger = logging.getLogger(__name__)

CLOCK_TOLERANCE = 300.0
"""Seconds that an event may be ahead of the newest one before its clock is taken for wrong."""

END_OF_TIME = 253_402_300_800.0
"""Seconds since 1970 to the year 10000; Python's JSON lets infinity through."""

TICK = 1e-6
"""Seconds between two writes that must not be at one time: more than a float's step since 1970."""

_TELLING = frozenset(
    {
        "session_started",
        "routing_session_ended",
        "restart",
        "reset_slots",
        "rewind",
        "undo",
    }
)
"""The other events that tell something about slots; of those that do not there are many."""


class Observation(msgspec.Struct, frozen=True):
    """The writes and releases of a session, and the time in seconds of its newest event (0: none).

    `refused` are the slots whose newest value is none for their type: they keep it in the
    tracker, and the profile keeps what it had.
    """

    writes: Sequence[SlotWrite] = ()
    releases: Sequence[Release] = ()
    newest: float = 0.0
    refused: frozenset[str] = frozenset()


def observe(
    events: Sequence[Event],
    shared: Mapping[str, SlotSpec],
    *,
    conversation: str | None = None,
    system_now: System = System.NONE,
) -> Observation:
    """Return what the events of a session wrote into its shared slots and what they released.

    Of several writes of one slot the last stays. An event order that contradicts the clock is
    believed: a later event gets a time after the earlier ones of its slot. A write without any
    routing event before it is put down to `system_now`.
    """
    scan = _Scan(events, shared)
    for index, event in enumerate(events):
        kind = event.kind
        if kind == "slot":
            slot = event.name
            if type(slot) is str and (slot in shared or slot == ROUTING_SLOT):
                scan.slot(index, event, slot)
        elif kind == "action":
            scan.action = event.name
            if event.name == "action_listen":
                scan.carrying_over = False
        elif kind == "user":
            # what is set before the next action was said by the user
            scan.action = None
            scan.carrying_over = False
        elif kind in _TELLING:
            scan.take(index, event)
    if scan.undone:
        return observe(
            _without_undone(events), shared, conversation=conversation, system_now=system_now
        )
    fallback = None if scan.routed else _name(system_now)
    # Most writes of a session have one source: it is checked and stored once.
    sources: dict[tuple[str | None, str | None], Source] = {}
    writes = []
    for slot, (value, at, system, action) in scan.writes.items():
        source = sources.get((system, action))
        if source is None:
            source = sources[system, action] = Source(system or fallback, action, conversation)
        writes.append(SlotWrite(slot, value, at, source))
    return Observation(
        writes=writes,
        releases=[Release(slot, at) for slot, at in scan.releases.items()],
        newest=scan.newest,
        refused=frozenset(scan.refused),
    )


def newest_time(events: Sequence[Event]) -> float:
    """Return the time in seconds of the last event that has a possible one, 0 without any."""
    for event in reversed(events):
        at = event.timestamp
        if isinstance(at, int | float) and not isinstance(at, bool) and 0 < at < END_OF_TIME:
            return float(at)
    return 0.0


def _name(system: System) -> str | None:
    return None if system is System.NONE else system.value


class _Scan:
    """The state of one pass over a session's events."""

    def __init__(self, events: Sequence[Event], shared: Mapping[str, SlotSpec]) -> None:
        self._events = events
        self._shared = shared
        self.newest = newest_time(events)
        self.writes: dict[str, tuple[Any, float, str | None, str | None]] = {}
        self.releases: dict[str, float] = {}
        self.refused: set[str] = set()
        self.routed = False
        self.undone = False
        self._times: dict[str, float] = {}
        self._holding: set[str] = set()
        self.carrying_over = False
        self._system: str | None = None
        self.action: Any = None
        """The name of the action that set what comes now, if it is one."""

    def take(self, index: int, event: Event) -> None:
        """Take any other event."""
        kind = event.kind
        if kind == "session_started":
            self.carrying_over = True
            self._holding.clear()
            self._system = None
        elif kind == "routing_session_ended":
            self.routed = True
            self._system = None
            self._holding = {slot for slot in self._holding if self._shared[slot].flagged}
        elif kind == "restart":
            self._holding.clear()
            self._system = None
        elif kind == "reset_slots":
            for slot in self._holding:
                self.releases[slot] = self._time_of(index, event, slot)
            self._holding.clear()
        elif kind in {"rewind", "undo"}:
            self.undone = True

    def slot(self, index: int, event: Event, slot: str) -> None:
        """Take the event of a shared slot, or of the routing slot."""
        if slot == ROUTING_SLOT:
            self.routed = True
            self._system = _name(System.of_slot(event.value))
            return
        if event.anonymized_at:
            return
        spec = self._shared[slot]
        value = event.value
        metadata = event.tags
        marked = tags.KEY in metadata
        if self.carrying_over or (marked and tags.is_hydration(metadata)):
            (self._holding.discard if value is None else self._holding.add)(slot)
            if value is None and not self.carrying_over:
                # It was erased: what this session wrote before must not come back, whatever clocks.
                self.writes.pop(slot, None)
            return
        if value is None or metadata.get("reset") is True:
            stored_at = tags.written_at(metadata) if marked else None
            self.releases[slot] = self._time_of(index, event, slot, stored_at)
            self._holding.discard(slot)
            self.refused.discard(slot)
            return
        self._holding.add(slot)
        reason = spec.refusal(value)
        if reason is not None:
            refuse(slot, reason)
            self.refused.add(slot)
            return
        self.refused.discard(slot)
        stored_at = tags.written_at(metadata) if marked else None
        at = self._time_of(index, event, slot, stored_at)
        by = self.action if isinstance(self.action, str) else None
        self.writes[slot] = (value, at, self._system, by)

    def _time_of(
        self, index: int, event: Event, slot: str, written_at: float | None = None
    ) -> float:
        at = event.timestamp
        if not isinstance(at, int | float) or isinstance(at, bool) or not at > 0:
            at = self.newest
        elif at > self.newest + CLOCK_TOLERANCE:
            at = self._next_credible(index)
        if written_at is not None and 0 < written_at <= at + CLOCK_TOLERANCE:
            at = written_at
        before = self._times.get(slot, 0.0)
        at = float(at) if at > before else before + TICK
        self._times[slot] = at
        return at

    def _next_credible(self, index: int) -> float:
        """Return the time of the next event whose clock was right: the same on every call."""
        for event in self._events[index + 1 :]:
            at = event.timestamp
            if (
                isinstance(at, int | float)
                and not isinstance(at, bool)
                and at <= self.newest + CLOCK_TOLERANCE
            ):
                return at
        return self.newest


def _without_undone(events: Sequence[Event]) -> list[Event]:
    """Return the events without the turns and actions that a later event undid, as Rasa does."""
    applied: list[Event] = []

    def back_to(kind: str) -> None:
        while applied:
            if applied.pop().kind == kind:
                return

    for event in events:
        if event.kind == "undo":
            back_to("action")
        elif event.kind == "rewind":
            back_to("user")
            back_to("action")
        else:
            applied.append(event)
    return applied


@lru_cache(maxsize=1024)
def refuse(slot: str, reason: str) -> None:
    """Log that a slot's value is not kept, without the value; once for each slot and reason."""
    logger.warning("Slot %s is not stored: %s. Other slots are.", slot, reason)
