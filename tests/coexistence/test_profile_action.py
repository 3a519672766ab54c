"""Users' own actions on the base class: fetched before, stored after."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from rasa_sdk.events import EventType, FollowupAction, SlotSet
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher
from rasa_sdk.interfaces import ActionExecutionRejection

from coexistence import ProfileAction, RoutingSlotWritten, System, Turn, UnknownSlot, runtime
from coexistence.profile_actions import ActionSyncProfile
from coexistence.runtime import Runtime
from profile_store import ProfileKey
from tests.coexistence.events import DOMAIN, START, Event, empty_slots, routed, slot, tracker, user

Act = Callable[[Turn], Awaitable[Sequence[EventType] | None]]


ANONYMOUS = ProfileKey("default", "conversation/conversation")
"""What the profile of the tests' conversation is kept under, while nobody is known."""


async def play(act: Act, *events: Any, **options: Any) -> list[Event]:
    """Run an action that does `act`, in a conversation in which some events came before."""
    slots = {**empty_slots(), **options.pop("slots", {})}
    inner = act

    class Own(ProfileAction):
        def name(self) -> str:
            return "action_own"

        async def act(self, turn: Turn) -> Sequence[EventType] | None:
            return await inner(turn)

    try:
        return await Own().run(
            CollectingDispatcher(), tracker(*events, slots=slots, **options), DOMAIN
        )
    finally:
        # the SDK registers every concrete subclass that it finds; this one is the test's own
        Own.__abstractmethods__ = frozenset({"act"})


def sets(events: list[Event]) -> dict[str, Any]:
    return {e["name"]: e["value"] for e in events if e["event"] == "slot"}


async def kept(user_id: str = ANONYMOUS.user_id) -> dict[str, Any]:
    return dict(await runtime.current().store.fetch(ProfileKey("default", user_id)))


async def said(*events: Any, **options: Any) -> None:
    await ActionSyncProfile().run(CollectingDispatcher(), tracker(*events, **options), DOMAIN)


async def test_an_action_sees_the_profile_in_its_slots() -> None:
    await said(user(), slot("name", "Ann"), user_id="ann", sender_id="phone")
    seen: dict[str, Any] = {}

    async def act(turn: Turn) -> None:
        seen.update(slot=turn.tracker.get_slot("name"), profile=dict(turn.profile),
                    user=turn.user_id, available=turn.available)  # fmt: skip

    events = await play(act, user(), user_id="ann")
    assert seen == {"slot": "Ann", "profile": {"name": "Ann"}, "user": "ann", "available": True}
    assert sets(events)["name"] == "Ann"


@pytest.mark.parametrize(
    ("value", "system"), [(True, System.CALM), (False, System.NLU), (None, System.NONE)]
)
async def test_an_action_knows_which_system_called_it(value: Any, system: System) -> None:
    seen = []

    async def act(turn: Turn) -> None:
        seen.append(turn.system)

    await play(act, user(), slots={"route_session_to_calm": value})
    assert seen == [system]


async def test_returned_slots_are_stored_before_rasa_hears_of_them() -> None:
    async def act(turn: Turn) -> Sequence[EventType]:
        return [SlotSet("name", "Ann"), SlotSet("scratch", "x")]

    events = await play(act, routed(True), user(), slots={"route_session_to_calm": True})
    assert sets(events)["name"] == "Ann"
    assert sets(events)["scratch"] == "x"
    assert await kept() == {"name": "Ann"}
    (write,) = await runtime.current().store.history(ANONYMOUS)
    assert (write.source.system, write.source.action) == ("calm", "action_own")


async def test_a_returned_value_wins_over_what_it_followed_and_loses_to_what_comes_later() -> None:
    async def act(turn: Turn) -> Sequence[EventType]:
        return [SlotSet("name", "second")]

    await play(act, user(), slot("name", "first"))
    assert await kept() == {"name": "second"}
    await said(user(), slot("name", "first"), {**slot("name", "third"), "timestamp": START + 1.5})
    assert await kept() == {"name": "third"}


async def test_what_was_stored_is_not_stored_anew_when_the_tracker_brings_it_back() -> None:
    async def act(turn: Turn) -> Sequence[EventType]:
        return [SlotSet("name", "Ann")]

    returned = await play(act, user())
    await said(user(), *[{**event, "timestamp": START + 9} for event in returned])
    history = await runtime.current().store.history(ANONYMOUS)
    assert len(history) == 1


async def test_a_slot_returned_as_null_is_released() -> None:
    async def act(turn: Turn) -> Sequence[EventType]:
        return [SlotSet("name", None)]

    await play(act, user(), slot("name", "Ann"))
    profile = await runtime.current().store.fetch(ANONYMOUS)
    assert profile.state("name").released


async def test_remember_sets_and_stores() -> None:
    async def act(turn: Turn) -> None:
        turn.remember(name="Ann", tier="gold")

    events = await play(act, user())
    assert sets(events)["name"] == "Ann"
    assert await kept() == {"name": "Ann", "tier": "gold"}


