"""Plain actions that are surrounded: which, and what happens when something is wrong with us."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from rasa_sdk import Action
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher

import coexistence
from coexistence import InvalidLeaveOut, every_action, profiled_call
from coexistence.every_action import Surroundings, WithProfile
from tests.coexistence.calls import fresh, kept, run
from tests.coexistence.events import DOMAIN, user

SECRET = "what Ann said"


class Plain(Action):
    """Registered by no test but these."""

    def name(self) -> str:
        return "action_plain"

    async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> Any:
        return [SlotSet("name", "Ann")]


# the SDK registers every concrete subclass that it finds
Plain.__abstractmethods__ = frozenset({"run"})


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Iterator[ActionExecutor]:
    monkeypatch.setattr(ActionExecutor, "register_function", ActionExecutor.register_function)
    monkeypatch.setattr(every_action, "surroundings", Surroundings())
    Plain.__abstractmethods__ = frozenset()
    yield ActionExecutor()
    Plain.__abstractmethods__ = frozenset({"run"})


def surrounded(executor: ActionExecutor) -> bool:
    executor.register_action(Plain)
    return isinstance(executor.actions["action_plain"], WithProfile)


def test_plain_actions_are_left_alone_unless_told(executor: ActionExecutor) -> None:
    coexistence.install()
    assert not surrounded(executor)


def test_plain_actions_are_surrounded_when_told_once_or_twice(executor: ActionExecutor) -> None:
    coexistence.install(every_action=True)
    coexistence.install(every_action=True)  # as a reload does
    assert surrounded(executor)
    assert not isinstance(executor.actions["action_plain"]._run, WithProfile)


@pytest.mark.parametrize("left_out", ["action_plain", Plain])
def test_what_is_left_out_is_left_alone(executor: ActionExecutor, left_out: Any) -> None:
    coexistence.install(every_action=True, leave_out=[left_out])
    assert not surrounded(executor)


def test_the_newest_installation_tells_what_is_left_out(executor: ActionExecutor) -> None:
    coexistence.install(every_action=True, leave_out=["action_plain"])
    coexistence.install(every_action=True)
    assert surrounded(executor)


def test_functions_that_are_no_actions_are_left_alone(executor: ActionExecutor) -> None:
    coexistence.install(every_action=True)

    def function(dispatcher: Any, tracker: Any, domain: Any) -> list[Any]:
        return []

    executor.register_function("action_function", function)
    assert executor.actions["action_function"] is function


@pytest.mark.parametrize("left_out", [5, "", None, dict, Plain.run])
def test_what_is_no_action_cannot_be_left_out(executor: ActionExecutor, left_out: Any) -> None:
    with pytest.raises(InvalidLeaveOut, match="names of actions, or their classes"):
        coexistence.install(every_action=True, leave_out=[left_out])


def test_nothing_can_be_left_out_of_nothing(executor: ActionExecutor) -> None:
    with pytest.raises(InvalidLeaveOut, match="every_action=True"):
        coexistence.install(leave_out=["action_plain"])


async def test_a_surrounded_action_goes_into_a_worker_process(executor: ActionExecutor) -> None:
    coexistence.install(every_action=True)
    assert surrounded(executor)
    there = pickle.loads(pickle.dumps(executor.actions["action_plain"]))
    events = await there(CollectingDispatcher(), fresh(user()), DOMAIN)
    assert {event["name"]: event["value"] for event in events}["name"] == "Ann"
    assert await kept() == {"name": "Ann"}


async def test_an_action_runs_when_something_is_wrong_with_us(
    executor: ActionExecutor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(profiled_call, "Exchange", broken)
    events = await WithProfile("action_plain", Plain().run)(
        CollectingDispatcher(), fresh(user()), DOMAIN
    )
    assert events == [SlotSet("name", "Ann")]
    assert "action_plain runs without the profile: RuntimeError" in caplog.text
    assert SECRET not in caplog.text


async def test_what_an_action_returned_reaches_rasa_when_storing_goes_wrong(
    executor: ActionExecutor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(profiled_call, "_store", broken)
    events = await WithProfile("action_plain", Plain().run)(
        CollectingDispatcher(), fresh(user()), DOMAIN
    )
    assert SlotSet("name", "Ann") in events
    assert SECRET not in caplog.text


async def test_both_ways_to_the_profile_say_the_same(executor: ActionExecutor) -> None:
    class Based(coexistence.ProfileAction):
        def name(self) -> str:
            return "action_plain"

        async def act(self, turn: Any) -> Any:
            return [SlotSet("name", "Ann")]

    try:
        based = await run(Based, fresh(user()))
    finally:
        Based.__abstractmethods__ = frozenset({"act"})
    plain = await WithProfile("action_plain", Plain().run)(
        CollectingDispatcher(), fresh(user(), sender_id="another"), DOMAIN
    )
    assert [event["name"] for event in plain] == [event["name"] for event in based]
