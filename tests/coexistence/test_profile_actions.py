"""The six profile actions, call by call; each test is a moment of a conversation."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import ActionMissingDomainException

from coexistence import profile_actions, runtime
from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionForgetProfile,
    ActionResetRouting,
    ActionSessionStart,
    ActionStoreProfile,
    ActionSyncProfile,
)
from coexistence.routing import rasa_version
from coexistence.runtime import Runtime
from coexistence.settings import Settings
from profile_store import ProfileKey
from tests.coexistence.conftest import UseSettings
from tests.coexistence.events import (
    DOMAIN,
    START,
    Event,
    action,
    empty_slots,
    flow_end_reset,
    hydration,
    listen,
    routed,
    session_start,
    slot,
    tracker,
    user,
)

ANONYMOUS = ProfileKey("default", "conversation/conversation")
"""What the profile of the tests' conversation is kept under, while nobody is known."""

SIX = [
    ActionFetchProfile, ActionStoreProfile, ActionSyncProfile, ActionResetRouting,
    ActionSessionStart, ActionForgetProfile,
]  # fmt: skip


async def run(kind: type[Action], state: Tracker, domain: Any = DOMAIN) -> list[Event]:
    events: list[Event] = await kind().run(CollectingDispatcher(), state, domain)
    return events


def sets(events: list[Event]) -> dict[str, Any]:
    found = {e["name"]: e["value"] for e in events if e["event"] == "slot"}
    found.pop("profile_status", None)
    return found


def status(events: list[Event]) -> Any:
    found = [e["value"] for e in events if e.get("name") == "profile_status"]
    return found[-1] if found else None


async def kept(user_id: str = ANONYMOUS.user_id) -> dict[str, Any]:
    return dict(await runtime.current().store.fetch(ProfileKey("default", user_id)))


async def said(*events: Any, **options: Any) -> None:
    """Let a conversation say something, and its every-turn action store it."""
    await run(ActionSyncProfile, tracker(*events, **options))


def fresh(*events: Any, **options: Any) -> Tracker:
    return tracker(*events, slots={**empty_slots(), **options.pop("slots", {})}, **options)


# fetch


async def test_fetch_brings_back_what_another_conversation_said() -> None:
    await said(user(), slot("name", "Ann"), user_id="ann", sender_id="phone")
    events = await run(ActionFetchProfile, fresh(user(), user_id="ann", sender_id="web"))
    assert sets(events) == {"name": "Ann"}
    assert status(events) == "loaded"


async def test_fetch_of_an_unknown_user_sets_nothing() -> None:
    events = await run(ActionFetchProfile, fresh(user()))
    assert sets(events) == {}
    assert status(events) == "empty"


async def test_fetch_brings_back_released_values() -> None:
    await said(user(), slot("name", "Ann"), flow_end_reset("name"))
    assert sets(await run(ActionFetchProfile, fresh(user()))) == {"name": "Ann"}


async def test_fetch_never_overwrites_what_was_just_said() -> None:
    await said(user(), slot("name", "Ann"))
    just_said = fresh(user(), user(), user(), slot("name", "Bea"), slots={"name": "Bea"})
    assert sets(await run(ActionFetchProfile, just_said)) == {}
    assert await kept() == {"name": "Bea"}


async def test_two_users_never_see_each_others() -> None:
    await said(user(), slot("name", "Ann"), user_id="ann")
    assert sets(await run(ActionFetchProfile, fresh(user(), user_id="bob"))) == {}


# store


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


# sync


async def test_sync_stores_and_fetches_at_once() -> None:
    await said(user(), slot("name", "Ann"), user_id="ann", sender_id="phone")
    state = fresh(user(), slot("tier", "gold"), user(), user_id="ann", slots={"tier": "gold"})
    assert sets(await run(ActionSyncProfile, state)) == {"name": "Ann"}
    assert await kept("ann") == {"name": "Ann", "tier": "gold"}


@pytest.mark.parametrize(
    "release", [flow_end_reset("name"), slot("name", None), {"event": "reset_slots"}]
)
async def test_sync_does_not_put_a_released_slot_back_until_it_is_written_again(
    release: Event,
) -> None:
    events = [user(), slot("name", "Ann"), release]
    await said(*events)
    assert sets(await run(ActionSyncProfile, fresh(*events, user()))) == {}
    assert sets(await run(ActionSyncProfile, fresh(user(), sender_id="conversation"))) == {}
    await said(*events, slot("name", "Bea"))
    assert sets(await run(ActionSyncProfile, fresh(user()))) == {"name": "Bea"}


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


# reset


async def test_the_reset_ends_the_routing_session_and_puts_the_profile_back(rasa: str) -> None:
    await said(user(), slot("name", "Ann"), sender_id="phone", user_id="ann")
    state = fresh(routed(False), user(), user_id="ann", slots={"route_session_to_calm": False})
    events = await run(ActionResetRouting, state)
    assert [event["event"] for event in events[:2]] == ["routing_session_ended", "slot"]
    assert events[1]["name"] == "route_session_to_calm"
    assert events[1]["value"] is None
    assert sets(events[2:]) == {"name": "Ann"}


