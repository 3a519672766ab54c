"""Where a conversation stands between the two systems."""

from __future__ import annotations

import pytest

from coexistence import System, reset_routing, routing_state
from tests.coexistence.events import action, routed, routing_reset, tracker


@pytest.mark.parametrize(
    ("value", "system"), [(True, System.CALM), (False, System.NLU), (None, System.NONE)]
)
def test_the_routing_slot_tells_the_system(value: bool | None, system: System) -> None:
    state = routing_state(tracker(slots={"route_session_to_calm": value}))
    assert state.system is system
    assert state.active is (system is not System.NONE)


def test_an_assistant_without_the_routing_slot_has_no_routing_session() -> None:
    assert routing_state(tracker()) == (System.NONE, 0)


def test_resets_are_counted() -> None:
    assert routing_state(tracker(routed(False), routing_reset(), routing_reset())).resets == 2


def test_resets_of_a_rasa_without_an_event_for_them_are_counted_by_the_action() -> None:
    assert routing_state(tracker(action("action_reset_routing"))).resets == 1


def test_reset_routing_is_a_follow_up_of_rasas_own_action() -> None:
    event = reset_routing()
    assert event["event"] == "followup"
    assert event["name"] == "action_reset_routing"
