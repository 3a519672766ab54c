"""The mistakes of a test: each is told as one, before anything comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from coexistence.system import ROUTING_SLOT
from coexistence.testing import Conversation, ImpossibleTurn
from tests.testing.conftest import Talk
from tests.testing.scripted import SLOTS, action, slot

DECLARED: dict[str, dict[str, Any]] = {
    **SLOTS,
    "amount": {"type": "float"},
    "urgent": {"type": "bool"},
    "cart": {"type": "list"},
    "note": {"type": "any"},
}


@pytest.fixture
def conversation(talk: Talk) -> Conversation:
    return talk(action("action_x"), sections={"slots": DECLARED})


@pytest.mark.parametrize("take", ["nlu_turn", "calm_turn"])
@pytest.mark.parametrize(
    ("slots", "why"),
    [
        (["customer_name"], r"`slots` maps names to values, .* it is a list"),
        ("customer_name", "`slots` maps names to values, .* it is a str"),
        ({"custmer_name": "Ann"}, "Slot custmer_name cannot be filled: the domain lacks it"),
        ({ROUTING_SLOT: True}, "route_session_to_calm is the router's"),
        ({"customer_name": 5}, "customer_name .* a int is no value for a slot of type text"),
        ({"amount": "5"}, "a str is no value for a slot of type float"),
        ({"urgent": "yes"}, "a str is no value for a slot of type bool"),
        ({"cart": "milk"}, "a str is no value for a slot of type list"),
        ({"loyalty_tier": "tin"}, "not among those that the domain lists"),
    ],
)
def test_slots_that_cannot_be_filled_so(
    conversation: Conversation, take: str, slots: Any, why: str
) -> None:
    with pytest.raises(ImpossibleTurn, match=why) as told:
        getattr(conversation, take)("x", slots=slots)

    assert "tin" not in str(told.value).split()
    assert conversation.tracker.events == []


def test_values_of_the_right_types_are_taken(conversation: Conversation) -> None:
    filled = {
        "amount": 5, "urgent": False, "cart": ["milk"], "note": {"a": 1}, "loyalty_tier": "gold",
        "customer_name": None,
    }  # fmt: skip
    conversation.nlu_turn("x", slots=filled)
    assert {name: conversation.slots[name] for name in filled} == filled


def test_an_action_or_an_event_by_hand_may_put_anything_into_a_text_slot(talk: Talk) -> None:
    conversation = talk(action("action_x", slot("scratch", 5)))
    conversation.nlu_turn("x", action="action_x")
    assert conversation.slots["scratch"] == 5

    conversation.apply(slot("scratch", 6))
    assert conversation.slots["scratch"] == 6


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"evnt": "slot"}, r"events\[1\] lacks `event`, the name of its type"),
        ({"event": "slott"}, r"events\[1\] is of type 'slott', which Rasa does not know"),
        ({"event": "slot", "name": "scratch"}, "lacks `value`"),
        ([{"event": "pause"}], r"events\[1\] must be an object, not a list"),
        (slot("scrach", "new"), "Slot scrach is not in the domain"),
        (slot("loyalty_tier", "tin"), "strict_categorical"),
    ],
)
def test_events_that_are_none(conversation: Conversation, event: Any, why: str) -> None:
    conversation.nlu_turn("x")

    with pytest.raises(ImpossibleTurn, match=why):
        conversation.apply(slot("scratch", "first"), event)

    assert conversation.slots["scratch"] == "init"


@pytest.mark.parametrize("kind", ["active_loop", "followup", "action"])
def test_events_of_which_rasa_needs_no_name_need_none(
    conversation: Conversation, kind: str
) -> None:
    conversation.apply({"event": "active_loop", "name": "pay_form"})
    conversation.apply({"event": kind})
    ended = kind == "active_loop"
    assert conversation.tracker.active_loop == ({} if ended else {"name": "pay_form"})


def test_an_event_of_a_newer_rasa_is_none_of_an_old_one(talk: Talk) -> None:
    with pytest.raises(ImpossibleTurn, match=r"coexistence came with 3\.8"):
        talk(rasa_version="3.6.21").apply({"event": "routing_session_ended"})


@pytest.mark.parametrize("step", ["flow_ended", "reset_routing"])
def test_nothing_ends_before_it_began(conversation: Conversation, step: str) -> None:
    with pytest.raises(ImpossibleTurn, match="calm_turn"):
        getattr(conversation, step)()
    assert conversation.tracker.events == []


def test_a_flow_ends_once(conversation: Conversation) -> None:
    conversation.calm_turn("pay", flow="pay")
    conversation.flow_ended()
    with pytest.raises(ImpossibleTurn, match="No flow is running"):
        conversation.flow_ended()
    conversation.calm_turn("again", flow="pay")
    conversation.flow_ended()


def test_a_flow_ends_with_slots_of_the_domain_only(conversation: Conversation) -> None:
    conversation.calm_turn("pay Bob", flow="pay", slots={"recipient": "Bob"})
    with pytest.raises(ImpossibleTurn, match="Slot recipent is not in the domain"):
        conversation.flow_ended("recipent")
    with pytest.raises(ImpossibleTurn, match="Slot recipent is not in the domain"):
        conversation.flow_ended(persisted=iter(["recipent"]))
    with pytest.raises(ImpossibleTurn, match=r"`persisted` .* a list of names"):
        conversation.flow_ended(persisted="recipient")
    assert conversation.slots["recipient"] == "Bob"

    conversation.flow_ended(persisted=iter(["recipient"]))
    assert conversation.slots["recipient"] == "Bob"


def test_no_action_runs_before_the_first_turn(conversation: Conversation) -> None:
    with pytest.raises(ImpossibleTurn, match=r"action_x would not run: .* nlu_turn\(\)"):
        conversation.run("action_x")
    conversation.new_session()
    assert conversation.run("action_x").status == 200


def test_calm_talks_without_a_flow_and_fills_what_nlu_extracts_but_collects_nothing(
    conversation: Conversation,
) -> None:
    conversation.calm_turn("how are you?", action="action_x")
    conversation.calm_turn("I am Ann", slots={"customer_name": "Ann"})
    assert conversation.slots["customer_name"] == "Ann"

    with pytest.raises(ImpossibleTurn, match=r"recipient .* flow="):
        conversation.calm_turn("Bob", slots={"recipient": "Bob"})
    assert conversation.slots["recipient"] is None


def test_a_flow_that_its_session_took_along_collects_nothing(conversation: Conversation) -> None:
    conversation.calm_turn("pay", flow="pay")
    conversation.calm_turn("Bob", slots={"recipient": "Bob"})
    conversation.clock.advance(hours=2)
    with pytest.raises(ImpossibleTurn, match=r"recipient .* flow="):
        conversation.calm_turn("Eve", slots={"recipient": "Eve"})
