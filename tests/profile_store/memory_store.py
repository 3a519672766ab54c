"""Profiles in memory: the smallest store that keeps every promise."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from profile_store import (
    Outcome,
    Profile,
    ProfileKey,
    ProfileStore,
    Receipt,
    Release,
    SlotState,
    SlotWrite,
    Source,
    StoreClosed,
    StoreSettings,
    arrivals,
    erasure,
    export,
    limits,
    linking,
    merge,
    retention,
    values,
)


class MemoryStore(ProfileStore):
    """Profiles in the memory of one process, which are gone when the store is closed."""

    def __init__(self, config: StoreSettings) -> None:
        self._config = config
        self._retention = retention.Retention(config.retention)
        self._lock = threading.Lock()  # event loops in several threads may call
        self._closed = False
        self._profiles: dict[ProfileKey, Profile] = {}
        self._histories: dict[ProfileKey, dict[tuple[str, float], SlotWrite]] = {}

    async def sync(
        self,
        key: ProfileKey,
        writes: Sequence[SlotWrite] = (),
        releases: Sequence[Release] = (),
        *,
        clock: float | None = None,
    ) -> Outcome:
        refused: dict[str, str] = {}
        news = arrivals.states(
            writes,
            releases,
            refused,
            clock=clock,
            now=time.time(),
            max_value_bytes=self._config.max_value_bytes,
        )
        news, late = self._retention.arriving(news, time.time())
        with self._in_use():
            changed = merge.changes(self._profile(key), news)
            profile = self._merge(key, self._within_limit(key, changed, refused))
            return Outcome(self._retention.seen(profile, time.time(), late), refused)

    async def forget(
        self,
        key: ProfileKey,
        slots: Collection[str] | None = None,
        *,
        at: float,
        clock: float | None = None,
    ) -> Receipt:
        for slot in slots or ():
            arrivals.check_slot(slot)
        at = arrivals.erased_at(at, clock=clock, now=time.time())
        with self._in_use():
            profile = self._profile(key)
            entries = [write for write in self._past(key) if slots is None or write.slot in slots]
            receipt = msgspec.structs.replace(
                erasure.receipt_for(key, profile, slots, at),
                history=len(entries),
                done_at=time.time(),
                bytes_gone=True,  # there are no files
            )
            at = receipt.erased_at
            if slots is not None:
                self._erase(key, dict.fromkeys(slots, at), Source())
                return receipt
            # A release that is newer stays: the write that it is for may be late.
            released = {
                slot: SlotState(written_at=at, erased=True, released_at=state.released_at)
                for slot, state in profile.states.items()
                if state.released_at > at
            }
            self._profiles[key] = Profile(released, at)
            self._histories.pop(key, None)
            return receipt

    async def link(self, source: ProfileKey, target: ProfileKey) -> Profile:
        with self._in_use():
            if source == target:
                return self._profile(target)
            there = self._profile(target)
            copied = self._profile(source).states
            refused: dict[str, str] = {}
            changed = merge.changes(there, linking.moved(copied, there))
            news = self._within_limit(target, changed, refused)
            held = {
                slot: state for slot, state in copied.items() if state.held and slot not in refused
            }
            past = linking.moved_history(self._past(source), held, self._past(target), there)
            linked = self._merge(target, news)
            self._remember(target, past)
            erasures = linking.erasures(held, self._profile(source))
            self._erase(source, erasures, linking.LINKED)
            return linked

    async def history(
        self, key: ProfileKey, slot: str | None = None, *, limit: int | None = 100
    ) -> list[SlotWrite]:
        if slot is not None:
            arrivals.check_slot(slot)
        with self._in_use():
            return [write for write in self._past(key) if slot in {None, write.slot}][:limit]

    async def export(self, key: ProfileKey) -> dict[str, Any]:
        with self._in_use():
            return export.as_json(key, self._profile(key), self._past(key))

    async def health(self) -> None:
        with self._in_use():
            return

    def close(self) -> None:
        self._closed = True

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        if self._closed:
            raise StoreClosed("The profile store is closed; make a new one.")
        with self._lock:
            yield

    def _profile(self, key: ProfileKey) -> Profile:
        """Return what is kept of a profile; what is past its time goes for good."""
        known = self._profiles.get(key)
        if known is None:
            return Profile()
        profile = self._profiles[key] = self._retention.seen(known, time.time())
        return profile

    def _past(self, key: ProfileKey) -> list[SlotWrite]:
        """Return what is kept of a profile's history, newest first; the rest goes, too."""
        known = self._histories.get(key, {})
        past = self._retention.history(known.values(), time.time())
        for write in set(known) - {(write.slot, write.written_at) for write in past}:
            del known[write]
        return sorted(past, key=lambda write: (-write.written_at, write.slot))

    def _within_limit(
        self, key: ProfileKey, news: Mapping[str, SlotState], refused: dict[str, str]
    ) -> Mapping[str, SlotState]:
        return limits.within_limit(self._profile(key), news, self._config.max_slots, refused)

    def _merge(self, key: ProfileKey, news: Mapping[str, SlotState]) -> Profile:
        """Merge states into a profile and its history, and return it."""
        profile = self._profiles[key] = merge.merge_profile(self._profile(key), news)
        self._remember(
            key,
            [
                SlotWrite(slot, state.value, state.written_at, state.source)
                for slot, state in news.items()
                if state.held
            ],
        )
        return profile

    def _remember(self, key: ProfileKey, writes: Sequence[SlotWrite]) -> None:
        """Put writes into a history; of two of one slot and time that which wins in a profile."""
        history = self._histories.setdefault(key, {})
        for write in writes:
            known = history.get((write.slot, write.written_at))
            if known is None or values.encode(known.value) < values.encode(write.value):
                history[write.slot, write.written_at] = write

    def _erase(self, key: ProfileKey, erasures: Mapping[str, float], source: Source) -> None:
        """Put tombstones in the place of slots, and forget their history up to them."""
        self._merge(
            key,
            {
                slot: SlotState(written_at=at, erased=True, source=source)
                for slot, at in erasures.items()
            },
        )
        history = self._histories.get(key, {})
        for slot, written_at in list(history):
            if written_at <= erasures.get(slot, 0.0):
                del history[slot, written_at]
