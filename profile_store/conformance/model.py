"""A small, slow and obvious model of a profile store, to compare the real ones with."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict

from profile_store import Profile, Release, SlotWrite


@dataclasses.dataclass(frozen=True)
class Row:
    """What is known of one slot; a link leaves a tombstone that nobody meant as an erasure."""

    written_at: float = 0.0
    erased: bool = False
    encoded: bytes = b""
    released_at: float = 0.0
    linked: bool = False

    def merged_with(self, new: Row) -> Row:
        newer = (new.written_at, new.erased, new.encoded) > (
            self.written_at, self.erased, self.encoded
        )  # fmt: skip
        return dataclasses.replace(
            new if newer else self, released_at=max(self.released_at, new.released_at)
        )


class User:
    """One user's profile, with every erasure there ever was."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.erased_at = 0.0
        self._erasures: dict[str, float] = defaultdict(float)

    def row(self, slot: str) -> Row:
        implied = Row(self.erased_at, erased=True) if self.erased_at else Row()
        return self.rows.get(slot, implied)

    def last_erasure(self, slot: str) -> float:
        return max(self.erased_at, self._erasures[slot])

    def sync(self, writes: list[SlotWrite], releases: list[Release]) -> None:
        for write in writes:
            self.put(write.slot, Row(write.written_at, encoded=json.dumps(write.value).encode()))
        for release in releases:
            self.put(release.slot, Row(released_at=release.released_at))

    def put(self, slot: str, new: Row) -> None:
        before = self.row(slot)
        after = before.merged_with(new)
        if after != before:
            self.rows[slot] = after

    def forget(self, slots: set[str] | None, at: float) -> float:
        covered = set(self.rows) if slots is None else slots
        at = max([at, *(self.row(slot).written_at for slot in covered)])
        if slots is None:
            at = self.erased_at = max(self.erased_at, at)
            self.rows = {
                slot: Row(at, erased=True, released_at=row.released_at)
                for slot, row in self.rows.items()
                if row.released_at > at
            }
        else:
            for slot in slots:
                self.erase(slot, Row(at, erased=True))
        return at

    def erase(self, slot: str, tombstone: Row) -> None:
        self._erasures[slot] = max(self._erasures[slot], tombstone.written_at)
        self.put(slot, tombstone)

    def link_to(self, target: User) -> None:
        for slot, row in list(self.rows.items()):
            there = target.row(slot)
            if not row.encoded:
                target.put(slot, Row(released_at=row.released_at))
                continue
            moved_at = row.written_at
            if there.linked and there.written_at >= moved_at:
                moved_at = math.nextafter(there.written_at, math.inf)
            target.put(slot, dataclasses.replace(row, written_at=moved_at))
            self.erase(slot, Row(row.written_at, erased=True, linked=True))

    def seen(self) -> dict[str, tuple[object, float, bool]]:
        """Return what a fetch shows: each slot's value, its time, and whether it is asleep."""
        return {
            slot: (json.loads(row.encoded), row.written_at, row.released_at >= row.written_at)
            for slot, row in self.rows.items()
            if row.encoded
        }


def seen(profile: Profile) -> dict[str, tuple[object, float, bool]]:
    """Return the same of a real profile."""
    return {
        slot: (value, profile.state(slot).written_at, profile.state(slot).released)
        for slot, value in profile.items()
    }
