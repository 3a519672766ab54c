"""The example skills: the same actions for stories and for flows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk.executor import ActionExecutor

from coexistence.testing import Conversation
from coexistence.testing.domain import Domain

DOMAIN = Path(__file__).parents[2] / "examples" / "assistant" / "domain.yml"
SKILLS = {
    "action_list_contacts", "action_add_contact", "action_check_balance", "action_transfer_money",
}  # fmt: skip

Ask = Callable[..., str]


@pytest.fixture(scope="session")
def rasa_domain() -> Path:
    return DOMAIN


@pytest.fixture(autouse=True)
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_BANK_DB", str(tmp_path / "bank.db"))


@pytest.fixture(params=["CALM", "NLU"])
def ask(request: pytest.FixtureRequest, conversation: Conversation) -> Ask:
    """Let the user say something for which one of the systems runs an action."""

    def ask(action: str, **slots: Any) -> str:
        if request.param == "NLU":
            return conversation.nlu_turn("x", slots=slots, action=action).text
        flow = action.removeprefix("action_")
        return conversation.calm_turn("x", flow=flow, slots=slots, action=action).text

    return ask


def test_the_example_domain_lists_every_action_that_is_served() -> None:
    executor = ActionExecutor()
    executor.register_package("actions")
    served = {
        name
        for name, run in executor.actions.items()
        if run.__self__.__module__.startswith(("actions.", "coexistence.profile_actions"))
    }
    assert served >= SKILLS
    assert all(map(Domain(DOMAIN).lists, served))


def test_contacts_are_added_and_listed(ask: Ask) -> None:
    assert ask("action_list_contacts") == "You have no contacts yet."
    added = ask("action_add_contact", contact_name="Bob", contact_handle="bob")
    assert added == "I added Bob (@bob) to your contacts."
    assert ask("action_list_contacts") == "Your contacts: Bob (@bob)."


@pytest.mark.parametrize(
    ("slots", "part"),
    [
        ({}, "I need a name"),
        ({"contact_name": "x" * 81, "contact_handle": "@x1"}, "too long"),
        ({"contact_name": "Bob"}, "I need a handle"),
        ({"contact_name": "Bob", "contact_handle": "no spaces please"}, "I need a handle"),
    ],
)
def test_an_unfit_contact_is_refused_with_a_way_on(
    ask: Ask, slots: dict[str, Any], part: str
) -> None:
    assert part in ask("action_add_contact", **slots)
    assert ask("action_list_contacts") == "You have no contacts yet."


def test_money_is_sent_once_for_a_message_and_again_for_the_next(
    ask: Ask, conversation: Conversation
) -> None:
    ask("action_add_contact", contact_name="Bob", contact_handle="bob")
    wish = {"recipient": "bob", "amount": "0.10"}
    told = ask("action_transfer_money", **wish)
    assert told == "Done: €0.10 went to Bob. Your everyday account has €249.90 left."
    # Rasa repeats a call, after a time-out say: the message is the same
    assert conversation.run("action_transfer_money").text == told
    ask("action_transfer_money", **wish)
    assert ask("action_check_balance") == "There is €249.80 in your everyday account."


@pytest.mark.parametrize(
    ("slots", "part"),
    [
        ({}, "To whom?"),
        ({"recipient": "Bob"}, "How much?"),
        ({"recipient": "Bob", "amount": "1,000"}, "with a point before the cents"),
        ({"recipient": "Carol", "amount": "1"}, "not among your contacts"),
        ({"recipient": "Bob", "amount": "250.01"}, "has only €250.00"),
        ({"recipient": "Bob", "amount": "1", "account": "holiday"}, "no such account"),
    ],
)
def test_an_impossible_transfer_is_refused_with_a_way_on(
    ask: Ask, slots: dict[str, Any], part: str
) -> None:
    ask("action_add_contact", contact_name="Bob", contact_handle="bob")
    assert part in ask("action_transfer_money", **slots)
    assert "€250.00" in ask("action_check_balance", account="everyday")


def test_the_balance_is_told_by_name_and_goal(ask: Ask) -> None:
    told = ask("action_check_balance", customer_name="Ann", account="savings", savings_goal="1200")
    assert told == (
        "Ann, there is €1,000.00 in your savings account. "
        "€200.00 to go until your goal of €1,200.00."
    )


def test_a_closed_bank_is_told_of_and_no_conversation_ends(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEMO_BANK_DB", str(tmp_path / "nowhere" / "bank.db"))
    for action in ("action_list_contacts", "action_check_balance"):
        assert "can't reach the bank" in ask(action)