async def test_forget_empties_and_erases() -> None:
    async def act(turn: Turn) -> None:
        turn.forget("name")

    events = await play(act, user(), slot("name", "Ann"), slots={"name": "Ann"})
    assert sets(events)["name"] is None
    assert await kept() == {}
    assert await runtime.current().store.history(ANONYMOUS) == []


async def test_what_is_remembered_and_then_forgotten_is_forgotten() -> None:
    async def act(turn: Turn) -> None:
        turn.remember(name="Ann")
        turn.forget("name")

    assert sets(await play(act, user()))["name"] is None
    assert await kept() == {}


async def test_what_is_forgotten_and_then_remembered_is_kept() -> None:
    async def act(turn: Turn) -> None:
        turn.forget("name")
        turn.remember(name="Bea")

    assert sets(await play(act, user(), slot("name", "Ann")))["name"] == "Bea"
    assert await kept() == {"name": "Bea"}


@pytest.mark.parametrize("name", ["nope", "scratch", "route_session_to_calm"])
async def test_only_shared_slots_can_be_remembered_and_forgotten(name: str) -> None:
    async def remember(turn: Turn) -> None:
        turn.remember(**{name: 1})

    async def forget(turn: Turn) -> None:
        turn.forget(name)

    for act in (remember, forget):
        with pytest.raises(UnknownSlot, match=name):
            await play(act, user())


async def test_reset_routing_comes_as_a_follow_up() -> None:
    async def act(turn: Turn) -> None:
        turn.reset_routing()

    events = await play(act, user())
    assert FollowupAction("action_reset_routing") in events


async def test_setting_the_routing_slot_is_an_error_that_tells_what_to_do() -> None:
    async def act(turn: Turn) -> Sequence[EventType]:
        return [SlotSet("name", "Ann"), SlotSet("route_session_to_calm", None)]

    with pytest.raises(RoutingSlotWritten, match="reset_routing"):
        await play(act, user())
    assert await kept() == {}


@pytest.mark.parametrize("error", [ValueError("x"), ActionExecutionRejection("action_own")])
async def test_an_action_that_raises_does_as_without_us_and_stores_nothing_of_its_own(
    error: Exception,
) -> None:
    async def act(turn: Turn) -> None:
        turn.remember(name="Ann")
        raise error

    with pytest.raises(type(error)):
        await play(act, user())
    assert await kept() == {}


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object(), b"x"])
async def test_a_value_that_is_not_json_is_refused_by_name_and_the_others_are_stored(
    value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(turn: Turn) -> None:
        turn.remember(prefs=value, name="Ann")

    with caplog.at_level(logging.WARNING):
        await play(act, user())
    assert await kept() == {"name": "Ann"}
    assert "prefs" in caplog.text


async def test_an_outage_lets_the_action_run_with_the_slots_that_rasa_has(outage: Any) -> None:
    seen = []

    async def act(turn: Turn) -> None:
        seen.append((turn.available, dict(turn.profile), turn.tracker.get_slot("name")))
        turn.remember(tier="gold")

    events = await play(act, user(), slots={"name": "Ann"})
    assert seen == [(False, {}, "Ann")]
    assert sets(events) == {"profile_status": "unavailable", "tier": "gold"}
    # unmarked: it is observed as a new write when the database is back
    assert all(not event.get("metadata") for event in events)


async def test_the_status_that_an_action_sets_itself_stands() -> None:
    async def act(turn: Turn) -> Sequence[EventType]:
        return [SlotSet("profile_status", "mine")]

    events = await play(act, user())
    assert [e["value"] for e in events if e.get("name") == "profile_status"] == ["mine"]


async def test_events_that_are_none_are_left_to_the_sdk() -> None:
    async def act(turn: Turn) -> Any:
        return [None, {"no": "event"}, {"event": "slot", "name": ["odd"], "value": 1}]

    assert (await play(act, user()))[-3:] == [
        None,
        {"no": "event"},
        {"event": "slot", "name": ["odd"], "value": 1},
    ]


def test_the_base_class_is_abstract_so_that_the_sdk_does_not_register_it() -> None:
    executor = ActionExecutor()
    executor.register_package("coexistence.profile_actions")
    ours = {name for name in executor.actions if name.endswith(("profile", "routing", "start"))}
    assert ours == {
        "action_fetch_profile", "action_store_profile", "action_sync_profile",
        "action_reset_routing", "action_session_start", "action_forget_profile",
    }  # fmt: skip


async def test_what_could_not_be_erased_is_not_emptied_either(outage: Runtime) -> None:
    async def act(turn: Turn) -> None:
        turn.forget("name")

    events = await play(act, user(), slots={"name": "Ann"})
    assert "name" not in sets(events)
    assert sets(events)["profile_status"] == "unavailable"
