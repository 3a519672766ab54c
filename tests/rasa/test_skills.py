"""The example skills, called by a real Rasa's stories, rules and form."""

from __future__ import annotations

import pytest

from tests.rasa.conftest import ServeActions
from tests.rasa.rasa_server import RasaServer

pytestmark = [pytest.mark.rasa, pytest.mark.timeout(1200)]


def test_contacts_are_listed_and_added_through_the_form(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    talk = rasa.conversation(user)

    assert talk.say("/list_contacts") == ["You have no contacts yet.", "Shall I add one?"]
    assert talk.say("/affirm") == ["What is the contact's name?"]
    assert talk.say("Bob") == ["And their handle, such as @bob?"]
    assert talk.say("@bob") == ["I added Bob (@bob) to your contacts."]
    assert "action_reset_routing" in talk.actions()
    assert talk.slots["contact_name"] is None, "the next contact is another one"
    assert talk.say("/list_contacts")[0] == "Your contacts: Bob (@bob)."


def test_adding_a_contact_can_be_stopped(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    talk = rasa.conversation(user)

    assert talk.say("/add_contact") == ["What is the contact's name?"]
    assert talk.say("/deny") == ["All right."]
    assert talk.tracker["active_loop"] == {}
    assert talk.say("/list_contacts")[0] == "You have no contacts yet."


def test_money_goes_to_a_contact_of_the_same_user_in_another_conversation(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    rasa.conversation(user).say("/add_contact", contact_name="Bob", contact_handle="@bob")

    talk = rasa.conversation(user)

    assert talk.say("/transfer_money", recipient="bob", amount="12.50") == [
        "Done: €12.50 went to Bob. Your everyday account has €237.50 left."
    ]
    assert talk.say("/check_balance") == ["There is €237.50 in your everyday account."]


def test_the_balance_is_told_with_what_the_profile_knows(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    earlier = rasa.conversation(user)
    earlier.say("/introduce_self", customer_name="Ann")
    earlier.say("/choose_account", account="savings")
    earlier.say("/set_savings_goal", money="1200")

    assert rasa.conversation(user).say("/check_balance") == [
        "Ann, there is €1,000.00 in your savings account. "
        "€200.00 to go until your goal of €1,200.00."
    ]


def test_a_form_keeps_its_answers_while_the_profile_is_synced(
    rasa: RasaServer, serve_actions: ServeActions, user: str
) -> None:
    serve_actions()
    rasa.conversation(user).say("/introduce_self", customer_name="Ann")
    talk = rasa.conversation(user)

    talk.say("/add_contact", contact_name="Bob")
    assert talk.slots["contact_name"] == "Bob"
    assert talk.slots["requested_slot"] == "contact_handle"
    assert talk.slots["customer_name"] == "Ann"
    assert talk.say("@bob") == ["I added Bob (@bob) to your contacts."]
