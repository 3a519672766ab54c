"""What is kept about one user, as far as it can be read, as JSON objects and as tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from coexistence.commands import masking, printing
from profile_store import (
    Profile,
    ProfileKey,
    ProfileStore,
    SlotState,
    SlotWrite,
    ValueUnreadable,
    export,
    values,
)
from profile_store.exported import MASKED

_NO_VALUE = values.encode(None)


class Kept(msgspec.Struct, frozen=True):
    """A profile and its history, newest first; and why some of that cannot be read, by slot."""

    key: ProfileKey
    profile: Profile
    history: Sequence[SlotWrite] | None
    unreadable: dict[str, str]

    @property
    def is_known(self) -> bool:
        """Whether anything is kept, be it that everything was erased."""
        return bool(self.profile.states or self.profile.erased_at)


async def read(store: ProfileStore, key: ProfileKey, *, history: bool) -> Kept:
    """Return what is kept under a key; what cannot be read costs no other slot anything."""
    profile = await store.fetch(key)
    unreadable = dict(profile.unreadable)
    if not history:
        return Kept(key, profile, None, unreadable)
    try:
        return Kept(key, profile, await store.history(key, limit=None), unreadable)
    except ValueUnreadable:
        writes: list[SlotWrite] = []
    for slot in profile.states:
        try:
            writes += await store.history(key, slot, limit=None)
        except ValueUnreadable as error:
            unreadable.setdefault(slot, str(error))
    writes.sort(key=lambda write: (-write.written_at, write.slot))
    return Kept(key, profile, writes, unreadable)


def document(kept: Kept, sensitive: Collection[str]) -> dict[str, Any]:
    """Return it as an export has it, masked; an entry without a value says why."""
    readable = Profile(
        {slot: _readable(state) for slot, state in kept.profile.states.items()},
        kept.profile.erased_at,
    )
    made = export.as_json(kept.key, readable, kept.history or ())
    if kept.history is None:
        del made["history"]
    for slot, state in kept.profile.states.items():
        if state.unreadable:
            del made["slots"][slot]["value"]
            made["slots"][slot]["unreadable"] = state.unreadable
    return masking.masked(made, sensitive)


def _readable(state: SlotState) -> SlotState:
    if not state.unreadable:
        return state
    return msgspec.structs.replace(state, encoded=_NO_VALUE, unreadable="")


def show(made: dict[str, Any]) -> None:
    """Print such a document as tables."""
    title = f"{made['user_id']} (namespace {made['namespace']})"
    if made["erased_at"]:
        title += f", erased {printing.time(made['erased_at'])} UTC"
    _table(title, ({"slot": name, **slot} for name, slot in made["slots"].items()))
    if "history" in made:
        _table("History, newest first", made["history"])


def _table(title: str, entries: Any) -> None:
    printing.table(
        title,
        (
            "slot",
            "value",
            "written (UTC)",
            "released or erased (UTC)",
            "system",
            "action",
            "conversation",
        ),
        [
            (
                entry["slot"],
                _value(entry),
                "" if entry.get("erased") else printing.time(entry["written_at"]),
                _ended(entry),
                *(entry[name] or "" for name in ("system", "action", "conversation")),
            )
            for entry in entries
        ],
    )


def _ended(entry: dict[str, Any]) -> str:
    """Return since when a slot is asleep or erased; empty for one that was written since."""
    if entry.get("erased"):
        return f"erased {printing.time(entry['written_at'])}"
    released = entry.get("released_at")
    if released is None or released < (entry["written_at"] or 0.0):
        return ""
    return f"released {printing.time(released)}"


def _value(entry: dict[str, Any]) -> str:
    if entry.get(MASKED):
        return masking.MASK
    if "unreadable" in entry:
        return "(unreadable)"
    if entry.get("erased") or entry["written_at"] is None:
        return ""
    return printing.as_json(entry["value"]).decode().rstrip("\n")
