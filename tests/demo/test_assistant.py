"""What the demo's assistant does between the user and the action server."""

from __future__ import annotations

from typing import Any

import pytest

from coexistence.demo.assistant import Assistant, Change, Fate
from coexistence.demo.domain import (
    ACCOUNT,
    CUSTOMER_NAME,
    LANGUAGE,
    PAY_FLOW,
    PROFILE_ACTIONS,
    RASA_ALONE,
    RECIPIENT,
    WITH_PROFILE_STORE,
)
from coexistence.demo.server import ActionServer, Answer
from coexistence.system import System


class ScriptedServer(ActionServer):
    """Answers each action with the events that a test wants; notes what it was sent."""

    events: dict[str, list[dict[str, Any]]]
    called: list[tuple[str, dict[str, Any]]]

    def call(self, action: str, tracker: dict[str, Any], domain: dict[str, Any]) -> Answer:
        self.called.append((action, tracker))
        return Answer(200, 0.001, self.events.get(action, []), [])


@pytest.fixture
def server() -> ScriptedServer:
    made = ScriptedServer(0, 0.0)
    made.events, made.called = {}, []
    return made


def told(assistant: Assistant) -> None:
    """Have a user say two things to the NLU system, at the start of a conversation."""
    assistant.start_conversation("app-1")
    assistant.hear("Ann, English", "x", {CUSTOMER_NAME: "Ann", LANGUAGE: "English"}, System.NLU)
    assistant.take()


def hydrated(slot: str, value: Any) -> dict[str, Any]:
    metadata = {"profile_store": {"hydrated": True}}
    return {"event": "slot", "name": slot, "value": value, "metadata": metadata}


def test_the_two_assistants_differ_in_two_listed_actions_only() -> None:
    assert WITH_PROFILE_STORE["actions"] == [*RASA_ALONE["actions"], *PROFILE_ACTIONS]
    assert {**WITH_PROFILE_STORE, "actions": []} == {**RASA_ALONE, "actions": []}


def test_default_actions_are_not_called_over_http_where_the_domain_does_not_list_them(
    server: ScriptedServer,
) -> None:
    assistant = Assistant(RASA_ALONE, server, 0.0)

    told(assistant)
    assistant.reset_routing()

    assert server.called == []


def test_rasas_own_reset_loses_what_is_not_shared(server: ScriptedServer) -> None:
    assistant = Assistant(RASA_ALONE, server, 0.0)
    told(assistant)

    assistant.reset_routing()

    assert assistant.take().changes == [Change(LANGUAGE, Fate.LOST, "English")]


def test_rasas_own_session_start_loses_what_is_shared_too(server: ScriptedServer) -> None:
    assistant = Assistant(RASA_ALONE, server, 0.0)
    told(assistant)

    assistant.start_session()

    assert assistant.slots == dict.fromkeys(assistant.slots)


def test_a_listed_reset_is_called_and_its_events_are_applied(server: ScriptedServer) -> None:
    server.events["action_reset_routing"] = [
        {"event": "routing_session_ended"},
        hydrated(LANGUAGE, "English"),
    ]
    assistant = Assistant(WITH_PROFILE_STORE, server, 0.0)
    told(assistant)

    assistant.reset_routing()

    assert server.called[-1][0] == "action_reset_routing"
    assert assistant.take().changes == [
        Change(LANGUAGE, Fate.LOST, "English"),
        Change(LANGUAGE, Fate.BACK, "English"),
    ]


def test_another_conversation_starts_with_empty_slots_and_the_same_user(
    server: ScriptedServer,
) -> None:
    assistant = Assistant(WITH_PROFILE_STORE, server, 0.0)
    told(assistant)

    assistant.start_conversation("web-1")

    action, tracker = server.called[-1]
    assert action == "action_session_start"
    assert tracker["sender_id"] == "web-1"
    assert tracker["slots"]["session_started_metadata"] == {"user_id": "ann"}
    assert tracker["slots"][CUSTOMER_NAME] is None


def test_what_was_lost_and_is_said_once_more_was_told_again(server: ScriptedServer) -> None:
    assistant = Assistant(RASA_ALONE, server, 0.0)
    told(assistant)
    assistant.start_session()
    assistant.take()

    assistant.hear("Ann", "x", {CUSTOMER_NAME: "Ann"}, System.NLU)

    assert assistant.take().changes == [Change(CUSTOMER_NAME, Fate.TOLD_AGAIN, "Ann")]


def test_a_flow_asks_for_the_slot_that_is_empty(server: ScriptedServer) -> None:
    assistant = Assistant(RASA_ALONE, server, 0.0)
    told(assistant)
    assistant.hear("Pay Eve", "pay", {RECIPIENT: "Eve"}, System.CALM)

    assert not assistant.run_flow(PAY_FLOW)
    assert assistant.take().lines[-1].text == "From everyday or savings?"


def test_a_flow_drops_at_its_end_what_it_does_not_persist(server: ScriptedServer) -> None:
    assistant = Assistant(RASA_ALONE, server, 0.0)
    assistant.start_conversation("app-1")
    assistant.hear("Pay", "pay", {ACCOUNT: "savings", RECIPIENT: "Bob"}, System.CALM)
    assistant.run_flow(PAY_FLOW)
    assistant.take()

    assistant.end_flow(PAY_FLOW)

    assert assistant.take().changes == [Change(RECIPIENT, Fate.DROPPED, "Bob")]
    assert assistant.slots[ACCOUNT] == "savings"


@pytest.mark.parametrize(("sticky", "routed"), [(True, False), (False, None)])
def test_a_sticky_route_fills_the_routing_slot(
    server: ScriptedServer, sticky: bool, routed: bool | None
) -> None:
    assistant = Assistant(WITH_PROFILE_STORE, server, 0.0)
    assistant.start_conversation("app-1")

    assistant.hear("Hello", "greet", {}, System.NLU, sticky=sticky)
    assistant.run("action_greet")

    assert server.called[-1][1]["slots"]["route_session_to_calm"] is routed
