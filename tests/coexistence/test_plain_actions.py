"""Plain actions that are surrounded: which, and what happens when something is wrong with us."""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from rasa_sdk import Action, FormValidationAction, ValidationAction
from rasa_sdk.events import ActionExecuted, SessionStarted, SlotSet
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher

import coexistence
from coexistence import InvalidLeaveOut, every_action, profiled_call, runtime
from coexistence.every_action import Surroundings, WithProfile
from coexistence.profile_actions import ActionSessionStart
from profile_store.profile import NEVER
from tests.coexistence.calls import ANONYMOUS, fresh, kept, run, said
from tests.coexistence.events import DOMAIN, START, listen, slot, user

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
    for method in ("register_action", "register_package"):
        monkeypatch.setattr(ActionExecutor, method, getattr(ActionExecutor, method))
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


@pytest.mark.parametrize("left_out", ["action_plain", Plain, Action])
def test_what_is_left_out_is_left_alone(executor: ActionExecutor, left_out: Any) -> None:
    coexistence.install(every_action=True, leave_out=[left_out])
    assert not surrounded(executor)


def test_what_several_installations_leave_out_is_left_out_together(
    executor: ActionExecutor,
) -> None:
    coexistence.install(every_action=True, leave_out=["action_plain"])
    coexistence.install(every_action=True)
    assert not surrounded(executor)


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


def test_one_name_is_no_list_of_names(executor: ActionExecutor) -> None:
    with pytest.raises(InvalidLeaveOut, match="a list"):
        coexistence.install(every_action=True, leave_out="action_plain")


def test_nothing_can_be_left_out_of_nothing(executor: ActionExecutor) -> None:
    with pytest.raises(InvalidLeaveOut, match="every_action=True"):
        coexistence.install(leave_out=["action_plain"])


