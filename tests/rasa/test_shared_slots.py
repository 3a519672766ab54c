"""What users tell a real Rasa is there again, whatever took it out of the slots."""

from __future__ import annotations

import time

import pytest

from tests.rasa.assistant import SESSION_MINUTES
from tests.rasa.conftest import ServeActions
from tests.rasa.rasa_server import RasaServer

pytestmark = [pytest.mark.rasa, pytest.mark.timeout(1200)]


def test_a_slot_is_back_after_the_routing_reset(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    talk = rasa.conversation(user)

    assert talk.say("/introduce_self", customer_name="Ann") == ["Nice to meet you, Ann."]

    assert "action_reset_routing" in talk.actions()
    assert talk.slots["customer_name"] == "Ann"
    assert talk.slots["profile_status"] == "loaded"


def test_a_slot_that_is_not_shared_is_gone_after_the_routing_reset(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    talk = rasa.conversation(user)

    talk.say("/transfer_money", recipient="Bob", amount="12.50")

    assert "action_reset_routing" in talk.actions()
    assert talk.slots["recipient"] is None
    assert talk.slots["amount"] is None


def test_a_slot_is_back_in_the_session_after_one_that_expired(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    talk = rasa.conversation(user)
    talk.say("/introduce_self", customer_name="Ann")
    assert talk.count("session_started") == 1

    time.sleep(SESSION_MINUTES * 60 + 0.5)
    talk.say("/greet")

    assert talk.count("session_started") == 2
    assert talk.slots["customer_name"] == "Ann"
    hydrated = [
        position
        for position, event in enumerate(talk.tracker["events"])
        if event["event"] == "slot" and event["name"] == "customer_name"
    ]
    said = [
        position
        for position, event in enumerate(talk.tracker["events"])
        if event["event"] == "user"
    ]
    assert hydrated[-1] < said[-1], "the session began with it, before the message was handled"


def test_a_slot_is_back_after_a_restart(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    talk = rasa.conversation(user)
    talk.say("/introduce_self", customer_name="Ann")

    talk.say("/restart")
    talk.say("/greet")

    assert talk.count("user") == 1, "Rasa forgot what was said before"
    assert talk.slots["customer_name"] == "Ann"


def test_a_second_conversation_of_a_user_begins_with_the_profile(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    rasa.conversation(user).say("/introduce_self", customer_name="Ann")

    elsewhere = rasa.conversation(user)
    elsewhere.say("/greet")

    assert elsewhere.slots["customer_name"] == "Ann"


def test_what_is_said_in_one_conversation_changes_the_other_on_its_next_turn(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    phone, desk = rasa.conversation(user), rasa.conversation(user)
    phone.say("/introduce_self", customer_name="Ann")
    desk.say("/introduce_self", customer_name="Anna")

    phone.say("/greet")

    assert phone.slots["customer_name"] == "Anna"


def test_two_users_never_see_each_others_values(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    ann, ben = rasa.conversation(user), rasa.conversation(f"{user}-2")

    ann.say("/introduce_self", customer_name="Ann")
    ben.say("/greet")
    assert ben.slots["customer_name"] is None

    ben.say("/introduce_self", customer_name="Ben")
    ann.say("/greet")
    assert (ann.slots["customer_name"], ben.slots["customer_name"]) == ("Ann", "Ben")


def test_conversations_without_a_user_have_a_profile_each(
    rasa: RasaServer, serve_actions: ServeActions
) -> None:
    serve_actions()
    one, other = rasa.conversation(), rasa.conversation()

    one.say("/introduce_self", customer_name="Ann")
    other.say("/greet")

    assert (one.slots["customer_name"], other.slots["customer_name"]) == ("Ann", None)


def test_a_conversation_brings_what_it_said_to_the_user_it_turns_out_to_be_with(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    talk = rasa.conversation()
    talk.say("/introduce_self", customer_name="Ann")

    rasa.conversation(user, talk.id).say("/greet")
    elsewhere = rasa.conversation(user)
    elsewhere.say("/greet")

    assert elsewhere.slots["customer_name"] == "Ann"


@pytest.mark.parametrize(
    ("slot", "intent", "entity", "old", "new"),
    [
        ("customer_name", "introduce_self", "customer_name", "Ann", "Anna"),
        ("savings_goal", "set_savings_goal", "money", "500", "800"),
    ],
    ids=["before profile_sync in the domain", "after profile_sync in the domain"],
)
def test_a_value_just_said_wins_over_the_profile_in_the_same_turn(
    rasa: RasaServer,
    serve_actions: ServeActions,
    user: str,
    slot: str,
    intent: str,
    entity: str,
    old: str,
    new: str,
) -> None:
    # Rasa extracts slots in the order of the domain, and the every-turn action at its own slot's
    # place: an old value in its answer would come after the new one of earlier slots.
    serve_actions()
    rasa.conversation(user).say(f"/{intent}", **{entity: old})
    elsewhere = rasa.conversation(user)

    said = elsewhere.say(f"/{intent}", **{entity: new})

    assert new in said[0]
    assert elsewhere.slots[slot] == new
    assert rasa.conversation(user).say("/greet")
    third = rasa.conversation(user)
    third.say("/greet")
    assert third.slots[slot] == new


def test_a_slot_said_again_in_the_same_conversation_wins_in_the_same_turn(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    talk = rasa.conversation(user)
    talk.say("/introduce_self", customer_name="Ann")

    assert talk.say("/introduce_self", customer_name="Anna") == ["Nice to meet you, Anna."]
    assert talk.slots["customer_name"] == "Anna"


def test_a_user_who_is_forgotten_is_forgotten_everywhere(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    phone, desk = rasa.conversation(user), rasa.conversation(user)
    phone.say("/introduce_self", customer_name="Ann")
    desk.say("/greet")
    assert desk.slots["customer_name"] == "Ann"

    phone.say("/forget_me")
    desk.say("/greet")
    later = rasa.conversation(user)
    later.say("/greet")

    for talk in (phone, desk, later):
        assert talk.slots["customer_name"] is None


def test_words_are_understood_and_kept_as_intents_are(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    talk = rasa.conversation(user)

    assert talk.say("use my savings account") == ["I will use your savings account."]

    assert talk.slots["account"] == "savings"


def test_no_action_call_failed_or_was_refused(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    server = serve_actions()
    before = len(rasa.log)
    talk = rasa.conversation(user)
    for intent in ("greet", "check_balance", "forget_me", "greet"):
        talk.say(f"/{intent}")

    assert "Traceback" not in server.log
    assert "Failed to execute custom action" not in rasa.log[before:]
