"""The words of `profile_status`: how it went with the profile, for flows to branch on."""

from __future__ import annotations

from profile_store import Profile

LOADED = "loaded"
EMPTY = "empty"
STORED = "stored"
UNAVAILABLE = "unavailable"


def of_fetched(profile: Profile | None) -> str:
    """Return how fetching went that came to a profile; None for an outage."""
    if profile is None:
        return UNAVAILABLE
    held = len(profile)
    if not held:
        return EMPTY
    return UNAVAILABLE if len(profile.unreadable) == held else LOADED