async def test_the_reset_stores_what_was_said_before_it(rasa: str) -> None:
    await run(ActionResetRouting, fresh(user(), slot("name", "Ann"), slots={"name": "Ann"}))
    assert await kept() == {"name": "Ann"}


async def test_the_reset_brings_back_included_slots_that_it_wipes(
    rasa: str, use_settings: UseSettings
) -> None:
    use_settings(shared_slots={"include": ["recipient"]})
    state = fresh(user(), slot("recipient", "Bob"), slots={"recipient": "Bob"})
    assert sets(await run(ActionResetRouting, state))["recipient"] == "Bob"


async def test_the_reset_ends_a_running_skill_so_every_live_value_comes_back(rasa: str) -> None:
    await said(user(), slot("name", "Ann"))
    running = fresh(session_start(), user(), slots={"name": "Typed"}, stack=[{"frame_id": "f"}])
    assert sets(await run(ActionResetRouting, running))["name"] == "Ann"


async def test_the_reset_does_not_put_a_released_slot_back(rasa: str) -> None:
    state = fresh(user(), slot("name", "Ann"), flow_end_reset("name"))
    assert "name" not in sets(await run(ActionResetRouting, state))


async def test_the_reset_tells_its_status_after_rasa_has_wiped_it(rasa: str) -> None:
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann", "profile_status": "loaded"})
    assert status(await run(ActionResetRouting, state)) == "loaded"


@pytest.mark.parametrize("rasa", ["3.6.21", "3.7.0", "2.8.1"], indirect=True)
async def test_an_older_rasa_is_reset_with_plain_slot_events(
    rasa: str, use_settings: UseSettings
) -> None:
    use_settings(shared_slots={"include": ["recipient"]})
    domain = {"slots": {name: {**spec, "shared_for_coexistence": False}
                        for name, spec in DOMAIN["slots"].items()}}  # fmt: skip
    state = fresh(
        user(), slot("recipient", "Bob"),
        slots={"recipient": "Bob", "scratch": "x", "name": "Ann", "route_session_to_calm": False},
        active_loop={"name": "form"},
    )  # fmt: skip
    events = await run(ActionResetRouting, state, domain)
    assert {event["event"] for event in events} == {"slot", "active_loop"}
    # the shared slot holds its value, so nothing need be said of it
    assert sets(events) == {"scratch": "init", "name": None, "route_session_to_calm": None}


async def test_without_a_version_a_flag_in_the_domain_tells_a_rasa_with_routing() -> None:
    assert rasa_version.get() is None
    events = await run(ActionResetRouting, fresh(user()))
    assert events[0]["event"] == "routing_session_ended"


# session start


async def test_a_first_session_starts_with_the_profile(rasa: str) -> None:
    await said(user(), slot("name", "Ann"), sender_id="phone", user_id="ann")
    events = await run(ActionSessionStart, fresh(user_id="ann", sender_id="web"))
    assert events[0]["event"] == "session_started"
    assert (events[-1]["event"], events[-1]["name"]) == ("action", "action_listen")
    assert sets(events) == {"name": "Ann"}


async def test_a_session_carries_slots_over_as_rasas_own_does() -> None:
    state = fresh(
        user(), slot("scratch", "kept"),
        slots={"scratch": "kept", "recipient": "Bob", "session_started_metadata": {"a": 1}},
    )  # fmt: skip
    assert sets(await run(ActionSessionStart, state)) == {
        "session_started_metadata": {"a": 1},
        "scratch": "kept",
        "recipient": "Bob",
    }


async def test_without_carry_over_only_the_profile_is_in_the_new_session() -> None:
    domain = {**DOMAIN, "session_config": {"carry_over_slots_to_new_session": False}}
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann", "scratch": "x"})
    assert sets(await run(ActionSessionStart, state, domain)) == {"name": "Ann"}


async def test_a_new_session_says_how_it_went_even_if_the_last_one_said_the_same() -> None:
    domain = {**DOMAIN, "session_config": {"carry_over_slots_to_new_session": False}}
    state = fresh(user(), slot("name", "Ann"), slots={"profile_status": "loaded"})
    assert status(await run(ActionSessionStart, state, domain)) == "loaded"


async def test_a_new_session_does_not_put_a_released_slot_back() -> None:
    await said(user(), slot("name", "Ann"), slot("name", None))
    assert sets(await run(ActionSessionStart, fresh())) == {}


async def test_a_new_session_does_not_carry_over_what_was_erased() -> None:
    await said(user(), slot("name", "Ann"))
    await runtime.current().store.forget(ANONYMOUS, at=START + 50)
    events = await run(
        ActionSessionStart, fresh(user(), slot("name", "Ann"), slots={"name": "Ann"})
    )
    assert sets(events).get("name") is None


# forget


async def test_forget_erases_the_profile_and_the_slots() -> None:
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann", "scratch": "x"})
    await run(ActionStoreProfile, state)
    events = await run(ActionForgetProfile, state)
    assert sets(events) == {"name": None}
    assert status(events) == "empty"
    assert await kept() == {}
    assert await runtime.current().store.history(ANONYMOUS) == []


