"""A released slot: kept, but put back by an explicit fetch only, until it is written again."""

from __future__ import annotations

import pytest
from rasa_sdk import Action

from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionResetRouting,
    ActionSessionStart,
    ActionSyncProfile,
)
from tests.coexistence.calls import fresh, run, said, sets
from tests.coexistence.events import Event, flow_end_reset, slot, user

ANN = {"user_id": "ann"}
AUTOMATIC = [ActionSyncProfile, ActionResetRouting, ActionSessionStart]
RELEASES = [
    pytest.param(flow_end_reset("name"), id="dropped by a flow"),
    pytest.param(slot("name", None), id="rejected by a validation"),
    pytest.param({"event": "reset_slots"}, id="cleared by reset_slots"),
]

pytestmark = [
    pytest.mark.parametrize("release", RELEASES),
    pytest.mark.parametrize("conversation", ["conversation", "another"]),
]


@pytest.mark.parametrize("kind", AUTOMATIC)
async def test_it_is_not_put_back_by_itself(
    release: Event, conversation: str, kind: type[Action], rasa: str
) -> None:
    events = [user(), slot("name", "Ann"), release]
    await said(*events, **ANN)
    own = events if conversation == "conversation" else []
    state = fresh(*own, user(), sender_id=conversation, **ANN)
    assert "name" not in sets(await run(kind, state))


@pytest.mark.parametrize("kind", AUTOMATIC)
async def test_it_is_put_back_once_it_is_written_again(
    release: Event, conversation: str, kind: type[Action], rasa: str
) -> None:
    events = [user(), slot("name", "Ann"), release, slot("name", "Bea")]
    await said(*events, **ANN)
    own = events if conversation == "conversation" else []
    state = fresh(*own, sender_id=conversation, **ANN)
    assert sets(await run(kind, state))["name"] == "Bea"


async def test_an_explicit_fetch_puts_it_back(release: Event, conversation: str) -> None:
    events = [user(), slot("name", "Ann"), release]
    await said(*events, **ANN)
    own = events if conversation == "conversation" else []
    state = fresh(*own, user(), sender_id=conversation, **ANN)
    assert sets(await run(ActionFetchProfile, state)) == {"name": "Ann"}
