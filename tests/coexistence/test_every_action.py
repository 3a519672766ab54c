"""What all six actions do."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk import Action
from rasa_sdk.interfaces import ActionMissingDomainException

from coexistence import runtime
from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionForgetProfile,
    ActionResetRouting,
    ActionSessionStart,
    ActionStoreProfile,
    ActionSyncProfile,
)
from coexistence.runtime import Runtime
from coexistence.settings import Settings
from tests.coexistence.calls import fresh, kept, run, said, sets, status
from tests.coexistence.conftest import UseSettings
from tests.coexistence.events import (
    DOMAIN,
    session_start,
    slot,
    user,
)

SIX = [
    ActionFetchProfile, ActionStoreProfile, ActionSyncProfile, ActionResetRouting,
    ActionSessionStart, ActionForgetProfile,
]  # fmt: skip


@pytest.mark.parametrize("kind", SIX)
async def test_without_a_domain_rasa_is_asked_to_call_again_with_it(kind: type[Action]) -> None:
    with pytest.raises(ActionMissingDomainException):
        await run(kind, fresh(user()), None)


@pytest.mark.parametrize("kind", SIX)
async def test_an_outage_breaks_no_conversation_and_empties_no_slot(
    kind: type[Action], outage: Any, rasa: str
) -> None:
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann"})
    events = await run(kind, state)
    assert status(events) == "unavailable"
    assert sets(events).get("name", "Ann") == "Ann"


async def test_what_is_said_during_an_outage_is_in_the_profile_after_it(
    outage: Any, use_settings: UseSettings
) -> None:
    events = [user(), slot("name", "Ann")]
    await said(*events)
    use_settings()
    await said(*events, user())
    assert await kept() == {"name": "Ann"}


@pytest.mark.parametrize("kind", SIX)
async def test_a_domain_without_a_status_slot_gets_no_status(
    kind: type[Action], outage: Any
) -> None:
    domain = {"slots": {name: spec for name, spec in DOMAIN["slots"].items()
                        if name != "profile_status"}}  # fmt: skip
    assert status(await run(kind, fresh(user()), domain)) is None


async def test_a_value_too_large_is_refused_by_name_and_the_tracker_keeps_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await said(user(), slot("prefs", "small"))
    large = "SECRET" * 20_000
    state = fresh(
        session_start(), user(), slot("prefs", large), slot("name", "Ann"),
        slots={"prefs": large, "name": "Ann"},
    )  # fmt: skip
    assert sets(await run(ActionSyncProfile, state)) == {}
    assert await kept() == {"prefs": "small", "name": "Ann"}
    assert "prefs" in caplog.text
    assert "SECRET" not in caplog.text


async def test_a_stored_value_that_cannot_be_read_is_named_and_the_others_come_back(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    await said(user(), slot("name", "Ann"), slot("tier", "gold"))
    runtime.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "profiles.db")) as connection:
        connection.execute("UPDATE profile_slot SET value = x'7B' WHERE slot = 'tier'")
        connection.commit()
    runtime.use(Runtime(Settings(db=str(tmp_path / "profiles.db"))))
    assert sets(await run(ActionFetchProfile, fresh(user()))) == {"name": "Ann"}
    assert "Slot tier" in caplog.text
