"""How many slots a profile may hold."""

from __future__ import annotations

from collections.abc import Mapping

from profile_store.profile import Profile, SlotState


def within_limit(
    profile: Profile, news: Mapping[str, SlotState], max_slots: int, refused: dict[str, str]
) -> dict[str, SlotState]:
    """Return the news without the new slots that a full profile cannot take, and note those."""
    room = max_slots - len(profile.states)
    accepted = {}
    for slot, state in news.items():
        if slot not in profile.states:
            if room <= 0:
                refused[slot] = (
                    f"The profile holds {len(profile.states)} slots already, at most {max_slots} "
                    "are kept (profile_store.max_slots)."
                )
                continue
            room -= 1
        accepted[slot] = state
    return accepted
