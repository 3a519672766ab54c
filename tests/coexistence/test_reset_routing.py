"""The override of `action_reset_routing`: what was kept is back in the same step."""

from __future__ import annotations

import pytest

from coexistence import profile_actions
from coexistence.profile_actions import (
    ActionResetRouting,
)
from coexistence.routing import rasa_version
from tests.coexistence.calls import fresh, kept, run, said, sets, status
from tests.coexistence.conftest import UseSettings
from tests.coexistence.events import (
    DOMAIN,
    routed,
    session_start,
    slot,
    user,
)


async def test_the_reset_ends_the_routing_session_and_puts_the_profile_back(rasa: str) -> None:
    await said(user(), slot("name", "Ann"), sender_id="phone", user_id="ann")
    state = fresh(routed(False), user(), user_id="ann", slots={"route_session_to_calm": False})
    events = await run(ActionResetRouting, state)
    assert [event["event"] for event in events[:2]] == ["routing_session_ended", "slot"]
    assert events[1]["name"] == "route_session_to_calm"
    assert events[1]["value"] is None
    assert sets(events[2:]) == {"name": "Ann"}


async def test_the_reset_stores_what_was_said_before_it(rasa: str) -> None:
    await run(ActionResetRouting, fresh(user(), slot("name", "Ann"), slots={"name": "Ann"}))
    assert await kept() == {"name": "Ann"}


async def test_the_reset_brings_back_included_slots_that_it_wipes(
    rasa: str, use_settings: UseSettings
) -> None:
    use_settings(shared_slots={"include": ["recipient"]})
    state = fresh(user(), slot("recipient", "Bob"), slots={"recipient": "Bob"})
    assert sets(await run(ActionResetRouting, state))["recipient"] == "Bob"


async def test_the_reset_ends_a_running_skill_so_every_live_value_comes_back(rasa: str) -> None:
    await said(user(), slot("name", "Ann"))
    running = fresh(session_start(), user(), slots={"name": "Typed"}, stack=[{"frame_id": "f"}])
    assert sets(await run(ActionResetRouting, running))["name"] == "Ann"


async def test_the_reset_tells_its_status_after_rasa_has_wiped_it(rasa: str) -> None:
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann", "profile_status": "loaded"})
    assert status(await run(ActionResetRouting, state)) == "loaded"


@pytest.mark.parametrize("rasa", ["3.6.21", "3.7.0", "2.8.1"], indirect=True)
async def test_an_older_rasa_is_reset_with_plain_slot_events(
    rasa: str, use_settings: UseSettings
) -> None:
    use_settings(shared_slots={"include": ["recipient"]})
    domain = {"slots": {name: {**spec, "shared_for_coexistence": False}
                        for name, spec in DOMAIN["slots"].items()}}  # fmt: skip
    state = fresh(
        user(), slot("recipient", "Bob"),
        slots={"recipient": "Bob", "scratch": "x", "name": "Ann", "route_session_to_calm": False},
        active_loop={"name": "form"},
    )  # fmt: skip
    events = await run(ActionResetRouting, state, domain)
    assert {event["event"] for event in events} == {"slot", "active_loop"}
    # the shared slot holds its value, so nothing need be said of it
    assert sets(events) == {"scratch": "init", "name": None, "route_session_to_calm": None}


async def test_without_a_version_a_flag_in_the_domain_tells_a_rasa_with_routing() -> None:
    assert rasa_version.get() is None
    events = await run(ActionResetRouting, fresh(user()))
    assert events[0]["event"] == "routing_session_ended"


async def test_a_reset_that_fails_unforeseen_still_ends_the_routing_session(
    monkeypatch: pytest.MonkeyPatch, rasa: str
) -> None:
    monkeypatch.setattr(profile_actions, "Exchange", None)
    kinds = [event["event"] for event in await run(ActionResetRouting, fresh(user()))]
    assert kinds == ["routing_session_ended", "slot"]
