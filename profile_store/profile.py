"""Profiles: what is kept about one user, slot by slot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from profile_store import errors, values

MAX_NAMESPACE = 64
MAX_USER_ID = 255
MAX_SLOT_NAME = 255

MAX_SYSTEM = 16
MAX_SOURCE = 255

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

NEVER = 0.0
"""The `written_at` of a slot that was never written, in seconds: older than any write."""


def check_key_part(what: str, text: object, longest: int) -> None:
    """Return when a text can be part of a key on every database.

    Raises:
        InvalidKey: when it is empty or too long, or holds a NUL or an unpaired surrogate.
    """
    if not isinstance(text, str) or not text:
        raise errors.InvalidKey(f"The {what} is empty or not text; give every profile one.")
    if len(text) > longest:
        raise errors.InvalidKey(
            f"The {what} has {len(text)} characters, at most {longest} are kept; "
            "use a shorter id, for instance a hash of it."
        )
    # PostgreSQL keeps no NUL in text, and no database keeps half of a surrogate pair.
    if "\0" in text or (not text.isascii() and _SURROGATE.search(text)):
        raise errors.InvalidKey(
            f"The {what} holds a NUL or half a surrogate pair, which databases cannot keep; "
            "remove it before it reaches Rasa."
        )


class ProfileKey(msgspec.Struct, frozen=True, gc=False, order=True):
    """Whose profile: a namespace (one assistant, or several that share profiles) and a user id.

    Raises:
        InvalidKey: when the namespace (64 characters) or the user id (255) is empty or too long,
            or holds a NUL or an unpaired surrogate.
    """

    namespace: str
    user_id: str

    def __post_init__(self) -> None:
        check_key_part("namespace", self.namespace, MAX_NAMESPACE)
        check_key_part("user id", self.user_id, MAX_USER_ID)


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where a write came from: the system, the action and the conversation, as far as known."""

    system: str | None = None
    action: str | None = None
    conversation: str | None = None

    def keepable(self) -> Source:
        """Return it as every database can keep it: a source that is odd loses no write."""
        system = _cut(self.system, MAX_SYSTEM)
        action = _cut(self.action, MAX_SOURCE)
        conversation = _cut(self.conversation, MAX_SOURCE)
        if system is self.system and action is self.action and conversation is self.conversation:
            return self
        return Source(system, action, conversation)


def _cut(text: str | None, longest: int) -> str | None:
    if text is None or (len(text) <= longest and text.isascii() and "\0" not in text):
        return text
    return _UNKEEPABLE.sub(_REPLACEMENT, text[:longest])


UNKNOWN_SOURCE = Source()


class SlotWrite(msgspec.Struct, frozen=True, gc=False):
    """A value that somebody meant a slot to have, at `written_at` seconds on the writer's clock."""

    slot: str
    value: Any
    written_at: float
    source: Source = UNKNOWN_SOURCE


class Release(msgspec.Struct, frozen=True, gc=False):
    """A slot was deliberately let go of at `released_at` seconds; its value is kept, asleep."""

    slot: str
    released_at: float


class SlotState(msgspec.Struct, frozen=True, gc=False):
    """What is known of one slot: the newest write or erasure, and the newest release.

    `encoded` is the value as JSON in UTF-8, empty where there is none; an erased slot has none.
    Times are seconds since 1970 on the writers' clocks; 0 where the thing never happened.
    `unreadable` tells why a value cannot be read: there is one, and `encoded` is what is stored.
    """

    encoded: bytes = b""
    written_at: float = NEVER
    erased: bool = False
    released_at: float = NEVER
    source: Source = UNKNOWN_SOURCE
    unreadable: str = ""

    @property
    def value(self) -> Any:
        """The slot's value as JSON objects; None where there is none.

        Raises:
            ValueUnreadable: when there is one that cannot be read; the message names the slot.
        """
        if self.unreadable:
            raise errors.ValueUnreadable(self.unreadable)
        return values.decode(self.encoded) if self.encoded else None

    @property
    def held(self) -> bool:
        """Whether there is a value, asleep or not."""
        return bool(self.encoded)

    @property
    def released(self) -> bool:
        """Whether there is a value that only an explicit fetch brings back."""
        return self.held and self.released_at >= self.written_at

    @property
    def live(self) -> bool:
        """Whether there is a value that hydration brings back by itself."""
        return self.held and self.released_at < self.written_at


ABSENT = SlotState()


class Profile(Mapping[str, Any]):
    """What is kept about one user: a mapping of slot names to values, and how they came about.

    The mapping holds every value, released ones too. To ask for one that cannot be read (a key is
    missing, or the row was tampered with) raises `ValueUnreadable`, which names the slot.
    `erased_at` is the time in seconds of the newest erasure of the whole profile, 0 where there
    was none.
    """

    __slots__ = ("_unreadable", "erased_at", "states")

    def __init__(
        self, states: Mapping[str, SlotState] | None = None, erased_at: float = NEVER
    ) -> None:
        self.states: Mapping[str, SlotState] = states or {}
        self.erased_at = erased_at
        self._unreadable: dict[str, str] | None = None

    def state(self, slot: str) -> SlotState:
        """Return what is known of a slot; an erased profile has erased every slot it lacks."""
        found = self.states.get(slot)
        if found is not None:
            return found
        if self.erased_at > NEVER:
            return SlotState(written_at=self.erased_at, erased=True)
        return ABSENT

    @property
    def unreadable(self) -> Mapping[str, str]:
        """The slots whose values cannot be read, and why."""
        if self._unreadable is None:
            self._unreadable = {
                slot: state.unreadable for slot, state in self.states.items() if state.unreadable
            }
        return self._unreadable

    def __getitem__(self, slot: str) -> Any:
        found = self.states.get(slot)
        if found is None or not found.held:
            raise KeyError(slot)
        return found.value

    def __iter__(self) -> Iterator[str]:
        return (slot for slot, state in self.states.items() if state.held)

    def __len__(self) -> int:
        return sum(state.held for state in self.states.values())

    def __repr__(self) -> str:
        # names only: a profile in a log line or a traceback must not show what a user said
        return f"<Profile of {sorted(self)}>"


class Outcome(msgspec.Struct, frozen=True):
    """What a `sync` or `store` came to: the merged profile, and the refused slots with reasons."""

    profile: Profile
    refused: Mapping[str, str] = {}


class Receipt(msgspec.Struct, frozen=True):
    """What an erasure removed: the slots that held a value, up to the time `erased_at`.

    `history` counts the entries of the history that went with them. `done_at` is when, in seconds
    on the database's clock. `bytes_gone` tells that no file of the database holds any of it any
    more; where that is not known, `remains` says in words what is left to be done, and by whom.
    """

    key: ProfileKey
    slots: tuple[str, ...]
    erased_at: float
    history: int = 0
    done_at: float = NEVER
    bytes_gone: bool = False
    remains: str = ""
