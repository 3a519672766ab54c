"""Linking: what is kept of one key moves to another, in two steps that may be repeated."""

from __future__ import annotations

import math

import msgspec
import sqlalchemy as sa

from profile_store import merge, rows
from profile_store.connection import transaction
from profile_store.limits import within_limit
from profile_store.profile import Profile, ProfileKey, SlotState, Source

LINKED = Source(action="link")
"""Tells the tombstone of a value that was linked away from one that a user asked for."""


def link(
    connection: sa.Connection, source: ProfileKey, target: ProfileKey, max_slots: int
) -> Profile:
    """Merge a profile into another, erase what was merged, and return the other."""
    copied = rows.read_profiles(connection, [source])[source].states
    held = {slot: state for slot, state in copied.items() if state.held}
    past = rows.read_history(connection, source, None, None) if held else []
    refused: dict[str, str] = {}
    with transaction(connection):
        rows.lock(connection, [target])
        profile = rows.read_profiles(connection, [target])[target]
        moved = {slot: _moved(state, profile.state(slot)) for slot, state in copied.items()}
        news = within_limit(profile, merge.changes(profile, moved), max_slots, refused)
        known = rows.read_history(connection, target, None, None) if past else []
        begun = {write.slot: write.written_at for write in known}  # newest first: the oldest stays
        if news:
            rows.write(connection, {target: news})
        rows.write_history(
            connection,
            target,
            [
                write
                for write in past
                if write.slot in held
                and write.slot not in refused
                and write.written_at <= held[write.slot].written_at
                and write.written_at > begun.get(write.slot, profile.state(write.slot).written_at)
            ],
        )
        profile = merge.merge_profile(profile, news)
    if held:
        # A second transaction, so that the two users' rows may lie on two machines. Only what
        # was copied is erased: a write that came between stays for the next link.
        with transaction(connection):
            rows.lock(connection, [source])
            current = rows.read_profiles(connection, [source])[source]
            erasures = {
                slot: state.written_at
                for slot, state in held.items()
                if slot not in refused and current.state(slot) == state
            }
            rows.erase_slots(connection, source, erasures, LINKED)
    return profile


def _moved(state: SlotState, there: SlotState) -> SlotState:
    """Return what a link brings of one slot to where it may have been linked away from before."""
    if not state.held:
        return SlotState(released_at=state.released_at)
    if there.erased and there.source == LINKED and there.written_at >= state.written_at:
        # Nobody meant that tombstone for this value: it comes back in the moment after it.
        return msgspec.structs.replace(state, written_at=math.nextafter(there.written_at, math.inf))
    return state
