"""Values that cannot be read: the conversation goes on, and neither slot nor row is touched."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from coexistence import exchange
from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionForgetProfile,
    ActionResetRouting,
    ActionSessionStart,
    ActionStoreProfile,
    ActionSyncProfile,
)
from tests.coexistence.calls import fresh, kept, run, said, sets, status
from tests.coexistence.conftest import UseSettings
from tests.coexistence.events import START, empty_slots, listen, slot, tracker, user
from tests.profile_store.sealed import NEW, OLD

HYDRATING = [ActionFetchProfile, ActionSyncProfile, ActionResetRouting, ActionSessionStart]


@pytest.fixture(autouse=True)
def complaints_anew() -> Iterator[None]:
    exchange._complain.cache_clear()
    yield
    exchange._complain.cache_clear()


@pytest.fixture
async def sealed_name(use_settings: UseSettings) -> None:
    """Ann's name is sealed with a key that is lost; her tier is not."""
    use_settings(encryption_keys=OLD)
    await said(listen(), user(), slot("name", "Ann"), user_id="ann")
    use_settings(encryption_keys=NEW)
    await said(listen(), user(), slot("tier", "gold"), user_id="ann")


@pytest.mark.parametrize("kind", HYDRATING)
@pytest.mark.usefixtures("sealed_name")
async def test_the_other_slots_come_back_and_this_one_is_left_alone(
    kind: type[ActionFetchProfile], rasa: str
) -> None:
    events = await run(kind, fresh(user(), user_id="ann"))
    assert sets(events).get("tier") == "gold"
    assert "name" not in sets(events)
    assert status(events) == "loaded"


@pytest.mark.parametrize("kind", HYDRATING[:3])
@pytest.mark.usefixtures("sealed_name")
async def test_what_the_tracker_holds_stays_there(
    kind: type[ActionFetchProfile], rasa: str
) -> None:
    events = await run(kind, fresh(user(), slots={"name": "Anna"}, user_id="ann"))
    assert "name" not in sets(events)


@pytest.mark.usefixtures("sealed_name")
async def test_it_is_logged_once_with_its_slot_and_nothing_of_the_user(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exchange._complain.cache_clear()
    for _ in range(3):
        await run(ActionFetchProfile, fresh(user(), user_id="ann"))
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage().startswith("Slot name cannot be read: none of profile_store.enc")
    assert "Ann" not in caplog.text


@pytest.mark.usefixtures("sealed_name")
async def test_a_session_that_is_seen_again_does_not_overwrite_it(
    use_settings: UseSettings,
) -> None:
    await said(listen(), user(), slot("name", "Ann"), user_id="ann")
    await said(listen(), {**slot("name", "Older"), "timestamp": START - 50}, user_id="ann")
    use_settings(encryption_keys=f"{NEW},{OLD}")
    assert await kept("ann") == {"name": "Ann", "tier": "gold"}


@pytest.mark.usefixtures("sealed_name")
async def test_what_is_said_anew_is_kept() -> None:
    await said(listen(), user(), user(), user(), slot("name", "Anna"), user_id="ann")
    assert await kept("ann") == {"name": "Anna", "tier": "gold"}


async def test_where_nothing_can_be_read_the_profile_is_unavailable_and_not_empty(
    use_settings: UseSettings,
) -> None:
    use_settings(encryption_keys=OLD)
    await said(listen(), user(), slot("name", "Ann"), user_id="ann")
    use_settings()
    assert status(await run(ActionFetchProfile, fresh(user(), user_id="ann"))) == "unavailable"
    assert status(await run(ActionStoreProfile, fresh(user(), user_id="ann"))) == "stored"


@pytest.mark.usefixtures("sealed_name")
async def test_it_is_forgotten_like_any_other(use_settings: UseSettings) -> None:
    await run(ActionForgetProfile, fresh(user(), slots={"name": "Ann"}, user_id="ann"))
    use_settings(encryption_keys=OLD)
    assert await kept("ann") == {}


async def test_what_another_user_left_in_the_slot_is_taken_away_all_the_same(
    use_settings: UseSettings,
) -> None:
    customer = ["metadata:customer"]
    use_settings(encryption_keys=OLD, identity=customer)
    await said(listen(), user(metadata={"customer": "ann"}), slot("name", "Ann"))
    use_settings(encryption_keys=NEW, identity=customer)
    state = tracker(
        user(metadata={"customer": "bob"}),
        slot("name", "Bob"),
        user(metadata={"customer": "ann"}),
        slots={**empty_slots(), "name": "Bob"},
    )
    assert sets(await run(ActionSyncProfile, state)) == {"name": None}
