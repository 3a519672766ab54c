"""What Rasa refuses of a response, and what it ignores."""

from __future__ import annotations

from typing import Any

import pytest
from rasa_sdk import events as sdk_events

from coexistence.shared_slots import DomainSlots
from coexistence.testing.responses import ignored, version_of, violations
from tests.testing.scripted import SLOTS, slot

NOW = (3, 21)
OPEN_SOURCE = (3, 6)


def answered(*events: Any) -> dict[str, Any]:
    return {"events": list(events), "responses": []}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([], "The response must be an object, not a list."),
        (None, "The response must be an object, not null."),
        ({"events": None}, "`events` must be a list, not null."),
        ({"events": {}}, "`events` must be a list, not an object."),
        ({"responses": None}, "`responses` must be a list, not null."),
        ({"responses": ["hi"]}, "responses[0] must be an object, not text."),
        (answered("slot"), "events[0] must be an object, not text."),
        (answered({"name": "x"}), "events[0] lacks `event`, the name of its type."),
        (answered({"event": None}), "events[0] must name its type in `event`, which is null."),
        (answered({"event": "sing"}), "events[0] is of type 'sing', which Rasa does not know."),
        (
            answered({"event": "slot", "name": "x"}),
            "events[0] is of type 'slot' and lacks `value`.",
        ),
        (answered({"event": "slot", "value": 1}), "events[0] is of type 'slot' and lacks `name`."),
        (
            answered(slot("a", 1), slot("b", 2, metadata="tag")),
            "events[1] is of type 'slot', whose `metadata` must be an object or null, not text.",
        ),
        (
            answered(slot("a", 1, timestamp="now")),
            "events[0] is of type 'slot', whose `timestamp` must be a number or null, not text.",
        ),
        (
            answered(slot("a", 1, timestamp=True)),
            "events[0] is of type 'slot', whose `timestamp` must be a number or null, "
            "not true or false.",
        ),
        (
            answered({"event": "action", "name": 1}),
            "events[0] is of type 'action', whose `name` must be text or null, not a number.",
        ),
        (
            answered({"event": "stack", "update": []}),
            "events[0] is of type 'stack', whose `update` must be text, not a list.",
        ),
    ],
)
def test_each_violation_is_told_in_a_sentence(body: Any, why: str) -> None:
    assert violations(body, NOW) == [why]


def test_every_violation_is_told_not_the_first_only() -> None:
    assert len(violations({"events": [{}, 1], "responses": [1]}, NOW)) == 3


def test_no_sentence_repeats_a_value() -> None:
    told = violations(answered(slot("a", 1, metadata="SECRET"), "SECRET"), NOW)
    told += ignored([slot("loyalty_tier", "SECRET"), slot("lacking", "SECRET")],
                    DomainSlots({"slots": SLOTS}), SLOTS)  # fmt: skip
    assert len(told) == 4
    assert "SECRET" not in "".join(told)


@pytest.mark.parametrize(
    "event",
    [
        sdk_events.SlotSet("a", None),
        sdk_events.FollowupAction("action_x"),
        sdk_events.SessionStarted(),
        sdk_events.ActionExecuted("action_listen"),
        sdk_events.AllSlotsReset(),
        sdk_events.Restarted(),
        sdk_events.ConversationPaused(),
        sdk_events.ConversationResumed(),
        sdk_events.ActiveLoop("a_form"),
        sdk_events.UserUtteranceReverted(),
        sdk_events.ActionReverted(),
        sdk_events.BotUttered("hi"),
        sdk_events.UserUttered("hi", {}),
        {"event": "slot", "name": "a", "value": {"deep": [1]}, "metadata": {"profile_store": {}}},
    ],
    ids=lambda event: str(event["event"]),
)
@pytest.mark.parametrize("rasa", [NOW, OPEN_SOURCE], ids=["pro", "open source"])
def test_what_the_sdk_makes_is_taken_by_every_rasa(event: Any, rasa: tuple[int, int]) -> None:
    assert violations(answered(event), rasa) == []


def test_an_empty_object_is_a_response() -> None:
    assert violations({}, NOW) == []


@pytest.mark.parametrize("version", ["3.6.21", "3.7.0", "2.8.1"])
def test_an_old_rasa_refuses_routing_session_ended(version: str) -> None:
    ended = answered({"event": "routing_session_ended"})
    (why,) = violations(ended, version_of(version))
    assert "coexistence came with 3.8" in why
    assert violations(ended, version_of("3.8.0")) == []


def test_open_source_refuses_events_of_flows() -> None:
    started = answered({"event": "flow_started", "flow_id": "pay"})
    (why,) = violations(started, OPEN_SOURCE)
    assert "came with CALM" in why
    assert violations(started, NOW) == []


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"write it as 3\.21\.0"):
        version_of("newest")


def test_a_slot_that_the_domain_lacks_is_ignored_by_rasa() -> None:
    slots = DomainSlots({"slots": SLOTS})
    (why,) = ignored([slot("lacking", 1), slot("customer_name", "Ann")], slots, SLOTS)
    assert why.startswith("Slot lacking is not in the domain: Rasa ignores the event.")


@pytest.mark.parametrize(("tier", "bad"), [("gold", False), ("GOLD", False), (None, False),
                                           ("platinum", True)])  # fmt: skip
def test_a_value_that_a_strict_slot_does_not_take_is_told(tier: Any, bad: bool) -> None:
    found = ignored([slot("loyalty_tier", tier)], DomainSlots({"slots": SLOTS}), SLOTS)
    assert bool(found) is bad
