"""The example assistant's profile through whole conversations, in process and over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from coexistence.system import System
from coexistence.testing import Conversation, serve

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = ROOT / "examples" / "assistant" / "domain.yml"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bank = tmp_path_factory.mktemp("bank") / "bank.db"
    with serve("actions", path=ROOT, env={"DEMO_BANK_DB": str(bank)}) as url:
        yield url


@pytest.fixture(params=["in process", "over HTTP"])
def talk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Conversation]:
    monkeypatch.setenv("DEMO_BANK_DB", str(tmp_path / "bank.db"))
    actions = "actions" if request.param == "in process" else request.getfixturevalue("server")
    # the server's store is that of several tests
    someone = uuid.uuid4().hex
    with Conversation(
        DOMAIN, actions, folder=tmp_path, user_id=someone, sender_id=f"app-{someone}"
    ) as conversation:
        yield conversation


def test_what_one_system_heard_the_other_knows_after_a_reset(talk: Conversation) -> None:
    talk.nlu_turn("I am Ann", slots={"customer_name": "Ann"}, action="utter_nice_to_meet")
    talk.reset_routing()
    assert talk.system is System.NONE

    reply = talk.calm_turn(
        "what's on my savings?",
        flow="check_balance",
        slots={"account": "savings"},
        action=["action_fetch_profile", "action_check_balance"],
    )

    assert reply.text == "Ann, there is €1,000.00 in your savings account."


def test_a_session_without_carry_over_starts_with_the_profile(talk: Conversation) -> None:
    talk.nlu_turn("I am Ann", slots={"customer_name": "Ann"})
    talk.new_session(carry_over=False)
    assert talk.slots["customer_name"] == "Ann"


def test_a_restart_brings_the_profile_back(talk: Conversation) -> None:
    talk.nlu_turn("I am Ann", slots={"customer_name": "Ann"})
    talk.restart()
    assert talk.slots["customer_name"] == "Ann"


def test_another_channel_begins_with_the_profile(talk: Conversation) -> None:
    talk.nlu_turn("I am Ann", slots={"customer_name": "Ann"}, action="action_store_profile")
    web = talk.on_channel(f"web-{talk.tracker.sender_id}")
    web.nlu_turn("hello", sticky=False)
    assert web.slots["customer_name"] == "Ann"


def test_a_value_that_a_flow_dropped_comes_back_by_an_explicit_fetch_only(
    talk: Conversation,
) -> None:
    talk.calm_turn("balance", flow="check_balance", slots={"account": "savings"})
    talk.flow_ended()
    talk.reset_routing()

    talk.calm_turn("balance", flow="check_balance")
    assert talk.slots["account"] is None

    talk.run("action_fetch_profile")
    assert talk.slots["account"] == "savings"


def test_what_is_forgotten_stays_forgotten(talk: Conversation) -> None:
    talk.nlu_turn("I am Ann", slots={"customer_name": "Ann"})
    talk.nlu_turn("forget me", action="action_forget_profile")
    assert talk.slots["customer_name"] is None
    talk.reset_routing()
    talk.new_session()
    talk.run("action_fetch_profile")
    assert talk.slots["customer_name"] is None


def test_an_old_rasa_is_reset_with_plain_slot_events(tmp_path: Path) -> None:
    included = {"shared_slots": {"include": ["contact_name"]}}
    with Conversation(
        DOMAIN, "actions", folder=tmp_path, settings=included, rasa_version="3.6.21"
    ) as old:
        old.nlu_turn("add Bob", slots={"contact_name": "Bob", "contact_handle": "@bob"})
        reset = old.reset_routing()
    assert {event["event"] for event in reset.events} == {"action", "slot"}
    assert (old.slots["contact_name"], old.slots["contact_handle"]) == ("Bob", None)
