"""What importing an export changes in a profile, before anything is written.

Slots by the rule that decides between any two writes. What is older than a slot's own history may
be what was erased there, and stays out of it, as it does when profiles are linked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from profile_store import errors, linking, merge
from profile_store.exported import Exported
from profile_store.limits import within_limit
from profile_store.profile import NEVER, Profile, ProfileKey, SlotState, SlotWrite

Past = Sequence[tuple[SlotWrite, str]]
"""A history with the reasons why values in it cannot be read."""


class Change(msgspec.Struct, frozen=True):
    """What importing changes in a profile; times are seconds, 0 where nothing happens.

    `erased_at` is the erasure that covers more than before, `covered` are the slots whose history
    up to a time goes.
    """

    erased_at: float
    news: Mapping[str, SlotState]
    covered: Mapping[str, float]
    history: Sequence[SlotWrite]
    refused: Mapping[str, str]

    @property
    def changes(self) -> bool:
        """Whether anything does."""
        return bool(self.erased_at or self.news or self.covered or self.history)

    @property
    def erases(self) -> bool:
        """Whether something that was kept may go for good."""
        erased = any(state.erased for state in self.news.values())
        return bool(self.erased_at or self.covered) or erased


def plan(profile: Profile, past: Past, arriving: Exported, max_slots: int) -> Change:
    """Return what importing changes in a profile with a history."""
    refused = dict(arriving.refused)
    erased_at = arriving.erased_at if arriving.erased_at > profile.erased_at else NEVER
    if erased_at:
        profile = _erased(profile, erased_at)
        past = [(write, reason) for write, reason in past if write.written_at > erased_at]
    news = {
        slot: state
        for slot, state in merge.changes(profile, arriving.states).items()
        if slot in profile.states or not _is_covered(state, profile.erased_at)
    }
    news = within_limit(profile, news, max_slots, refused)
    covered = {
        slot: state.written_at
        for slot, state in arriving.states.items()
        if state.erased
        and any(write.slot == slot and write.written_at <= state.written_at for write, _ in past)
    }
    held = {
        slot: state for slot, state in arriving.states.items() if state.held and slot not in refused
    }
    history = linking.new_history(arriving.history, held, past, profile)
    return Change(erased_at, news, covered, history, refused)


def _erased(profile: Profile, at: float) -> Profile:
    """Return a profile after an erasure of what is not newer; a newer release stays."""
    states = {
        slot: state
        if state.written_at > at
        else SlotState(written_at=at, erased=True, released_at=state.released_at)
        for slot, state in profile.states.items()
        if max(state.written_at, state.released_at) > at
    }
    return Profile(states, at)


def _is_covered(state: SlotState, erased_at: float) -> bool:
    """Return whether an erasure of the whole profile says all that a state says."""
    return state.erased and max(state.written_at, state.released_at) <= erased_at


def place(arriving: Exported, namespace: str, hashed_with: str | None) -> ProfileKey | None:
    """Return the key under which a profile with a hashed id is stored; None for a plain id.

    Raises:
        InvalidExport: when nobody could find it there.
    """
    hashed = arriving.hashed
    if hashed is None or not hashed.user_id:
        return None
    if hashed.key != hashed_with:
        raise errors.InvalidExport(
            "hashed: its user id is a hash of another profile_store.user_id_key, under which "
            "nobody would find it; import it where that key is set."
        )
    if namespace != arriving.key.namespace:
        raise errors.InvalidExport(
            "hashed: its user id is a hash within its own namespace, and cannot go to another."
        )
    return arriving.key
