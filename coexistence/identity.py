"""Who a conversation is with: the settings' `identity`, an ordered list, first present wins."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rasa_sdk import Tracker

from coexistence.events import Event

if TYPE_CHECKING:
    from coexistence.signed_tokens import SignedTokens

USER_ID = "user_id"
SENDER_ID = "sender_id"
JWT = "jwt"
METADATA_PREFIX = "metadata:"
_SESSION_METADATA_SLOT = "session_started_metadata"


told_user_id: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "told_user_id", default=None
)
"""The `user_id` of the tracker in the body at hand, which SDKs before 3.16 drop."""


class Identity(NamedTuple):
    """Who the user is, and which of the tracker's events are theirs.

    `user_id` is what the profile is kept under: a conversation's id is marked as one, so that
    nobody gets at a user's profile by calling a conversation like the user. `since` is the index
    of the first event that may be theirs: when the identity in the metadata changed from one user
    to another (a shared device), what came before is not. `known_from` is the index of the event
    that brought the id to a conversation that had begun without it, 0 for one that had not.
    """

    user_id: str
    since: int = 0
    known_from: int = 0

    @property
    def was_anonymous(self) -> bool:
        """Whether the conversation began without the id that it has now."""
        return self.known_from > 0


def identify(
    tracker: Tracker,
    events: Sequence[Event],
    rules: Sequence[str],
    tokens: SignedTokens | None = None,
) -> Identity | None:
    """Return who a tracker's conversation is with, None when no rule finds anybody.

    Never a slot that the user can fill by talking: `user_id` is Rasa's (from the message
    metadata, its first value), `sender_id` the conversation's id, `metadata:<key>` the newest
    message's that has the key, `jwt` the newest message's that has a token.

    Raises:
        TokenRefused: when that token is not valid now. No later rule is tried: who sends a bad
            token is not anonymous.
    """
    for rule in rules:
        found = _find(tracker, events, rule, tokens)
        if found is not None:
            return found
    return None


def _find(
    tracker: Tracker, events: Sequence[Event], rule: str, tokens: SignedTokens | None
) -> Identity | None:
    if rule == SENDER_ID:
        sender = as_id(tracker.sender_id)
        return None if sender is None else Identity(conversation_key(sender))
    if rule == USER_ID:
        return _rasas_user(tracker, events)
    if rule != JWT:
        key = rule.removeprefix(METADATA_PREFIX)
        mentions = [
            (index, named)
            for index, value in _mentions(tracker, events, key)
            if (named := as_id(value)) is not None
        ]
        return _newest(events, mentions, mentions[-1][1], as_id) if mentions else None
    if tokens is None:
        raise ValueError("the rule jwt needs the tokens that are believed")
    brought = list(_mentions(tracker, events, tokens.metadata_key))
    return (
        _newest(events, brought, tokens.verify(brought[-1][1]), tokens.whose) if brought else None
    )


def _rasas_user(tracker: Tracker, events: Sequence[Event]) -> Identity | None:
    found = as_id(getattr(tracker, "user_id", None) or told_user_id.get())
    for index, value in _mentions(tracker, events, USER_ID):
        first = as_id(value)
        if first is not None:
            # gRPC with an SDK before 3.16: only the messages have it
            return Identity(user_key(found or first), known_from=_known_from(events, index))
    return None if found is None else Identity(user_key(found))


def _newest(
    events: Sequence[Event],
    mentions: Sequence[tuple[int, Any]],
    found: str,
    whose: Callable[[Any], str | None],
) -> Identity:
    """Return the identity of whom the newest of some mentions names."""
    since, known = mentions[-1]
    for index, value in reversed(mentions):
        # The same token comes with every message: it is looked at once.
        if value != known and whose(value) != found:
            # From the first message that is theirs: what another user's last message led to
            # is still the other's.
            return Identity(user_key(found), since)
        since, known = index, value
    return Identity(user_key(found), known_from=_known_from(events, since))


_CONVERSATION = "conversation/"
_USER = "user/"


def conversation_key(sender_id: str) -> str:
    """Return what an anonymous conversation's profile is kept under."""
    return _CONVERSATION + sender_id


def user_key(user_id: str) -> str:
    """Return what a user's profile is kept under: the id, unless it looks like a marked one."""
    return _USER + user_id if user_id.startswith((_CONVERSATION, _USER)) else user_id


def as_id(value: Any) -> str | None:
    """Return a value as an id: text, or a whole number; None when it is neither, or empty."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # gRPC makes floats of integers
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _mentions(tracker: Tracker, events: Sequence[Event], key: str) -> Iterator[tuple[int, Any]]:
    """Yield where the session's metadata has a key, and its value there, oldest first.

    -1 stands for the session's start, where the events do not tell when that was.
    """
    value = _value(tracker.slots.get(_SESSION_METADATA_SLOT), key)
    if value is not None and not any(
        event.name == _SESSION_METADATA_SLOT and event.kind == "slot" for event in events
    ):
        yield -1, value
    for index, event in enumerate(events):
        kind = event.kind
        if kind == "user":
            value = _value(event.metadata, key)
        elif kind == "slot" and event.name == _SESSION_METADATA_SLOT:
            value = _value(event.value, key)
        else:
            continue
        if value is not None:
            yield index, value


def _value(metadata: Any, key: str) -> Any:
    """Return what some metadata has under a key; None for nothing, and for an empty text."""
    value = metadata.get(key) if isinstance(metadata, dict) else None
    return None if value == "" else value


def _known_from(events: Sequence[Event], index: int) -> int:
    """Return where an id was first mentioned when the user had said something before, else 0."""
    return index if any(event.kind == "user" for event in events[: max(0, index)]) else 0
