"""`action_forget_profile`: erased is erased, and only what was erased is promised."""

from __future__ import annotations

import pytest

from coexistence import runtime
from coexistence.profile_actions import (
    ActionForgetProfile,
    ActionStoreProfile,
    ActionSyncProfile,
)
from tests.coexistence.calls import ANONYMOUS, fresh, kept, run, said, sets, status
from tests.coexistence.events import (
    DOMAIN,
    hydration,
    slot,
    user,
)


async def test_forget_erases_the_profile_and_the_slots() -> None:
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann", "scratch": "x"})
    await run(ActionStoreProfile, state)
    events = await run(ActionForgetProfile, state)
    assert sets(events) == {"name": None}
    assert status(events) == "empty"
    assert await kept() == {}
    assert await runtime.current().store.history(ANONYMOUS) == []


async def test_what_was_forgotten_does_not_come_back_from_the_same_tracker() -> None:
    state = fresh(user(), slot("name", "Ann"), slots={"name": "Ann"})
    forgotten = await run(ActionForgetProfile, state)
    later = fresh(user(), slot("name", "Ann"), *forgotten, user())
    assert sets(await run(ActionSyncProfile, later)) == {}
    assert await kept() == {}


async def test_what_is_said_after_forgetting_is_kept() -> None:
    await run(ActionForgetProfile, fresh(user(), slot("name", "Ann")))
    await said(user(), slot("name", "Ann"), hydration("name", None), user(), slot("name", "Bea"))
    assert await kept() == {"name": "Bea"}


async def test_forget_erases_only_the_slots_that_profile_forget_names() -> None:
    domain = {**DOMAIN, "slots": {**DOMAIN["slots"], "profile_forget": {"type": "list"}}}
    state = fresh(
        user(), slot("name", "Ann"), slot("tier", "gold"),
        slots={"name": "Ann", "tier": "gold", "profile_forget": ["name", "scratch", 5]},
    )  # fmt: skip
    await run(ActionStoreProfile, state, domain)
    events = await run(ActionForgetProfile, state, domain)
    assert sets(events) == {"name": None, "profile_forget": None}
    assert await kept() == {"tier": "gold"}


async def test_forgetting_in_the_turn_that_logs_in_leaves_no_anonymous_profile() -> None:
    await said(user(), slot("name", "Zoe"))
    events = [user(), slot("name", "Zoe"), user(metadata={"user_id": "zoe"})]
    assert status(await run(ActionForgetProfile, fresh(*events, user_id="zoe"))) == "empty"
    assert await kept("zoe") == {}
    assert await kept() == {}


async def test_profile_forget_with_a_name_that_is_not_shared_claims_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    domain = {**DOMAIN, "slots": {**DOMAIN["slots"], "profile_forget": {"type": "text"}}}
    await said(user(), slot("name", "Ann"))
    state = fresh(user(), slots={"profile_forget": "nmae"})
    assert status(await run(ActionForgetProfile, state, domain)) == "unavailable"
    assert "profile_forget" in caplog.text
    assert await kept() == {"name": "Ann"}
