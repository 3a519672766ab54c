"""Who a conversation is with."""

from __future__ import annotations

from typing import Any

import pytest
from rasa_sdk import Tracker

from coexistence import events as tracker_events
from coexistence.identity import Identity, identify, told_user_id
from tests.coexistence.events import session_start, slot, tracker, user


def found(conversation: Tracker, rules: list[str]) -> Identity | None:
    return identify(conversation, tracker_events.of(conversation), rules)


def who(rules: list[str], *events: Any, **options: Any) -> str | None:
    identity = found(tracker(*events, **options), rules)
    return identity and identity.user_id


def test_the_first_rule_that_finds_somebody_wins() -> None:
    assert who(["user_id", "sender_id"], user_id="ann") == "ann"
    assert who(["user_id", "sender_id"]) == "conversation/conversation"
    assert who(["sender_id", "user_id"], user_id="ann") == "conversation/conversation"


def test_nobody_is_found_when_no_rule_fits() -> None:
    assert who(["user_id"]) is None
    assert who(["metadata:customer"], user(metadata={"other": "x"})) is None


def test_a_user_id_that_the_sdk_dropped_is_read_from_the_messages_first_value_first() -> None:
    first, second = user(metadata={"user_id": "ann"}), user(metadata={"user_id": "bob"})
    assert who(["user_id"], first, second) == "ann"


def test_metadata_names_the_user() -> None:
    assert who(["metadata:customer"], user(metadata={"customer": "ann"}), user()) == "ann"


def test_metadata_is_known_at_session_start() -> None:
    slots = {"session_started_metadata": {"customer": "ann"}}
    assert who(["metadata:customer"], slots=slots) == "ann"


def test_the_newest_message_decides_and_the_other_users_events_are_not_theirs() -> None:
    events = [
        user(metadata={"customer": "ann"}), slot("name", "Ann"),
        user(metadata={"customer": "bob"}), slot("name", "Bob"),
    ]  # fmt: skip
    identity = found(tracker(*events), ["metadata:customer"])
    assert identity is not None
    assert identity.user_id == "bob"
    assert identity.since == 2
    assert not identity.was_anonymous


def test_a_conversation_that_gains_an_id_was_anonymous() -> None:
    events = [*session_start(), user(), slot("name", "Ann"), user(metadata={"user_id": "ann"})]
    identity = found(tracker(*events, user_id="ann"), ["user_id", "sender_id"])
    assert identity is not None
    assert identity.was_anonymous
    assert identity.since == 0


def test_a_conversation_that_had_its_id_from_the_start_was_not_anonymous() -> None:
    identity = found(tracker(user(metadata={"user_id": "ann"}), user()), ["user_id"])
    assert identity is not None
    assert not identity.was_anonymous


@pytest.mark.parametrize(
    ("value", "found"),
    [(7, "7"), (7.0, "7"), (7.5, None), (True, None), ("", None), ([1], None), (None, None)],
)
def test_ids_are_text_or_whole_numbers(value: Any, found: str | None) -> None:
    assert who(["metadata:id"], user(metadata={"id": value})) == found


def test_a_slot_never_names_the_user() -> None:
    assert who(["metadata:customer", "user_id"], slots={"customer": "x", "user_id": "x"}) is None


def test_no_conversation_is_taken_for_a_user_whatever_it_is_called() -> None:
    rules = ["user_id", "sender_id"]
    named_like = found(tracker(sender_id="ann"), rules)
    users = [found(tracker(user_id=name), rules) for name in
             ("ann", "conversation/ann", "user/ann", "user/conversation/ann")]  # fmt: skip
    keys = [found.user_id for found in (named_like, *users) if found is not None]
    assert len(set(keys)) == 5
    assert "ann" in keys


def test_what_the_body_told_is_taken_where_the_sdk_drops_it() -> None:
    token = told_user_id.set("ann")
    try:
        assert who(["user_id", "sender_id"]) == "ann"
    finally:
        told_user_id.reset(token)
