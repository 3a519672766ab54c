"""The override of `action_session_start`: a new session begins with the profile."""

from __future__ import annotations

from coexistence import runtime
from coexistence.profile_actions import (
    ActionSessionStart,
)
from tests.coexistence.calls import ANONYMOUS, fresh, run, said, sets, status
from tests.coexistence.events import (
    DOMAIN,
    START,
    slot,
    user,
)


async def test_a_first_session_starts_with_the_profile(rasa: str) -> None:
    await said(user(), slot("name", "Ann"), sender_id="phone", user_id="ann")
    events = await run(ActionSessionStart, fresh(user_id="ann", sender_id="web"))
    assert events[0]["event"] == "session_started"
    assert (events[-1]["event"], events[-1]["name"]) == ("action", "action_listen")
    assert sets(events) == {"name": "Ann"}


async def test_a_session_carries_slots_over_as_rasas_own_does() -> None:
    state = fresh(
        user(), slot("scratch", "kept"),
        slots={"scratch": "kept", "recipient": "Bob", "session_started_metadata": {"a": 1}},
    )  # fmt: skip
    assert sets(await run(ActionSessionStart, state)) == {
        "session_started_metadata": {"a": 1},
        "scratch": "kept",
        "recipient": "Bob",
    }


async def test_without_carry_over_only_the_profile_is_in_the_new_session() -> None:
    domain = {**DOMAIN, "session_config": {"carry_over_slots_to_new_session": False}}
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann", "scratch": "x"})
    assert sets(await run(ActionSessionStart, state, domain)) == {"name": "Ann"}


async def test_a_new_session_says_how_it_went_even_if_the_last_one_said_the_same() -> None:
    domain = {**DOMAIN, "session_config": {"carry_over_slots_to_new_session": False}}
    state = fresh(user(), slot("name", "Ann"), slots={"profile_status": "loaded"})
    assert status(await run(ActionSessionStart, state, domain)) == "loaded"


async def test_a_new_session_does_not_carry_over_what_was_erased() -> None:
    await said(user(), slot("name", "Ann"))
    await runtime.current().store.forget(ANONYMOUS, at=START + 50)
    events = await run(
        ActionSessionStart, fresh(user(), slot("name", "Ann"), slots={"name": "Ann"})
    )
    assert sets(events).get("name") is None