async def test_what_was_forgotten_does_not_come_back_from_the_same_tracker() -> None:
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann"})
    forgotten = await run(ActionForgetProfile, state)
    later = fresh(user(), slot("name", "Ann"), *forgotten, user())
    assert sets(await run(ActionSyncProfile, later)) == {}
    assert await kept() == {}


async def test_what_is_said_after_forgetting_is_kept() -> None:
    await run(ActionForgetProfile, fresh(user(), slot("name", "Ann")))
    await said(user(), slot("name", "Ann"), hydration("name", None), user(), slot("name", "Bea"))
    assert await kept() == {"name": "Bea"}


async def test_forget_erases_only_the_slots_that_profile_forget_names() -> None:
    domain = {**DOMAIN, "slots": {**DOMAIN["slots"], "profile_forget": {"type": "list"}}}
    state = fresh(
        user(), slot("name", "Ann"), slot("tier", "gold"),
        slots={"name": "Ann", "tier": "gold", "profile_forget": ["name", "scratch", 5]},
    )  # fmt: skip
    await run(ActionStoreProfile, state, domain)
    events = await run(ActionForgetProfile, state, domain)
    assert sets(events) == {"name": None, "profile_forget": None}
    assert await kept() == {"tier": "gold"}


# what all six do


@pytest.mark.parametrize("kind", SIX)
async def test_without_a_domain_rasa_is_asked_to_call_again_with_it(kind: type[Action]) -> None:
    with pytest.raises(ActionMissingDomainException):
        await run(kind, fresh(user()), None)


@pytest.mark.parametrize("kind", SIX)
async def test_an_outage_breaks_no_conversation_and_empties_no_slot(
    kind: type[Action], outage: Any, rasa: str
) -> None:
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann"})
    events = await run(kind, state)
    assert status(events) == "unavailable"
    assert sets(events).get("name", "Ann") == "Ann"


async def test_what_is_said_during_an_outage_is_in_the_profile_after_it(
    outage: Any, use_settings: UseSettings
) -> None:
    events = [user(), slot("name", "Ann")]
    await said(*events)
    use_settings()
    await said(*events, user())
    assert await kept() == {"name": "Ann"}


@pytest.mark.parametrize("kind", SIX)
async def test_a_domain_without_a_status_slot_gets_no_status(
    kind: type[Action], outage: Any
) -> None:
    domain = {"slots": {name: spec for name, spec in DOMAIN["slots"].items()
                        if name != "profile_status"}}  # fmt: skip
    assert status(await run(kind, fresh(user()), domain)) is None


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


async def test_a_value_too_large_is_refused_by_name_and_the_tracker_keeps_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await said(user(), slot("prefs", "small"))
    large = "SECRET" * 20_000
    state = fresh(
        session_start(), user(), slot("prefs", large), slot("name", "Ann"),
        slots={"prefs": large, "name": "Ann"},
    )  # fmt: skip
    assert sets(await run(ActionSyncProfile, state)) == {}
    assert await kept() == {"prefs": "small", "name": "Ann"}
    assert "prefs" in caplog.text
    assert "SECRET" not in caplog.text


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


async def test_forgetting_in_the_turn_that_logs_in_leaves_no_anonymous_profile() -> None:
    await said(user(), slot("name", "Zoe"))
    events = [user(), slot("name", "Zoe"), user(metadata={"user_id": "zoe"})]
    assert status(await run(ActionForgetProfile, fresh(*events, user_id="zoe"))) == "empty"
    assert await kept("zoe") == {}
    assert await kept() == {}


async def test_a_reset_that_fails_unforeseen_still_ends_the_routing_session(
    monkeypatch: pytest.MonkeyPatch, rasa: str
) -> None:
    monkeypatch.setattr(profile_actions, "Exchange", None)
    kinds = [event["event"] for event in await run(ActionResetRouting, fresh(user()))]
    assert kinds == ["routing_session_ended", "slot"]


async def test_a_stored_value_that_cannot_be_read_is_named_and_the_others_come_back(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    await said(user(), slot("name", "Ann"), slot("tier", "gold"))
    runtime.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "profiles.db")) as connection:
        connection.execute("UPDATE profile_slot SET value = x'7B' WHERE slot = 'tier'")
        connection.commit()
    runtime.use(Runtime(Settings(db=str(tmp_path / "profiles.db"))))
    assert sets(await run(ActionFetchProfile, fresh(user()))) == {"name": "Ann"}
    assert "Slot tier" in caplog.text


async def test_profile_forget_with_a_name_that_is_not_shared_claims_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    domain = {**DOMAIN, "slots": {**DOMAIN["slots"], "profile_forget": {"type": "text"}}}
    await said(user(), slot("name", "Ann"))
    state = fresh(user(), slots={"profile_forget": "nmae"})
    assert status(await run(ActionForgetProfile, state, domain)) == "unavailable"
    assert "profile_forget" in caplog.text
    assert await kept() == {"name": "Ann"}
