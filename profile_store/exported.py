"""What an export wrote, read again: one profile as JSON objects, checked field by field.

A slot without its value is what masks it: there is nothing that could be taken for one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from profile_store import arrivals, errors, values
from profile_store.profile import (
    NEVER,
    ProfileKey,
    SlotState,
    SlotWrite,
    Source,
)

MASKED = "masked"
"""The field that tells that a value was left out, and in a profile the names of such slots."""

HASHED = "hashed"
"""The field that tells whose key hashed a profile's ids."""


class Hashed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"key": "with"}):
    """That a profile's ids are hashes: of which key, by its fingerprint, and the user's, too?"""

    key: str
    user_id: bool


class _Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    value: Any = msgspec.UNSET
    masked: bool = False
    system: str | None = None
    action: str | None = None
    conversation: str | None = None

    @property
    def source(self) -> Source:
        return Source(self.system, self.action, self.conversation)


class _Slot(_Origin, frozen=True, forbid_unknown_fields=True):
    written_at: float | None = None
    released_at: float | None = None
    erased: bool = False


class _Write(_Origin, frozen=True, forbid_unknown_fields=True, kw_only=True):
    slot: str
    written_at: float


class _Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    namespace: str
    user_id: str
    slots: dict[str, Any]
    erased_at: float | None = None
    history: list[Any] = []
    masked: list[str] = []
    hashed: Hashed | None = None


class Exported(msgspec.Struct, frozen=True):
    """A profile as it was exported; what of it cannot be imported is told slot by slot.

    `history` is newest first or in any other order. `hashed` is None for ids that are none.
    """

    key: ProfileKey
    erased_at: float
    states: Mapping[str, SlotState]
    history: list[SlotWrite]
    refused: Mapping[str, str]
    hashed: Hashed | None


def read(document: object, *, now: float, max_value_bytes: int) -> Exported:
    """Return the profile that an export described.

    `now` is the time on the database's clock in seconds: what is more than five minutes ahead of
    it is refused, for it would freeze a slot.

    Raises:
        InvalidExport: naming the field that is missing or impossible, never what it holds.
    """
    found = _convert(document, _Profile, "")
    try:
        key = ProfileKey(found.namespace, found.user_id)
    except errors.InvalidKey as error:
        raise errors.InvalidExport(f"namespace, user_id: {error}") from None
    reading = _Reading(now + arrivals.CLOCK_TOLERANCE, max_value_bytes)
    reading.refused.update(dict.fromkeys(found.masked, _IS_MASKED))
    erased_at = NEVER if found.erased_at is None else reading.time(found.erased_at, "erased_at")
    if erased_at > reading.latest:
        raise errors.InvalidExport(f"erased_at: {_AHEAD}")
    states = {name: reading.slot(name, slot) for name, slot in found.slots.items()}
    history = [reading.write(index, write) for index, write in enumerate(found.history)]
    return Exported(
        key,
        erased_at,
        {slot: state for slot, state in states.items() if slot not in reading.refused},
        [write for write in history if write.slot not in reading.refused],
        reading.refused,
        found.hashed,
    )


_IS_MASKED = "it is masked; export with --reveal what is to be imported."
_AHEAD = "it is ahead of the database's clock; look at the clocks."


class _Reading:
    def __init__(self, latest: float, max_value_bytes: int) -> None:
        self.latest = latest
        self.refused: dict[str, str] = {}
        self._max_value_bytes = max_value_bytes

    def slot(self, name: str, written: object) -> SlotState:
        try:
            arrivals.check_slot(name)
        except errors.InvalidKey as error:
            raise errors.InvalidExport(f"slots: {error}") from None
        where = f"slots.{name}"
        slot = _convert(written, _Slot, where)
        released_at = self._optional(slot.released_at, f"{where}.released_at")
        written_at = self._optional(slot.written_at, f"{where}.written_at")
        if max(written_at, released_at) > self.latest:
            self.refused[name] = _AHEAD
        if slot.erased or not written_at:
            if slot.value is not None and slot.value is not msgspec.UNSET:
                raise errors.InvalidExport(
                    f"{where}.value: a slot that was erased or never written has none."
                )
            if slot.erased and not written_at:
                raise errors.InvalidExport(f"{where}.written_at: missing; when was it erased?")
            return SlotState(
                written_at=written_at,
                erased=slot.erased,
                released_at=released_at,
                source=slot.source.keepable(),
            )
        encoded = self._value(name, slot, where)
        return SlotState(
            encoded, written_at, released_at=released_at, source=slot.source.keepable()
        )

    def write(self, index: int, written: object) -> SlotWrite:
        where = f"history[{index}]"
        write = _convert(written, _Write, where)
        at = self.time(write.written_at, f"{where}.written_at")
        self._value(write.slot, write, where)
        return SlotWrite(write.slot, write.value, at, write.source.keepable())

    def time(self, at: float, where: str) -> float:
        if not NEVER < at < math.inf:
            raise errors.InvalidExport(f"{where}: not a number of seconds since 1970.")
        return at

    def _optional(self, at: float | None, where: str) -> float:
        return NEVER if at is None else self.time(at, where)

    def _value(self, slot: str, written: _Origin, where: str) -> bytes:
        """Return a value as it is kept; a slot with one that cannot be is refused."""
        if written.masked:
            self.refused[slot] = _IS_MASKED
            return b""
        if written.value is msgspec.UNSET:
            raise errors.InvalidExport(f"{where}.value: missing.")
        try:
            encoded = values.encode(written.value)
        except errors.InvalidValue as error:
            self.refused[slot] = str(error)
            return b""
        if len(encoded) > self._max_value_bytes:
            self.refused[slot] = (
                f"a value has {len(encoded)} bytes as JSON, at most {self._max_value_bytes} "
                "are kept (profile_store.max_value_bytes)."
            )
        return encoded


Form = TypeVar("Form")


def _convert(written: object, form: type[Form], where: str) -> Form:
    try:
        return msgspec.convert(written, form)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        field = f"{where}{path.rstrip('`')}".lstrip(".") or "the line"
        raise errors.InvalidExport(f"{field}: {problem.replace('`', '')}.") from None
