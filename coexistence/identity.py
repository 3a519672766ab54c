"""Who a conversation is with: the settings' `identity`, an ordered list, first present wins."""

from __future__ import annotations

import contextvars
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rasa_sdk import Tracker

from coexistence.events import Event

USER_ID = "user_id"
SENDER_ID = "sender_id"
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
    to another (a shared device), what came before is not. `was_anonymous` says that the
    conversation began without the id that it has now.
    """

    user_id: str
    since: int = 0
    was_anonymous: bool = False


def identify(tracker: Tracker, events: Sequence[Event], rules: Sequence[str]) -> Identity | None:
    """Return who a tracker's conversation is with, None when no rule finds anybody.

    Never a slot that the user can fill by talking: `user_id` is Rasa's (from the message
    metadata, its first value), `sender_id` the conversation's id, `metadata:<key>` the newest
    message's that has the key.
    """
    for rule in rules:
        if rule == SENDER_ID:
            found = _as_id(tracker.sender_id)
            if found is not None:
                return Identity(conversation_key(found))
        elif rule == USER_ID:
            found = _as_id(getattr(tracker, "user_id", None) or told_user_id.get())
            first = next(_mentions(tracker, events, USER_ID), None)
            if found is None and first is not None:
                # gRPC with an SDK before 3.16: the messages still have it
                found = first[1]
            if found is not None:
                return Identity(user_key(found), was_anonymous=_began_without(events, first))
        else:
            mentions = list(_mentions(tracker, events, rule.removeprefix(METADATA_PREFIX)))
            if mentions:
                found = mentions[-1][1]
                since = 0
                # From the first message that is theirs: what another user's last message led to
                # is still the other's.
                for (_, before), (index, named) in itertools.pairwise(mentions):
                    if before != found == named:
                        since = index
                return Identity(
                    user_key(found), since, since == 0 and _began_without(events, mentions[0])
                )
    return None


_CONVERSATION = "conversation/"
_USER = "user/"


def conversation_key(sender_id: str) -> str:
    """Return what an anonymous conversation's profile is kept under."""
    return _CONVERSATION + sender_id


def user_key(user_id: str) -> str:
    """Return what a user's profile is kept under: the id, unless it looks like a marked one."""
    return _USER + user_id if user_id.startswith((_CONVERSATION, _USER)) else user_id


def _as_id(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # gRPC makes floats of integers
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _mentions(tracker: Tracker, events: Sequence[Event], key: str) -> Iterator[tuple[int, str]]:
    """Yield where the session's metadata names an id, oldest first; -1 for the session's start."""
    at_start = tracker.slots.get(_SESSION_METADATA_SLOT)
    if isinstance(at_start, Mapping) and (named := _as_id(at_start.get(key))) is not None:
        yield -1, named
    for index, event in enumerate(events):
        if event.kind == "user" and (named := _as_id(event.tags.get(key))) is not None:
            yield index, named


def _began_without(events: Sequence[Event], mention: tuple[int, str] | None) -> bool:
    """Return whether the user had said something before the first mention of an id."""
    return mention is not None and any(
        event.kind == "user" for event in events[: max(0, mention[0])]
    )
