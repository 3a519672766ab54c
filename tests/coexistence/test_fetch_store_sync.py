"""Fetching, storing and syncing, call by call; each test is a moment of a conversation."""

from __future__ import annotations

import pytest

from coexistence import runtime
from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionStoreProfile,
    ActionSyncProfile,
)
from tests.coexistence.calls import ANONYMOUS, fresh, kept, run, said, sets, status
from tests.coexistence.events import (
    DOMAIN,
    action,
    routed,
    session_start,
    slot,
    tracker,
    user,
)


async def test_fetch_brings_back_what_another_conversation_said() -> None:
    await said(user(), slot("name", "Ann"), user_id="ann", sender_id="phone")
    events = await run(ActionFetchProfile, fresh(user(), user_id="ann", sender_id="web"))
    assert sets(events) == {"name": "Ann"}
    assert status(events) == "loaded"


async def test_fetch_of_an_unknown_user_sets_nothing() -> None:
    events = await run(ActionFetchProfile, fresh(user()))
    assert sets(events) == {}
    assert status(events) == "empty"


async def test_fetch_never_overwrites_what_was_just_said() -> None:
    await said(user(), slot("name", "Ann"))
    just_said = fresh(user(), user(), user(), slot("name", "Bea"), slots={"name": "Bea"})
    assert sets(await run(ActionFetchProfile, just_said)) == {}
    assert await kept() == {"name": "Bea"}


async def test_two_users_never_see_each_others() -> None:
    await said(user(), slot("name", "Ann"), user_id="ann")
    assert sets(await run(ActionFetchProfile, fresh(user(), user_id="bob"))) == {}


async def test_store_keeps_the_shared_slots_of_the_session() -> None:
    state = fresh(user(), slot("name", "Ann"), slot("scratch", "x"), slot("recipient", "y"))
    assert status(await run(ActionStoreProfile, state)) == "stored"
    assert await kept() == {"name": "Ann"}


async def test_store_sets_no_slot_but_its_status() -> None:
    await said(user(), slot("name", "Ann"))
    assert sets(await run(ActionStoreProfile, fresh(user()))) == {}


async def test_storing_twice_changes_nothing() -> None:
    state = fresh(user(), slot("name", "Ann"))
    await run(ActionStoreProfile, state)
    await run(ActionStoreProfile, state)
    history = await runtime.current().store.history(ANONYMOUS)
    assert [write.value for write in history] == ["Ann"]


async def test_what_is_stored_tells_where_it_came_from() -> None:
    await said(routed(True), user(), action("action_x"), slot("name", "Ann"))
    (write,) = await runtime.current().store.history(ANONYMOUS)
    assert (write.source.system, write.source.action, write.source.conversation) == (
        "calm",
        "action_x",
        "conversation",
    )


async def test_sync_stores_and_fetches_at_once() -> None:
    await said(user(), slot("name", "Ann"), user_id="ann", sender_id="phone")
    state = fresh(user(), slot("tier", "gold"), user(), user_id="ann", slots={"tier": "gold"})
    assert sets(await run(ActionSyncProfile, state)) == {"name": "Ann"}
    assert await kept("ann") == {"name": "Ann", "tier": "gold"}


async def test_sync_while_a_flow_runs_changes_no_slot_that_holds_a_value() -> None:
    await said(user(), slot("name", "Ann"), slot("tier", "gold"))
    running = fresh(session_start(), user(), slots={"name": "Typed"}, stack=[{"frame_id": "f"}])
    assert sets(await run(ActionSyncProfile, running)) == {"tier": "gold"}


async def test_sync_while_a_form_runs_changes_no_slot_that_holds_a_value() -> None:
    await said(user(), slot("name", "Ann"))
    running = fresh(user(), slots={"name": "Typed"}, active_loop={"name": "form"})
    assert sets(await run(ActionSyncProfile, running)) == {}


async def test_sync_leaves_a_slot_that_this_message_is_about_to_fill() -> None:
    """Rasa may apply the events of an every-turn action after those of the extraction."""
    await said(user(), slot("name", "Ann"), slot("tier", "gold"))
    domain = {
        **DOMAIN,
        "slots": {
            **DOMAIN["slots"],
            "name": {
                **DOMAIN["slots"]["name"],
                "mappings": [{"type": "from_entity", "entity": "name"}],
            },
        },
    }
    message = {"text": "I am Bea", "entities": [{"entity": "name", "value": "Bea"}]}
    state = fresh(session_start(), user("I am Bea"), message=message)
    assert sets(await run(ActionSyncProfile, state, domain)) == {"tier": "gold"}
    later = fresh(session_start(), user("I am Bea"), action("utter_x"), message=message)
    assert sets(await run(ActionSyncProfile, later, domain)) == {"name": "Ann", "tier": "gold"}


async def test_sync_never_raises_whatever_the_tracker_holds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = tracker(user(), slot("name", "Secret Ann"))
    state.events = [{"event": "slot", "name": ["unhashable"]}, 5, "text"]
    assert await run(ActionSyncProfile, state) == []
    assert "Secret" not in caplog.text
