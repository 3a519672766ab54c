"""The kit's tracker against what was observed on the tracker classes of Rasa Pro 3.21."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coexistence.system import ROUTING_SLOT
from coexistence.testing.errors import ImpossibleTurn
from coexistence.testing.tracker import SESSION_METADATA, ConversationTracker

SLOTS: dict[str, dict[str, Any]] = {
    "customer_name": {"type": "text", "shared_for_coexistence": True},
    "loyalty_tier": {
        "type": "categorical",
        "values": ["gold", "silver"],
        "shared_for_coexistence": True,
    },
    "prefs": {"type": "any", "shared_for_coexistence": True},
    "cart": {"type": "list", "shared_for_coexistence": False},
    "scratch": {"type": "text", "initial_value": "init"},
    "unflagged": {"type": "text"},
    ROUTING_SLOT: {"type": "bool", "influence_conversation": False},
}
FILLED: dict[str, Any] = {
    "customer_name": "Ann",
    "loyalty_tier": "gold",
    "prefs": {"a": [1, 2, None]},
    "cart": ["x"],
    "scratch": "tmp",
    "unflagged": "dd",
    ROUTING_SLOT: True,
}
INITIAL: dict[str, Any] = {name: spec.get("initial_value") for name, spec in SLOTS.items()}
FRAME = {"frame_type": "flow", "flow_id": "pay"}


@pytest.fixture
def tracker() -> ConversationTracker:
    """A conversation in the middle of a skill, all slots filled."""
    made = ConversationTracker("conversation", {"slots": SLOTS})
    said = {"text": "hi", "intent": {"name": "greet"}}
    made.apply({"event": "session_started"}, 1.0)
    made.apply({"event": "user", "text": "hi", "parse_data": said}, 2.0)
    for name, value in FILLED.items():
        made.apply({"event": "slot", "name": name, "value": value}, 3.0)
    made.apply({"event": "action", "name": "action_pay"}, 4.0)
    made.apply({"event": "active_loop", "name": "pay_form"}, 5.0)
    patch = [{"op": "replace", "path": "", "value": [FRAME]}]
    made.apply({"event": "stack", "update": json.dumps(patch)}, 6.0)
    return made


def reset_routing(tracker: ConversationTracker) -> None:
    tracker.apply({"event": "routing_session_ended"}, 7.0)
    tracker.apply({"event": "slot", "name": ROUTING_SLOT, "value": None}, 8.0)


@pytest.mark.parametrize(
    ("slot", "after"),
    [
        pytest.param("customer_name", "Ann", id="shared text"),
        pytest.param("loyalty_tier", "gold", id="shared categorical"),
        pytest.param("prefs", {"a": [1, 2, None]}, id="shared any"),
        pytest.param("cart", None, id="flagged false"),
        pytest.param("scratch", "init", id="unflagged with an initial value"),
        pytest.param("unflagged", None, id="unflagged"),
        pytest.param(ROUTING_SLOT, None, id="the routing slot"),
    ],
)
def test_a_routing_reset_makes_of_a_slot_what_rasa_makes_of_it(
    tracker: ConversationTracker, slot: str, after: Any
) -> None:
    assert tracker.slots[slot] == FILLED[slot]

    reset_routing(tracker)

    assert tracker.slots[slot] == after


def test_a_routing_reset_leaves_no_slot_event_but_the_routing_slots(
    tracker: ConversationTracker,
) -> None:
    before = len(tracker.events)

    reset_routing(tracker)

    assert [(e["event"], e.get("name")) for e in tracker.events[before:]] == [
        ("routing_session_ended", None),
        ("slot", ROUTING_SLOT),
    ]


def test_a_routing_reset_ends_the_skill_and_waits_for_the_user(
    tracker: ConversationTracker,
) -> None:
    sent = tracker.as_sent()
    assert sent["stack"] == [FRAME]
    assert sent["active_loop"] == {"name": "pay_form"}
    assert sent["latest_message"]["text"] == "hi"
    assert sent["latest_action_name"] == "action_pay"

    reset_routing(tracker)

    sent = tracker.as_sent()
    assert sent["stack"] == []
    assert sent["active_loop"] == {}
    assert sent["latest_message"] == {}
    assert sent["latest_action_name"] is None
    assert sent["followup_action"] == "action_listen"


@pytest.mark.parametrize("event", ["reset_slots", "session_started"])
def test_other_resets_take_shared_slots_too(tracker: ConversationTracker, event: str) -> None:
    tracker.apply({"event": event}, 7.0)

    assert {name: tracker.slots[name] for name in SLOTS} == INITIAL


def test_the_first_user_id_in_the_metadata_stays() -> None:
    tracker = ConversationTracker("conversation", {"slots": SLOTS})

    for user in ("ann", "bob"):
        tracker.apply({"event": "user", "text": "hi", "metadata": {"user_id": user}}, 1.0)

    assert tracker.as_sent()["user_id"] == "ann"


def test_a_new_conversation_has_initial_slots_and_rasas_own() -> None:
    tracker = ConversationTracker("conversation", {"slots": SLOTS})

    assert tracker.slots == {**INITIAL, SESSION_METADATA: None}


def test_events_get_the_time_at_which_they_are_applied(tracker: ConversationTracker) -> None:
    tracker.apply({"event": "slot", "name": "cart", "value": [], "timestamp": 1.5}, 9.0)

    assert tracker.events[-1]["timestamp"] == 9.0


def test_between_messages_only_the_newest_session_is_kept(tracker: ConversationTracker) -> None:
    tracker.apply({"event": "action", "name": "action_session_start"}, 7.0)
    tracker.apply({"event": "session_started"}, 8.0)
    tracker.apply({"event": "action", "name": "action_listen"}, 9.0)

    tracker.keep_newest_session()

    assert [event["timestamp"] for event in tracker.events] == [7.0, 8.0, 9.0]


def test_a_restart_resets_all_slots_and_asks_for_a_session_start(
    tracker: ConversationTracker,
) -> None:
    tracker.apply({"event": "restart"}, 7.0)

    assert {name: tracker.slots[name] for name in SLOTS} == INITIAL
    assert tracker.as_sent()["followup_action"] == "action_session_start"
    assert tracker.applied_events() == []


def test_a_slot_that_the_domain_lacks_stays_in_the_history_only(
    tracker: ConversationTracker,
) -> None:
    tracker.apply({"event": "slot", "name": "lacking", "value": 1}, 7.0)

    assert "lacking" not in tracker.slots
    assert tracker.events[-1]["name"] == "lacking"


def test_rewind_undoes_the_last_message_and_what_came_of_it(tracker: ConversationTracker) -> None:
    tracker.apply({"event": "action", "name": "action_listen"}, 7.0)
    tracker.apply({"event": "user", "text": "no", "parse_data": {"text": "no"}}, 8.0)
    tracker.apply({"event": "slot", "name": "customer_name", "value": "Eve"}, 9.0)

    tracker.apply({"event": "rewind"}, 10.0)

    sent = tracker.as_sent()
    assert tracker.slots["customer_name"] == "Ann"
    assert sent["latest_message"]["text"] == "hi"
    assert sent["latest_action_name"] == "action_pay"
    assert sent["stack"] == [FRAME]
    assert sent["events"][-1]["event"] == "rewind"


def test_undo_takes_back_the_last_action_and_what_it_set(tracker: ConversationTracker) -> None:
    tracker.apply({"event": "action", "name": "action_rename"}, 7.0)
    tracker.apply({"event": "slot", "name": "customer_name", "value": "Eve"}, 8.0)

    tracker.apply({"event": "undo"}, 9.0)

    assert tracker.slots["customer_name"] == "Ann"
    assert tracker.as_sent()["latest_action_name"] == "action_pay"


def test_a_followup_lasts_until_the_next_action_or_message(tracker: ConversationTracker) -> None:
    for then in ({"event": "action", "name": "action_x"}, {"event": "user", "text": "hi"}):
        tracker.apply({"event": "followup", "name": "action_x"}, 7.0)
        assert tracker.as_sent()["followup_action"] == "action_x"
        tracker.apply(then, 8.0)
        assert tracker.as_sent()["followup_action"] is None


def test_pause_and_resume(tracker: ConversationTracker) -> None:
    for event, paused in (("pause", True), ("resume", False)):
        tracker.apply({"event": event}, 7.0)
        assert tracker.as_sent()["paused"] is paused


def test_a_form_gives_a_domain_rasas_slot_for_what_it_asks() -> None:
    assert "requested_slot" in ConversationTracker("c", {"slots": {}, "forms": {"f": {}}}).slots


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"update": json.dumps([{"op": "remove", "path": "/0"}])}, id="a part"),
        pytest.param({"update": "{}"}, id="no list of changes"),
        pytest.param({"update": "no JSON"}, id="no JSON"),
        pytest.param({}, id="nothing"),
    ],
)
def test_a_stack_event_that_does_not_replace_the_whole_is_refused(
    tracker: ConversationTracker, more: dict[str, Any]
) -> None:
    with pytest.raises(ImpossibleTurn, match="stack_event"):
        tracker.apply({"event": "stack", **more}, 7.0)
    assert tracker.stack == [FRAME]
