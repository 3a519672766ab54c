"""The merge rule: per slot, the newest deliberate write wins.

A profile is a last-writer-wins map. Merging is commutative, associative and idempotent, so that
retries, replays, two devices at once and any order of arrival end in the same profile. The upsert
in `statements` enforces the same rule inside the database.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from profile_store.profile import Profile, SlotState


def rank(state: SlotState) -> tuple[float, bool, bytes]:
    """Return what decides between two states: the time, then an erasure first, then the bytes."""
    return state.written_at, state.erased, state.encoded


def _stays(one: SlotState, other: SlotState) -> bool:
    if (one.unreadable or other.unreadable) and one.written_at == other.written_at:
        return one.erased >= other.erased
    return rank(one) >= rank(other)


def merge(one: SlotState, other: SlotState) -> SlotState:
    """Return the state that both orders of arrival of two states end in.

    What cannot be read cannot be compared: of two values at one time, `one` stays if either is so.
    """
    winner = one if _stays(one, other) else other
    released_at = max(one.released_at, other.released_at)
    if winner.released_at == released_at:
        return winner
    return msgspec.structs.replace(winner, released_at=released_at)


def merge_profile(profile: Profile, news: Mapping[str, SlotState]) -> Profile:
    """Return a profile with newly arrived states in it; what an older erasure covers stays out."""
    if not news:
        return profile
    states = dict(profile.states)
    for slot, state in news.items():
        states[slot] = merge(profile.state(slot), state)
    return Profile(states, profile.erased_at)


def changes(profile: Profile, news: Mapping[str, SlotState]) -> dict[str, SlotState]:
    """Return the states that merging would change, as they will be after it."""
    changed = {}
    for slot, state in news.items():
        before = profile.state(slot)
        if state.written_at > before.written_at and state.released_at >= before.released_at:
            changed[slot] = state  # nearly always: somebody has said something new
            continue
        after = merge(before, state)
        if after is not before and after != before:
            changed[slot] = after
    return changed
