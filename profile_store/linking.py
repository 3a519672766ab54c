"""Linking: what is kept of one key moves to another, in two steps that may be repeated."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from profile_store import merge, rows, values, wiping
from profile_store.connection import transaction
from profile_store.limits import within_limit
from profile_store.profile import Profile, ProfileKey, SlotState, SlotWrite, Source
from profile_store.retention import Kept

logger = logging.getLogger(__name__)

LINKED = Source(action="link")
"""Tells the tombstone of a value that was linked away from one that a user asked for."""


def link(
    connection: sa.Connection,
    source: ProfileKey,
    target: ProfileKey,
    max_slots: int,
    kept: Kept,
) -> Profile:
    """Merge what is kept of a profile into another, erase what was merged, return the other."""
    read = kept.profile(rows.read_profiles(connection, [source])[source])
    held = {slot: state for slot, state in read.states.items() if state.held}
    sealed_past = rows.read_past(connection, source, kept) if held else []
    stuck = {
        **read.unreadable,
        **{write.slot: reason for write, reason in sealed_past if reason},
    }
    for slot, reason in sorted(stuck.items()):
        # It is sealed for whom it was kept of, and cannot be sealed anew for another.
        logger.error("%s It is not linked until it can be read.", reason)
        held.pop(slot, None)
    copied = {slot: state for slot, state in read.states.items() if slot not in stuck}
    past = [write for write, _ in sealed_past]
    refused: dict[str, str] = {}
    with transaction(connection):
        rows.lock(connection, [target])
        profile = kept.profile(rows.read_profiles(connection, [target])[target])
        arriving = merge.changes(profile, moved(copied, profile))
        news = within_limit(profile, arriving, max_slots, refused)
        held = {slot: state for slot, state in held.items() if slot not in refused}
        known = rows.read_past(connection, target, kept) if past else []
        if news:
            rows.write(connection, {target: news})
        rows.write_history(connection, target, new_history(past, held, known, profile))
        profile = merge.merge_profile(profile, news)
    if held:
        # A second transaction, so that the two users' rows may lie on two machines.
        with transaction(connection):
            rows.lock(connection, [source])
            current = rows.read_profiles(connection, [source])[source]
            rows.erase_slots(connection, source, erasures(held, current), LINKED)
            wiping.mark(connection)
    return profile


def moved(copied: Mapping[str, SlotState], target: Profile) -> dict[str, SlotState]:
    """Return what a link brings to a profile of what was copied from another."""
    return {slot: _moved(state, target.state(slot)) for slot, state in copied.items()}


def moved_history(
    past: Iterable[SlotWrite],
    held: Mapping[str, SlotState],
    known: Iterable[SlotWrite],
    target: Profile,
) -> list[SlotWrite]:
    """Return what a link brings to a profile's history, newest first as what is `known` of it.

    `past` is the other's history and `held` its values that move. What is older than the target's
    own history may be what the target has erased, and stays out.
    """
    begun = {write.slot: write.written_at for write in known}  # newest first: the oldest stays
    return [
        write
        for write in past
        if write.slot in held
        and write.written_at <= held[write.slot].written_at
        and write.written_at > begun.get(write.slot, target.state(write.slot).written_at)
    ]


def new_history(
    past: Iterable[SlotWrite],
    held: Mapping[str, SlotState],
    known: Sequence[tuple[SlotWrite, str]],
    target: Profile,
) -> list[SlotWrite]:
    """Return what of `moved_history` changes a history; `known` has why a write is unreadable."""
    theirs = {(write.slot, write.written_at): (write, reason) for write, reason in known}
    return [
        write
        for write in moved_history(past, held, [write for write, _ in known], target)
        if _wins(write, *theirs.get((write.slot, write.written_at), (None, "")))
    ]


def erasures(held: Mapping[str, SlotState], current: Profile) -> dict[str, float]:
    """Return which slots to erase where they were, each up to its time in seconds.

    Only what was copied: a write that came between stays for the next link.
    """
    return {slot: state.written_at for slot, state in held.items() if current.state(slot) == state}


def _wins(write: SlotWrite, there: SlotWrite | None, unreadable: str) -> bool:
    """Return whether a write belongs in the place of another of its time, as `merge` decides."""
    if there is None:
        return True
    return not unreadable and values.encode(write.value) > values.encode(there.value)


def _moved(state: SlotState, there: SlotState) -> SlotState:
    """Return what a link brings of one slot to where it may have been linked away from before."""
    if not state.held:
        return SlotState(released_at=state.released_at)
    if there.erased and there.source == LINKED and there.written_at >= state.written_at:
        # Nobody meant that tombstone for this value: it comes back in the moment after it.
        return msgspec.structs.replace(state, written_at=math.nextafter(there.written_at, math.inf))
    return state
