"""Whose profile it is: users, conversations, and devices that users share."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionSessionStart,
    ActionSyncProfile,
)
from tests.coexistence.calls import fresh, kept, run, said, sets, status
from tests.coexistence.conftest import UseSettings
from tests.coexistence.events import (
    Event,
    empty_slots,
    listen,
    session_start,
    slot,
    tracker,
    user,
)


@pytest.mark.parametrize(
    "sender_id", ["x" * 1000, "nul\0byte", "half \ud800 pair"], ids=["long", "nul", "surrogate"]
)
async def test_an_id_that_is_no_key_is_refused_and_the_conversation_goes_on(
    sender_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        events = await run(ActionSyncProfile, fresh(user(), sender_id=sender_id))
    assert status(events) == "unavailable"
    assert "user id" in caplog.text
    assert sender_id not in caplog.text


@pytest.mark.parametrize(
    "sender_id", ["'; DROP TABLE profile;--", 'a"b`c', "😀", "x" * 242, "a b", "ünï"]
)
async def test_an_odd_id_is_a_key_like_any_other(sender_id: str) -> None:
    await said(user(), slot("name", "Ann"), sender_id=sender_id)
    assert sets(await run(ActionFetchProfile, fresh(user(), sender_id=sender_id))) == {
        "name": "Ann"
    }


async def test_an_anonymous_conversation_that_gains_a_user_id_brings_its_profile_along() -> None:
    await said(listen(), user(), slot("name", "Ann"), sender_id="web")
    state = fresh(
        session_start(), user(), user(metadata={"user_id": "ann"}), sender_id="web", user_id="ann"
    )
    assert sets(await run(ActionSyncProfile, state)) == {"name": "Ann"}
    assert await kept("ann") == {"name": "Ann"}
    assert await kept("web") == {}


async def test_a_user_never_gets_what_another_one_left_in_the_conversation(
    use_settings: UseSettings,
) -> None:
    use_settings(identity=["metadata:customer"])
    events = [
        *session_start(), user(metadata={"customer": "ann"}), slot("name", "Ann"),
        slot("tier", "gold"), listen(), user(metadata={"customer": "bob"}), slot("tier", "basic"),
    ]  # fmt: skip
    state = tracker(*events, slots={**empty_slots(), "name": "Ann", "tier": "basic"})
    assert sets(await run(ActionSyncProfile, state)) == {"name": None}
    assert await kept("bob") == {"tier": "basic"}


async def test_during_an_outage_another_users_values_are_taken_away_all_the_same(
    use_settings: UseSettings, tmp_path: Path
) -> None:
    use_settings(identity=["metadata:customer"], db=str(tmp_path / "nowhere" / "profiles.db"))
    events = [
        *session_start(), user(metadata={"customer": "ann"}), slot("name", "Ann"),
        user(metadata={"customer": "bob"}),
    ]  # fmt: skip
    state = tracker(*events, slots={**empty_slots(), "name": "Ann"})
    assert sets(await run(ActionSyncProfile, state)) == {"name": None}


async def test_a_conversation_called_like_a_user_is_not_the_user() -> None:
    await said(user(), slot("name", "Ann"), user_id="ann")
    assert sets(await run(ActionFetchProfile, fresh(user(), sender_id="ann"))) == {}
    events = [user(), user(metadata={"user_id": "bob"})]
    linked = fresh(*events, sender_id="ann", user_id="bob")
    assert sets(await run(ActionFetchProfile, linked)) == {}
    assert await kept("ann") == {"name": "Ann"}


def next_session(of: str) -> list[Event]:
    """Return Ann's session, and how Rasa begins the next one with another's first message."""
    return [
        *session_start(), user(metadata={"customer": "ann"}), slot("name", "Ann"), listen(),
        slot("session_started_metadata", {"customer": of}),
    ]  # fmt: skip


async def test_a_new_session_of_another_user_begins_with_their_own_profile(
    use_settings: UseSettings,
) -> None:
    use_settings(identity=["metadata:customer"])
    await said(user(metadata={"customer": "bob"}), slot("tier", "gold"), sender_id="another")
    before = {"session_started_metadata": {"customer": "bob"}, "name": "Ann"}
    started = await run(ActionSessionStart, tracker(*next_session("bob"), slots=before))
    assert sets(started) == {
        "name": None, "tier": "gold", "session_started_metadata": {"customer": "bob"},
    }  # fmt: skip
    assert await kept("bob") == {"tier": "gold"}


async def test_a_new_session_of_the_same_user_keeps_what_is_theirs(
    use_settings: UseSettings,
) -> None:
    use_settings(identity=["metadata:customer"])
    before = {"session_started_metadata": {"customer": "ann"}, "name": "Ann"}
    started = await run(ActionSessionStart, tracker(*next_session("ann"), slots=before))
    assert sets(started)["name"] == "Ann"
    assert await kept("ann") == {"name": "Ann"}
