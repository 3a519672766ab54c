"""Actions that slot mappings run on every turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from rasa_sdk import Action

from coexistence.system import ROUTING_SLOT
from coexistence.testing import ActionFailed, Conversation, MessageAborted, ResponseRefused
from tests.server.action_server import free_port
from tests.testing.scripted import SLOTS, action, domain, raises, slot

CONTROLLED = {"type": "controlled", "run_action_every_turn": "action_sync"}
CUSTOM = {"type": "custom", "action": "action_sync"}


def assistant(
    *actions: type[Action], mapping: Any = CONTROLLED, shared: bool = True, **slots: Any
) -> Conversation:
    sync = {"type": "any", "shared_for_coexistence": shared, "mappings": [mapping]}
    return Conversation(domain(*actions, slots={**slots, "sync": sync, **SLOTS}), actions)


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def noting(told: list[Any]) -> type[Action]:
    return action("action_sync", does=lambda _, tracker, __: told.append(tracker) or [])


@pytest.mark.parametrize("mapping", [CONTROLLED, CUSTOM], ids=["controlled", "custom"])
def test_it_runs_on_the_turns_of_both_systems_before_routing_and_slots_show(
    noting: type[Action], told: list[Any], mapping: Any
) -> None:
    with assistant(noting, mapping=mapping) as conversation:
        conversation.nlu_turn("I am Ann", slots={"customer_name": "Ann"})
        conversation.reset_routing()
        conversation.calm_turn("pay", flow="pay", slots={"recipient": "Bob"})

    first, second = told
    assert first.slots["customer_name"] is None
    assert first.slots[ROUTING_SLOT] is None
    assert first.events[-1]["event"] == "user"
    assert second.slots["recipient"] is None
    assert second.slots[ROUTING_SLOT] is None


@pytest.mark.parametrize(
    ("shared", "system", "on"),
    [
        (True, None, ["NLU", "CALM"]),
        (False, None, ["NLU"]),
        (False, "NLU", ["NLU"]),
        (False, "CALM", []),
    ],
)
def test_its_slot_decides_on_which_turns_it_runs(
    noting: type[Action], told: list[Any], shared: bool, system: str | None, on: list[str]
) -> None:
    mapping = {**CONTROLLED, **({"coexistence_system": system} if system else {})}
    with assistant(noting, mapping=mapping, shared=shared) as conversation:
        conversation.nlu_turn("NLU")
        conversation.reset_routing()
        conversation.calm_turn("CALM")

    assert [tracker.latest_message["text"] for tracker in told] == on


def test_two_slots_that_name_it_run_it_once(noting: type[Action], told: list[Any]) -> None:
    with assistant(noting, again={"type": "any", "mappings": [CONTROLLED]}) as conversation:
        conversation.nlu_turn("x")
    assert len(told) == 1


def test_its_events_set_any_slot_and_its_messages_are_not_counted_on() -> None:
    def sync(dispatcher: Any, *_: Any) -> Any:
        dispatcher.utter_message(text="lost")
        return [slot("customer_name", "Ann"), slot("scratch", "new")]

    with assistant(action("action_sync", does=sync)) as conversation:
        reply = conversation.nlu_turn("x")

    assert reply.messages == []
    assert (conversation.slots["customer_name"], conversation.slots["scratch"]) == ("Ann", "new")


def test_it_overrides_slots_declared_before_its_own_and_not_those_after() -> None:
    sync = action("action_sync", slot("before", "old"), slot("customer_name", "old"))
    with assistant(sync, before={"type": "text"}) as conversation:
        conversation.nlu_turn("x", slots={"before": "new", "customer_name": "new"})

    assert conversation.slots["before"] == "old"
    assert conversation.slots["customer_name"] == "new"


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([{"event": "followup", "name": "action_reset_routing"}], "keeps slot events only"),
        ([slot("lacking", 1)], "Slot lacking is not in the domain"),
    ],
)
def test_what_rasa_drops_of_it_fails_the_test(events: Any, why: str) -> None:
    with (
        assistant(action("action_sync", *events)) as conversation,
        pytest.raises(ResponseRefused, match=why),
    ):
        conversation.nlu_turn("x")


def test_an_error_status_fails_the_test_and_leniently_is_a_turn_without_it() -> None:
    with assistant(raises("action_sync", RuntimeError())) as conversation:
        with pytest.raises(ActionFailed, match="came to status 500"):
            conversation.nlu_turn("x")
        conversation.lenient = True
        assert conversation.nlu_turn("x", slots={"scratch": "new"}).status == 500
        assert conversation.slots["scratch"] == "new"


def test_an_answer_that_rasa_refuses_aborts_the_message_however_lenient() -> None:
    with assistant(action("action_sync", {"event": "sing"})) as conversation:
        conversation.lenient = True
        with pytest.raises(MessageAborted, match="drops the user's whole message"):
            conversation.nlu_turn("x")


def test_a_server_that_is_not_there_aborts_the_message() -> None:
    slots = {"sync": {"type": "any", "shared_for_coexistence": True, "mappings": [CONTROLLED]}}
    with (
        Conversation({"slots": slots}, f"http://127.0.0.1:{free_port()}") as conversation,
        pytest.raises(MessageAborted, match="did not come or was no JSON"),
    ):
        conversation.nlu_turn("x")


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    import threading

    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before