def test_a_name_that_no_action_has_is_told_at_the_start(
    executor: ActionExecutor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_register_all_actions", lambda: surrounded(executor))
    coexistence.install(every_action=True, leave_out=["action_plian"])
    with caplog.at_level("INFO"):
        executor.register_package("json")
    assert "action_plian, which no action is called" in caplog.text
    assert "surrounds 1 plain actions" in caplog.text


class Odd(Action):
    """An action whose `run` is no method of its own."""

    def name(self) -> str:
        return "action_odd"


def by_itself(dispatcher: Any, tracker: Any, domain: Any) -> list[Any]:
    return [SlotSet("route_session_to_calm", True)]


class Wrapped:
    async def __call__(self, dispatcher: Any, tracker: Any, domain: Any) -> list[Any]:
        return by_itself(dispatcher, tracker, domain)


@pytest.mark.parametrize(
    "run",
    [staticmethod(by_itself), classmethod(lambda cls, *given: by_itself(*given)),
     staticmethod(functools.partial(by_itself)), Wrapped()],
    ids=["static", "class", "partial", "callable"],
)  # fmt: skip
async def test_whatever_run_is_it_is_surrounded_and_guarded(
    executor: ActionExecutor, run: Any
) -> None:
    coexistence.install(every_action=True)
    kind = type("OddToo", (Odd,), {"run": run})
    try:
        if not isinstance(run, classmethod):  # the SDK counts the arguments that it names
            executor.register_action(kind)
            with pytest.raises(coexistence.RoutingSlotWritten):
                await executor.actions["action_odd"](CollectingDispatcher(), fresh(user()), DOMAIN)
    finally:
        kind.__abstractmethods__ = frozenset({"run"})  # type: ignore[attr-defined]


@pytest.mark.parametrize("first", ["theirs", "ours"])
def test_a_users_own_override_is_used_whoever_comes_first(
    executor: ActionExecutor, first: str
) -> None:
    class Own(Action):
        def name(self) -> str:
            return "action_session_start"

        def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[Any]:
            return []

    coexistence.install()
    kinds = [Own, ActionSessionStart] if first == "theirs" else [ActionSessionStart, Own]
    try:
        for kind in kinds:
            executor.register_action(kind)
        assert isinstance(executor.actions["action_session_start"].__self__, Own)
    finally:
        Own.__abstractmethods__ = frozenset({"run"})


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
    def broken(*_: Any, **__: Any) -> Any:
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


# Validation: candidates are nobody's words yet


def candidates(*events: Any) -> Any:
    return fresh(slot("name", "Ann"), listen(), user(), *events)


async def surrounded_run(action: Action, tracker: Any) -> list[Any]:
    validates = isinstance(action, ValidationAction)
    events: list[Any] = await WithProfile(action.name(), action.run, validates)(
        CollectingDispatcher(), tracker, DOMAIN
    )
    return events


class Validation(FormValidationAction):
    def __init__(self, make: Any) -> None:
        self._make = make

    def name(self) -> str:
        return "validate_card_form"

    async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> Any:
        return [SlotSet(name, self._make(value))
                for name, value in tracker.slots_to_validate().items()]  # fmt: skip


Validation.__abstractmethods__ = frozenset({"run"})


@pytest.fixture
def validation(executor: ActionExecutor) -> Iterator[Any]:
    Validation.__abstractmethods__ = frozenset()
    yield Validation
    Validation.__abstractmethods__ = frozenset({"run"})


async def test_what_is_being_validated_is_not_stored_before_it_is_returned(validation: Any) -> None:
    tracker = candidates(slot("name", "4111111111111111"))
    await surrounded_run(validation(lambda value: "****" + value[-4:]), tracker)
    assert await kept() == {"name": "****1111"}
    history = await runtime.current().store.history(ANONYMOUS)
    assert {write.value for write in history} == {"****1111", "Ann"}


async def test_a_validation_that_raises_stores_nothing_of_the_candidates(validation: Any) -> None:
    def fail(value: Any) -> Any:
        raise ValueError("no such card")

    with pytest.raises(ValueError, match="no such card"):
        await surrounded_run(validation(fail), candidates(slot("name", "bad")))
    assert await kept() == {"name": "Ann"}


async def test_a_rejected_candidate_does_not_replace_what_is_kept(validation: Any) -> None:
    events = await surrounded_run(validation(lambda value: None), candidates(slot("name", "bad")))
    assert [event["value"] for event in events if event["name"] == "name"] == [None]
    assert await kept() == {"name": "Ann"}
    assert not (await runtime.current().store.fetch(ANONYMOUS)).state("name").live


async def test_a_candidate_is_not_hydrated_over(validation: Any) -> None:
    await said(slot("name", "Ann"))
    seen = []
    await surrounded_run(
        validation(lambda value: seen.append(value) or value),
        fresh(user(), slot("name", "Bea"), slots={"name": "Bea"}),
    )
    assert seen == ["Bea"]
    assert await kept() == {"name": "Bea"}


# Own session starts


class Starts(Action):
    def name(self) -> str:
        return "action_session_start"

    async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> Any:
        carried = [SlotSet(name, value) for name, value in tracker.slots.items()]
        return [SessionStarted(), *carried, ActionExecuted("action_listen")]


Starts.__abstractmethods__ = frozenset({"run"})


async def test_a_users_own_session_start_carries_over_and_gets_the_newer_profile(
    executor: ActionExecutor,
) -> None:
    Starts.__abstractmethods__ = frozenset()
    try:
        old = [{**slot("name", "Old"), "timestamp": START}]
        await said(*old)
        await said({**slot("name", "New"), "timestamp": START + 500}, sender_id="conversation")
        tracker = fresh(
            *old, {**user(), "timestamp": START + 900}, slots={"name": "Old"},
            stack=[{"flow_id": "pay"}],
        )  # fmt: skip
        events = await surrounded_run(Starts(), tracker)
    finally:
        Starts.__abstractmethods__ = frozenset({"run"})
    assert [events[0]["event"], events[-1]["name"]] == ["session_started", "action_listen"]
    names = [event["value"] for event in events if event.get("name") == "name"]
    assert names[-1] == "New", "after what was carried over"
    assert await kept() == {"name": "New"}
    state = (await runtime.current().store.fetch(ANONYMOUS)).state("tier")
    assert state.released_at == NEVER, "nobody let go of what was empty"


async def test_an_action_that_changes_a_list_in_place_changes_nothing_of_the_profile() -> None:
    await said(slot("prefs", ["a", "b"]))

    async def pop(dispatcher: Any, tracker: Any, domain: Any) -> Any:
        tracker.get_slot("prefs").pop()
        return []

    events = await WithProfile("action_pops", pop)(CollectingDispatcher(), fresh(user()), DOMAIN)
    assert [e["value"] for e in events if e["name"] == "prefs"] == [["a", "b"]]


@pytest.mark.parametrize("at", [float("inf"), float("nan"), 1e300, -5, True])
async def test_an_impossible_time_is_not_answered_with(at: float) -> None:
    tracker = fresh(user(), {**user(), "timestamp": at})

    async def writes(dispatcher: Any, tracker: Any, domain: Any) -> Any:
        return [SlotSet("name", "Ann")]

    events = await WithProfile("action_writes", writes)(CollectingDispatcher(), tracker, DOMAIN)
    json.dumps(events, allow_nan=False)
    assert await kept() == {"name": "Ann"}
