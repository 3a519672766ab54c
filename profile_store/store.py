"""What a profile store can do, whatever keeps the profiles."""

from __future__ import annotations

import abc
from collections.abc import Collection, Sequence
from typing import Any

from profile_store.profile import Outcome, Profile, ProfileKey, Receipt, Release, SlotWrite


class ProfileStore(abc.ABC):
    """A database of profiles. Every method may be called from any event loop, at any time.

    What is older than `retention` allows is not there for any of them.

    Each answers after its commit. Every method raises:

        StoreUnavailable: the database did not answer, or not in time (`profile_store.timeout`
            seconds). What was to be written may have been: writing it again does no harm.
        StoreClosed: after `close`.
    """

    async def fetch(self, key: ProfileKey) -> Profile:
        """Return what is kept about a user; empty for one who is not known."""
        outcome = await self.sync(key)
        return outcome.profile

    async def store(
        self,
        key: ProfileKey,
        writes: Sequence[SlotWrite] = (),
        releases: Sequence[Release] = (),
        *,
        clock: float | None = None,
    ) -> Outcome:
        """Merge writes and releases into a profile, and return the merged profile."""
        return await self.sync(key, writes, releases, clock=clock)

    @abc.abstractmethod
    async def sync(
        self,
        key: ProfileKey,
        writes: Sequence[SlotWrite] = (),
        releases: Sequence[Release] = (),
        *,
        clock: float | None = None,
    ) -> Outcome:
        """Merge writes and releases into a profile and return it, in one submission.

        `clock` is what the writer's clock showed, in seconds, when the newest of it happened: a
        clock that is more than five minutes ahead of the database's is set back by as much. A
        write that is not JSON, too large or one too many for the profile is refused, named in the
        outcome, and keeps no other from being stored.
        """

    @abc.abstractmethod
    async def forget(
        self,
        key: ProfileKey,
        slots: Collection[str] | None = None,
        *,
        at: float,
        clock: float | None = None,
    ) -> Receipt:
        """Erase slots, or the whole profile, with their history; tombstones stay.

        `at` is in seconds on the writer's clock, and `clock` what that showed last, as in `sync`.
        The receipt names the slots that held a value, counts what went from the history, and tells
        whether the bytes are gone or what remains to be done. All that is stored goes, even what
        claims to be newer; writes that arrive later count again when they are newer than the
        erasure.
        """

    @abc.abstractmethod
    async def link(self, source: ProfileKey, target: ProfileKey) -> Profile:
        """Merge one profile into another, erase what was merged, and return the other.

        In two steps that may be repeated at any time: a crash between them loses nothing.
        """

    @abc.abstractmethod
    async def history(
        self, key: ProfileKey, slot: str | None = None, *, limit: int | None = 100
    ) -> list[SlotWrite]:
        """Return the writes that changed a profile, newest first; never an erased one.

        Raises:
            ValueUnreadable: when one of them cannot be read; the message names its slot.
        """

    @abc.abstractmethod
    async def export(self, key: ProfileKey) -> dict[str, Any]:
        """Return all that is kept about a user, as JSON objects: slots, history and tombstones.

        Raises:
            ValueUnreadable: when a value cannot be read; the message names its slot.
        """

    @abc.abstractmethod
    async def health(self) -> None:
        """Return when the database answers and its tables are of this version.

        Raises:
            SchemaOutdated: the tables are missing or of another version.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Serve what waits, then close the connection. May be called twice."""
