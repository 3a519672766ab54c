"""What a user had erased stays gone, whatever Rasa's trackers still hold of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coexistence import runtime
from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionForgetProfile,
    ActionResetRouting,
    ActionSessionStart,
    ActionStoreProfile,
    ActionSyncProfile,
)
from profile_store import ProfileKey
from tests.coexistence.calls import ANONYMOUS, fresh, kept, run, said, sets
from tests.coexistence.events import (
    START,
    Event,
    routing_reset,
    session_start,
    slot,
    user,
)
from tests.profile_store.bytes_on_disk import found

ANN = ProfileKey("default", "ann")
SECRET = "a-secret-of-ann"
TALK: list[Any] = [user(), slot("name", f"{SECRET}-1"), slot("name", SECRET)]
ACTIONS = [
    ActionFetchProfile, ActionStoreProfile, ActionSyncProfile, ActionResetRouting,
    ActionSessionStart,
]  # fmt: skip


def later(seconds: float, *events: Event) -> list[Event]:
    return [{**event, "timestamp": START + seconds + n} for n, event in enumerate(events)]


async def is_nowhere(key: ProfileKey, files: Path) -> bool:
    """Return whether neither the store tells of it nor the files hold it."""
    store = runtime.current().store
    exported = await store.export(key)
    return (
        not await store.fetch(key)
        and not await store.history(key)
        and SECRET not in str(exported)
        and not found(files, [SECRET])
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return tmp_path / "profiles.db"


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_old_tracker_of_another_device_brings_nothing_back(
    action: Any, files: Path
) -> None:
    """It has the whole conversation, and calls long after the user was forgotten elsewhere."""
    phone = {"sender_id": "phone", "user_id": "ann", "slots": {"name": SECRET}}
    await said(*TALK, **phone)
    forgotten = later(100, user("forget me"))
    await run(ActionForgetProfile, fresh(*forgotten, sender_id="web", user_id="ann"))
    assert await is_nowhere(ANN, files)
    old = fresh(*TALK, *later(200, user("are you there?")), **phone)
    events = await run(action, old)
    assert SECRET not in str(events)
    assert await is_nowhere(ANN, files)


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_session_that_rasa_began_with_the_old_values_brings_nothing_back(
    action: Any, files: Path
) -> None:
    """Without our session start Rasa repeats them as new events, also those of an old session."""
    await said(*TALK, user_id="ann")
    await run(ActionForgetProfile, fresh(*later(100, user("forget me")), user_id="ann"))
    carried = later(200, *session_start(slot("name", SECRET)), user())
    state = fresh(*TALK, *carried, user_id="ann", slots={"name": SECRET})
    assert SECRET not in str(await run(action, state))
    assert await is_nowhere(ANN, files)


@pytest.mark.parametrize("action", ACTIONS)
async def test_the_conversation_that_asked_for_it_brings_nothing_back(
    action: Any, files: Path
) -> None:
    """Its events of before are in every later call, and routing resets come in between."""
    await said(*TALK)
    erased = await run(ActionForgetProfile, fresh(*TALK, user("forget me"), slots={"name": SECRET}))
    assert sets(erased) == {"name": None}
    state = fresh(*TALK, user("forget me"), *erased, *routing_reset(), user())
    assert SECRET not in str(await run(action, state))
    assert await is_nowhere(ANONYMOUS, files)


async def test_what_was_kept_before_the_user_was_known_goes_with_the_rest(files: Path) -> None:
    """Said anonymously, linked at the login, then forgotten: under both keys."""
    await said(*TALK, sender_id="phone")
    login = user("it is me", metadata={"user_id": "ann"})
    known = {"sender_id": "phone", "user_id": "ann"}
    await run(ActionSyncProfile, fresh(*TALK, login, **known))
    assert await kept("ann") == {"name": SECRET}
    await run(
        ActionForgetProfile, fresh(*TALK, login, user("forget me"), **known, slots={"name": SECRET})
    )
    assert await is_nowhere(ANN, files)
    assert await is_nowhere(ProfileKey("default", "conversation/phone"), files)
