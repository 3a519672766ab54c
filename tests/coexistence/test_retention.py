"""Slots that are kept for a time: then the profile has them no more, and empties nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from coexistence import runtime
from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionForgetProfile,
    ActionResetRouting,
    ActionSessionStart,
    ActionSyncProfile,
)
from tests.coexistence.calls import ANONYMOUS, fresh, kept, run, said, sets, status
from tests.coexistence.conftest import UseSettings
from tests.coexistence.events import Event, session_start, slot, user

MINUTE = 60.0


@pytest.fixture(autouse=True)
def names_are_kept_for_ten_minutes(use_settings: UseSettings) -> None:
    use_settings(retention={"slots": {"name": "10m"}})


def ago(minutes: float, *events: Event) -> list[Event]:
    """Return events of some minutes ago, a second apart."""
    began = time.time() - minutes * MINUTE
    return [{**event, "timestamp": began + number} for number, event in enumerate(events)]


async def test_a_value_past_its_time_comes_back_nowhere() -> None:
    talk = ago(11, user(), slot("name", "Ann"), slot("tier", "gold"))
    await said(*talk)
    assert await kept() == {"tier": "gold"}
    state = fresh(user_id=None)
    for action in (ActionFetchProfile, ActionSyncProfile, ActionResetRouting, ActionSessionStart):
        assert sets(await run(action, state)).get("name") is None


@pytest.mark.parametrize("minutes", [9, 11])
async def test_another_conversation_gets_a_value_while_its_time_lasts(minutes: float) -> None:
    await said(*ago(minutes, user(), slot("name", "Ann")), sender_id="phone", user_id="ann")
    fetched = sets(await run(ActionFetchProfile, fresh(sender_id="web", user_id="ann")))
    assert fetched == ({"name": "Ann"} if minutes < 10 else {})


@pytest.mark.parametrize("action", [ActionFetchProfile, ActionSyncProfile, ActionResetRouting])
@pytest.mark.parametrize("erased", [False, True], ids=["never erased", "erased before"])
async def test_what_a_conversation_said_itself_is_left_in_its_slots(
    action: Any, erased: bool
) -> None:
    """A form that is half filled must not lose what the user typed eleven minutes ago."""
    if erased:
        await run(ActionForgetProfile, fresh(*ago(60, user("forget me"))))
    state = fresh(*ago(11, user(), slot("name", "Ann")), slots={"name": "Ann"})
    assert sets(await run(action, state)).get("name", "left") == "left"


async def test_what_was_said_before_an_erasure_is_emptied_also_past_its_time() -> None:
    await run(ActionForgetProfile, fresh(*ago(12, user("forget me"))))
    state = fresh(*ago(30, user(), slot("name", "Ann")), slots={"name": "Ann"})
    assert sets(await run(ActionSyncProfile, state)) == {"name": None}


@pytest.mark.parametrize("minutes", [9, 11])
async def test_a_new_session_does_not_carry_over_what_is_past_its_time(minutes: float) -> None:
    talk = ago(minutes, user(), slot("name", "Ann"), slot("tier", "gold"), slot("scratch", "x"))
    state = fresh(*talk, slots={"name": "Ann", "tier": "gold", "scratch": "x"})
    carried = sets(await run(ActionSessionStart, state))
    lasting = {"name": "Ann"} if minutes < 10 else {}
    assert carried == {**lasting, "tier": "gold", "scratch": "x"}


async def test_during_an_outage_a_new_session_carries_over_as_rasas_own_does(
    use_settings: UseSettings, tmp_path: Any
) -> None:
    nowhere = str(tmp_path / "nowhere" / "profiles.db")
    use_settings(retention={"slots": {"name": "10m"}}, db=nowhere)
    state = fresh(*ago(11, user(), slot("name", "Ann")), slots={"name": "Ann"})
    assert sets(await run(ActionSessionStart, state)) == {"name": "Ann"}


async def test_a_value_that_could_not_be_stored_is_carried_over(
    use_settings: UseSettings,
) -> None:
    use_settings(retention={"default": "1d"}, max_value_bytes=3)
    state = fresh(*ago(1, user(), slot("name", "Annabel")), slots={"name": "Annabel"})
    assert sets(await run(ActionSessionStart, state)) == {"name": "Annabel"}


async def test_what_is_carried_over_does_not_grow_young() -> None:
    """Rasa's own session start repeats old values under new times; nobody has said them."""
    state = fresh(
        *ago(11, user(), slot("name", "Ann")), *ago(1, *session_start(slot("name", "Ann")), user()),
        slots={"name": "Ann"},
    )  # fmt: skip
    await run(ActionSyncProfile, state)
    assert await kept() == {}


async def test_a_write_past_its_time_is_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    state = fresh(*ago(11, user(), slot("name", "Ann")), slots={"name": "Ann"})
    assert status(await run(ActionFetchProfile, state)) == "empty"
    assert caplog.text == ""
    assert await runtime.current().store.history(ANONYMOUS) == []
