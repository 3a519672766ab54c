"""Conversations, turn by turn: what Rasa does to slots, routing, sessions and flows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rasa_sdk.events import FollowupAction

import coexistence
from coexistence.system import ROUTING_SLOT, System
from coexistence.testing import (
    ActionFailed,
    Clock,
    Conversation,
    ImpossibleTurn,
    ResponseRefused,
)
from tests.testing.conftest import Talk
from tests.testing.scripted import action, raises, says, slot

# As observed on the tracker classes of Rasa Pro 3.21.
OBSERVED: list[Any] = [
    pytest.param({"type": "text", "shared_for_coexistence": True}, "Ann", "Ann", id="shared text"),
    pytest.param(
        {"type": "categorical", "values": ["gold", "silver"], "shared_for_coexistence": True},
        "gold",
        "gold",
        id="shared categorical",
    ),
    pytest.param(
        {"type": "any", "shared_for_coexistence": True},
        {"a": [1, 2, None]},
        {"a": [1, 2, None]},
        id="shared any",
    ),
    pytest.param(
        {"type": "list", "shared_for_coexistence": False}, ["x"], None, id="flagged false"
    ),
    pytest.param({"type": "text", "initial_value": "init"}, "tmp", "init", id="unflagged, initial"),
    pytest.param({"type": "text"}, "dd", None, id="unflagged"),
]


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(event["event"], event.get("name")) for event in events]


def with_slot(declared: dict[str, Any], **sections: Any) -> Conversation:
    route = {"type": "bool", "influence_conversation": False}
    return Conversation({"slots": {"s": declared, ROUTING_SLOT: route}, **sections}, [])


@pytest.mark.parametrize(("declared", "before", "after"), OBSERVED)
@pytest.mark.parametrize("calm", [True, False], ids=["CALM", "NLU"])
def test_a_routing_reset_makes_of_a_slot_what_rasa_makes_of_it(
    calm: bool, declared: dict[str, Any], before: Any, after: Any
) -> None:
    with with_slot(declared) as conversation:
        if calm:
            conversation.calm_turn("x", flow="f", slots={"s": before})
        else:
            conversation.nlu_turn("x", slots={"s": before})
        assert conversation.slots["s"] == before
        assert conversation.slots[ROUTING_SLOT] is calm

        reset = conversation.reset_routing()

        assert conversation.slots["s"] == after
        assert conversation.slots[ROUTING_SLOT] is None
        assert kinds(reset.events) == [
            ("action", "action_reset_routing"),
            ("routing_session_ended", None),
            ("slot", ROUTING_SLOT),
        ]


@pytest.mark.parametrize(("declared", "before", "_after"), OBSERVED)
@pytest.mark.parametrize("event", ["reset_slots", "session_started", "restart"])
def test_other_resets_take_shared_slots_too(
    event: str, declared: dict[str, Any], before: Any, _after: Any
) -> None:
    with with_slot(declared) as conversation:
        conversation.nlu_turn("x", slots={"s": before})

        conversation.apply({"event": event})

        assert conversation.slots["s"] == declared.get("initial_value")


def test_the_first_turn_starts_a_session_with_the_messages_metadata(talk: Talk) -> None:
    conversation = talk(user_id="ann", metadata={"channel": "app"})

    first = conversation.nlu_turn("hello", metadata={"locale": "en"})

    sent = {"user_id": "ann", "channel": "app", "locale": "en"}
    assert kinds(first.events) == [
        ("slot", "session_started_metadata"),
        ("action", "action_session_start"),
        ("session_started", None),
        ("slot", "session_started_metadata"),
        ("action", "action_listen"),
        ("user", None),
        ("slot", ROUTING_SLOT),
    ]
    assert conversation.slots["session_started_metadata"] == sent
    assert first.events[5]["metadata"] == sent
    assert conversation.tracker.user_id == "ann"


def test_a_turn_waits_for_the_user_before_the_next_one(talk: Talk) -> None:
    conversation = talk()
    conversation.nlu_turn("one", sticky=False)

    second = conversation.nlu_turn("two", sticky=False)

    assert kinds(second.events) == [("action", "action_listen"), ("user", None)]


def test_an_action_gets_the_tracker_with_the_whole_session(talk: Talk) -> None:
    seen: list[Any] = []
    look = action("action_x", does=lambda _, tracker, __: seen.append(tracker) or [])
    conversation = talk(look, user_id="ann")

    conversation.nlu_turn("I am Ann", intent="tell", slots={"customer_name": "Ann"})
    conversation.reset_routing()
    conversation.calm_turn("pay", flow="pay", slots={"recipient": "Bob"}, action="action_x")

    (tracker,) = seen
    assert tracker.slots["customer_name"] == "Ann"
    assert tracker.slots["recipient"] == "Bob"
    assert tracker.latest_message["text"] == "pay"
    assert tracker.stack[-1]["flow_id"] == "pay"
    heard = [event for event in tracker.events if event["event"] == "user"]
    assert [event["text"] for event in heard] == ["I am Ann", "pay"]
    assert heard[0]["parse_data"]["intent"]["name"] == "tell"
    assert heard[0]["parse_data"]["entities"] == [{"entity": "name", "value": "Ann"}]
    assert "routing_session_ended" in {event["event"] for event in tracker.events}
    times = [event["timestamp"] for event in tracker.events]
    assert times == sorted(set(times))


def test_events_of_an_action_get_rasas_time(talk: Talk) -> None:
    conversation = talk(action("action_x", slot("scratch", "new", timestamp=1.0)))

    reply = conversation.nlu_turn("x", action="action_x")

    assert conversation.slots["scratch"] == "new"
    assert reply.events[-1]["timestamp"] == conversation.clock.now


def test_messages_are_told_as_users_get_them(talk: Talk) -> None:
    sections = {"responses": {"utter_hi": [{"text": "Hi {customer_name}!"}]}}
    conversation = talk(
        says("action_text", text="Plain."), says("action_hi", response="utter_hi"),
        sections=sections,
    )  # fmt: skip

    reply = conversation.nlu_turn(
        "x", slots={"customer_name": "Ann"}, action=["action_text", "action_hi", "utter_hi"]
    )

    assert reply.messages == ["Plain.", "Hi Ann!", "Hi Ann!"]
    assert reply.text == "Plain.\nHi Ann!\nHi Ann!"
    assert [call.action for call in reply.calls][-3:] == ["action_text", "action_hi", "utter_hi"]
    assert reply.status == 200


def test_of_several_variations_the_one_whose_condition_holds_is_said(talk: Talk) -> None:
    gold = [{"type": "slot", "name": "loyalty_tier", "value": "gold"}]
    responses = {"utter_hi": [{"text": "Hi."}, {"condition": gold, "text": "Welcome!"}]}
    conversation = talk(sections={"responses": responses})

    assert conversation.nlu_turn("x", action="utter_hi").text == "Hi."
    conversation.apply(slot("loyalty_tier", "gold"))
    assert conversation.nlu_turn("x", action="utter_hi").text == "Welcome!"


def test_one_nlu_turn_that_is_not_sticky_leaves_the_router_engaged(talk: Talk) -> None:
    conversation = talk()

    conversation.nlu_turn("how are you", sticky=False)
    assert conversation.system is System.NONE

    conversation.calm_turn("pay")
    assert conversation.system is System.CALM


def test_the_router_picks_anew_only_after_a_reset(talk: Talk) -> None:
    conversation = talk()
    conversation.nlu_turn("x")

    with pytest.raises(ImpossibleTurn, match="with NLU"):
        conversation.calm_turn("pay")

    conversation.reset_routing()
    conversation.calm_turn("pay")
    with pytest.raises(ImpossibleTurn, match="with CALM"):
        conversation.nlu_turn("x")


def test_an_assistant_of_one_system_has_no_routing_slot_to_set() -> None:
    with Conversation({"slots": {"a": {"type": "text"}}}, []) as conversation:
        conversation.nlu_turn("x", slots={"a": "b"})
        conversation.calm_turn("x")
        assert conversation.slots == {"a": "b", "session_started_metadata": {"user_id": "user-1"}}


def test_nothing_runs_after_a_routing_reset_before_the_user_speaks(talk: Talk) -> None:
    conversation = talk(action("action_x"))

    with pytest.raises(ImpossibleTurn, match="action_x would not run"):
        conversation.nlu_turn("x", action=["action_reset_routing", "action_x"])
    with pytest.raises(ImpossibleTurn, match="action_x would not run"):
        conversation.run("action_x")

    assert conversation.nlu_turn("x", action="action_x").status == 200


def test_reset_routing_from_an_action_ends_the_turn(talk: Talk) -> None:
    conversation = talk(action("action_x", coexistence.reset_routing()))
    conversation.calm_turn("x", flow="pay", slots={"customer_name": "Ann", "scratch": "new"})

    reply = conversation.run("action_x")

    assert [call.action for call in reply.calls] == ["action_x", "action_reset_routing"]
    assert conversation.system is System.NONE
    assert (conversation.slots["customer_name"], conversation.slots["scratch"]) == ("Ann", "init")
    assert conversation.tracker.as_sent()["stack"] == []
    assert conversation.tracker.as_sent()["followup_action"] == "action_listen"


def test_an_action_that_asks_for_itself_for_ever_is_stopped(talk: Talk) -> None:
    conversation = talk(action("action_x", FollowupAction("action_x")))
    with pytest.raises(ImpossibleTurn, match="More than 10"):
        conversation.nlu_turn("x", action="action_x")


def test_a_flow_drops_what_it_collected_when_it_ends(talk: Talk) -> None:
    conversation = talk()
    conversation.calm_turn("pay", flow="pay", slots={"recipient": "Bob"})
    conversation.calm_turn("as Ann", slots={"customer_name": "Ann", "scratch": "new"})

    ended = conversation.flow_ended(persisted=["customer_name"])

    resets = [event for event in ended.events if event["event"] == "slot"]
    assert [(e["name"], e["value"], e["metadata"]) for e in resets] == [
        ("recipient", None, {"reset": True}),
        ("scratch", "init", {"reset": True}),
    ]
    assert conversation.slots["customer_name"] == "Ann"
    assert conversation.tracker.stack[-1]["flow_id"] == "pattern_completed"


def test_a_flow_drops_only_the_slots_that_are_named(talk: Talk) -> None:
    conversation = talk()
    conversation.calm_turn("x", flow="pay", slots={"recipient": "Bob", "customer_name": "Ann"})

    conversation.flow_ended("recipient")

    assert (conversation.slots["recipient"], conversation.slots["customer_name"]) == (None, "Ann")


@pytest.mark.parametrize("carry_over", [True, False])
@pytest.mark.parametrize("by", ["domain", "argument"])
def test_a_new_session_carries_over_as_it_is_told(talk: Talk, carry_over: bool, by: str) -> None:
    config = {"carry_over_slots_to_new_session": carry_over is (by == "domain")}
    conversation = talk(sections={"session_config": config})
    conversation.nlu_turn("x", slots={"customer_name": "Ann", "scratch": "new"})

    conversation.new_session(carry_over=None if by == "domain" else carry_over)

    expected = ("Ann", "new", False) if carry_over else (None, "init", None)
    slots = conversation.slots
    assert (slots["customer_name"], slots["scratch"], slots[ROUTING_SLOT]) == expected


def test_carry_over_repeats_even_what_a_routing_reset_took_away(talk: Talk) -> None:
    conversation = talk()
    conversation.nlu_turn("x", slots={"recipient": "Bob"})
    conversation.reset_routing()
    assert conversation.slots["recipient"] is None

    started = conversation.new_session()

    assert conversation.slots["recipient"] == "Bob"
    begun = kinds(started.events)
    assert begun.index(("session_started", None)) < begun.index(("slot", "recipient"))
    assert begun[-1] == ("action", "action_listen")


def test_a_silence_longer_than_the_domain_allows_starts_a_session(talk: Talk) -> None:
    conversation = talk(sections={"session_config": {"session_expiration_time": 60}})
    conversation.nlu_turn("x")

    conversation.clock.advance(minutes=59)
    same = conversation.nlu_turn("x")
    conversation.clock.advance(minutes=61)
    new = conversation.nlu_turn("x")

    assert ("session_started", None) not in kinds(same.events)
    assert ("session_started", None) in kinds(new.events)


def test_sessions_that_never_expire_do_not(talk: Talk) -> None:
    conversation = talk(sections={"session_config": {"session_expiration_time": 0}})
    conversation.nlu_turn("x")
    conversation.clock.advance(days=20)
    assert ("session_started", None) not in kinds(conversation.nlu_turn("x").events)


def test_the_session_before_is_sent_with_the_message_that_starts_a_new_one_only(
    talk: Talk,
) -> None:
    told: list[list[str]] = []

    def note(_: Any, tracker: Any, __: Any) -> list[Any]:
        told.append([event["text"] for event in tracker.events if event["event"] == "user"])
        return []

    conversation = talk(action("action_x", does=note))
    conversation.nlu_turn("old")
    conversation.new_session()
    conversation.nlu_turn("new", action="action_x")
    conversation.nlu_turn("newer", action="action_x")

    assert told == [["old", "new"], ["new", "newer"]]


def test_a_restart_empties_all_slots_and_starts_a_session(talk: Talk) -> None:
    conversation = talk()
    conversation.nlu_turn("x", slots={"customer_name": "Ann"})

    restarted = conversation.restart()

    assert conversation.slots["customer_name"] is None
    assert kinds(restarted.events)[-4:] == [
        ("restart", None),
        ("action", "action_session_start"),
        ("session_started", None),
        ("action", "action_listen"),
    ]


def test_a_listed_default_action_is_the_action_servers(talk: Talk) -> None:
    conversation = talk(
        action("action_reset_routing", {"event": "routing_session_ended"},
               slot(ROUTING_SLOT, None), slot("scratch", "back")),
        action("action_session_start", {"event": "session_started"},
               slot("customer_name", "Ann"), {"event": "action", "name": "action_listen"}),
    )  # fmt: skip

    conversation.nlu_turn("x")
    assert conversation.slots["customer_name"] == "Ann"

    conversation.reset_routing()
    assert conversation.slots["scratch"] == "back"
    assert conversation.system is System.NONE


def test_another_channel_is_another_conversation_with_empty_slots(talk: Talk) -> None:
    app = talk(user_id="ann")
    app.nlu_turn("x", slots={"customer_name": "Ann"})

    web = app.on_channel("web-1")
    web.nlu_turn("x")

    assert web.slots["customer_name"] is None
    assert (web.tracker.sender_id, web.tracker.user_id) == ("web-1", "ann")
    assert web.clock is app.clock
    other = app.on_channel("web-2", user_id="bob")
    other.nlu_turn("x")
    assert other.tracker.user_id == "bob"


def test_an_nlu_turn_goes_on_after_an_action_that_failed_without_its_events(talk: Talk) -> None:
    conversation = talk(raises("action_x", RuntimeError("no bank")), says("action_y", text="On."))

    failed = conversation.nlu_turn("x", action="action_x", status=500)

    assert failed.status == 500
    assert kinds(failed.events)[-1] == ("action", "action_x")
    assert conversation.run("action_y").text == "On."


def test_a_flow_is_cancelled_when_its_action_fails(talk: Talk) -> None:
    conversation = talk(raises("action_x", RuntimeError("no bank")))

    failed = conversation.calm_turn(
        "pay", flow="pay", slots={"recipient": "Bob"}, action="action_x", status=500
    )

    assert conversation.slots["recipient"] is None
    assert conversation.tracker.stack == []
    assert "flow_cancelled" in {event["event"] for event in failed.events}
    assert any("pattern_internal_error" in event.get("update", "") for event in failed.events)


def test_a_rejection_lets_others_act_and_is_no_action_in_the_history(talk: Talk) -> None:
    from rasa_sdk.interfaces import ActionExecutionRejection

    conversation = talk(raises("action_x", ActionExecutionRejection("action_x")))

    rejected = conversation.calm_turn("x", flow="pay", action="action_x", status=400)

    assert rejected.status == 400
    assert kinds(rejected.events)[-1] == ("action_execution_rejected", "action_x")
    assert conversation.tracker.stack[-1]["flow_id"] == "pay"


@pytest.mark.parametrize("take", ["nlu_turn", "calm_turn"])
def test_an_action_that_fails_unexpectedly_fails_the_test_with_its_error(
    talk: Talk, take: str
) -> None:
    error = RuntimeError("no bank")
    conversation = talk(raises("action_x", error))

    with pytest.raises(ActionFailed, match=r"status 200, and came to status 500") as failed:
        getattr(conversation, take)("x", action="action_x")

    assert failed.value.__cause__ is error


def test_an_action_that_works_where_an_error_was_expected_fails_the_test(talk: Talk) -> None:
    with pytest.raises(ActionFailed, match="status 500, and came to status 200"):
        talk(action("action_x")).nlu_turn("x", action="action_x", status=500)


def test_an_action_that_the_domain_does_not_list_is_none(talk: Talk) -> None:
    with pytest.raises(ImpossibleTurn, match="does not list action_y under `actions`"):
        talk(action("action_x")).nlu_turn("x", action="action_y")


def test_an_action_that_the_server_does_not_have_is_a_404(tmp_path: Any) -> None:
    with (
        Conversation({"actions": ["action_x"]}, [], folder=tmp_path) as conversation,
        pytest.raises(ActionFailed, match="came to status 404"),
    ):
        conversation.nlu_turn("x", action="action_x")


def test_a_slot_that_the_domain_lacks_cannot_be_filled(talk: Talk) -> None:
    with pytest.raises(ImpossibleTurn, match="Slot lacking cannot be filled"):
        talk().nlu_turn("x", slots={"lacking": 1})


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([slot("lacking", 1)], "Slot lacking is not in the domain"),
        ([slot("loyalty_tier", "tin")], "strict_categorical"),
        ([{"event": "sing"}], "Rasa refuses the answer of action_x, and drops all of it"),
        ([{"event": "slot", "name": "scratch"}], "lacks `value`"),
        ([{"name": "scratch", "value": 1}], "the SDK drops it"),
    ],
)
def test_what_rasa_would_not_take_fails_the_test(talk: Talk, events: Any, why: str) -> None:
    conversation = talk(action("action_x", *events, slot("scratch", "new")))

    with pytest.raises(ResponseRefused, match=why):
        conversation.nlu_turn("x", action="action_x")


def test_a_response_that_the_domain_lacks_fails_the_test(talk: Talk) -> None:
    with pytest.raises(ResponseRefused, match="no response utter_lacking"):
        talk(says("action_x", response="utter_lacking")).nlu_turn("x", action="action_x")


def test_a_lenient_conversation_goes_on_as_rasa_would(talk: Talk) -> None:
    conversation = talk(
        action("action_slot", slot("lacking", 1), slot("scratch", "kept")),
        action("action_sing", {"event": "sing"}, slot("scratch", "lost")),
        raises("action_raise", RuntimeError()),
    )
    conversation.lenient = True

    conversation.nlu_turn("x", action=["action_slot", "action_sing", "action_raise"])

    assert conversation.slots["scratch"] == "kept"
    assert "lacking" not in conversation.slots
    assert len(conversation.problems) == 3


@pytest.mark.parametrize("rasa", ["3.6.21", "3.7.0"])
def test_an_old_rasa_loses_an_answer_with_routing_session_ended(talk: Talk, rasa: str) -> None:
    conversation = talk(
        action("action_reset_routing", {"event": "routing_session_ended"}), rasa_version=rasa
    )
    conversation.nlu_turn("x")
    with pytest.raises(ResponseRefused, match=r"coexistence came with 3\.8"):
        conversation.reset_routing()


def test_an_old_rasa_has_neither_calm_nor_a_reset_of_its_own(talk: Talk) -> None:
    conversation = talk(rasa_version="3.6.21")
    with pytest.raises(ImpossibleTurn, match=r"Rasa 3\.6\.21 has no CALM"):
        conversation.calm_turn("x")
    conversation.nlu_turn("x")
    with pytest.raises(ImpossibleTurn, match="list it under `actions`"):
        conversation.reset_routing()


def test_the_clock_stays_behind_the_real_one() -> None:
    clock = Clock()
    clock.advance(days=29)
    with pytest.raises(ImpossibleTurn, match="start it earlier"):
        clock.advance(days=2)
    assert Clock(5.0).tick() > 5.0


@pytest.mark.parametrize("back", [lambda c: c.advance(hours=-2), lambda c: c.set(c.now - 1)])
def test_the_clock_goes_forward_only(back: Callable[[Clock], None]) -> None:
    clock = Clock()
    before = clock.now
    with pytest.raises(ImpossibleTurn, match="goes forward only"):
        back(clock)
    assert clock.now == before
    clock.advance(hours=1, minutes=-30)
    assert clock.now == pytest.approx(before + 1800)
