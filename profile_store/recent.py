"""The profiles that were used last, for a database that tells whether anybody else has written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from profile_store.profile import Profile, ProfileKey

MAX_SLOTS = 42_000
"""Slots kept in all, a profile counted as one more: of 2,000 profiles with 20 each, about 20 MB."""

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of values kept in all."""


_INFO = "recent profiles"


def of(connection: sa.Connection) -> RecentProfiles:
    """Return a connection's own: versions of two connections cannot be compared."""
    kept: RecentProfiles | None = connection.info.get(_INFO)
    if kept is None:
        kept = connection.info[_INFO] = RecentProfiles()
    return kept


class RecentProfiles:
    """Profiles as of one version of the database; of another version nothing is known."""

    def __init__(self) -> None:
        self._profiles: OrderedDict[ProfileKey, tuple[Profile, int]] = OrderedDict()
        self._version: int | None = None
        self._slots = 0
        self._bytes = 0

    def get(self, keys: Collection[ProfileKey], version: int) -> dict[ProfileKey, Profile]:
        """Return those of some profiles that are known as of a version."""
        if version != self._version:
            self.clear()
            self._version = version
        found = {}
        for key in keys:
            kept = self._profiles.get(key)
            if kept is not None:
                self._profiles.move_to_end(key)
                found[key] = kept[0]
        return found

    def peek(self, key: ProfileKey) -> Profile | None:
        """Return a profile that is known, as of whatever version."""
        kept = self._profiles.get(key)
        if kept is None:
            return None
        self._profiles.move_to_end(key)
        return kept[0]

    def are_of(self, version: int) -> bool:
        """Return whether all that is known is so as of a version."""
        return version == self._version

    def put(self, profiles: Mapping[ProfileKey, Profile]) -> None:
        """Keep some profiles, and let go of those that were not used for longest."""
        for key, profile in profiles.items():
            before = self._profiles.get(key)
            if before is not None and before[0] is profile:
                continue
            self.discard(key)
            size = sum([len(state.encoded) for state in profile.states.values()])
            self._profiles[key] = profile, size
            self._slots += 1 + len(profile.states)
            self._bytes += size
        while self._profiles and (self._slots > MAX_SLOTS or self._bytes > MAX_BYTES):
            self.discard(next(iter(self._profiles)))

    def discard(self, key: ProfileKey) -> None:
        """Forget a profile, for it has changed."""
        profile, size = self._profiles.pop(key, (None, 0))
        if profile is not None:
            self._slots -= 1 + len(profile.states)
            self._bytes -= size

    def clear(self) -> None:
        """Forget them all."""
        self._profiles.clear()
        self._slots = self._bytes = 0
