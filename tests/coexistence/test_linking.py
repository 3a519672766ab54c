"""An anonymous conversation gains a user id: what was kept of it becomes the user's, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coexistence import runtime
from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionForgetProfile,
    ActionSyncProfile,
)
from profile_store import ProfileKey, Release, SlotWrite
from tests.coexistence.calls import ANONYMOUS, fresh, kept, run, said, sets
from tests.coexistence.conftest import UseSettings
from tests.coexistence.events import (
    START,
    Event,
    flow_end_reset,
    routing_reset,
    session_start,
    slot,
    user,
)
from tests.coexistence.naming import RULES, Named


@pytest.fixture(params=list(RULES))
def rule(request: pytest.FixtureRequest) -> str:
    """The rule by which the user is known."""
    name: str = request.param
    return name


@pytest.fixture
def named(rule: str, use_settings: UseSettings) -> Named:
    options, spell = RULES[rule]
    use_settings(**options, shared_slots={"include": ["recipient", "scratch"]})
    return spell


ANN = ProfileKey("default", "ann")


async def everything() -> dict[str, Any]:
    """Return all that is kept of the user and of the conversation, but not when it was erased."""
    return {key.user_id: await runtime.current().store.export(key) for key in (ANN, ANONYMOUS)}


async def test_what_was_said_before_becomes_the_users(named: Named) -> None:
    talk = [*session_start(), user(), slot("name", "Ann")]
    await said(*talk)
    assert await kept() == {"name": "Ann"}
    state = fresh(*talk, named("ann"))
    assert sets(await run(ActionSyncProfile, state)) == {"name": "Ann"}
    assert await kept("ann") == {"name": "Ann"}
    assert await kept() == {}


async def test_what_an_earlier_session_said_becomes_the_users(named: Named) -> None:
    await said(*session_start(), user(), slot("name", "Ann"))
    state = fresh(session_start(), user(), named("ann"))
    assert sets(await run(ActionFetchProfile, state)) == {"name": "Ann"}
    assert await kept() == {}


async def test_the_newer_of_both_values_stays(named: Named) -> None:
    store = runtime.current().store
    await store.store(ANN, [SlotWrite("name", "old", 10.0), SlotWrite("tier", "gold", 11.0)])
    await store.store(
        ANONYMOUS, [SlotWrite("name", "new", 11.0), SlotWrite("tier", "silver", 10.0)]
    )
    state = fresh(session_start(), user(), named("ann"))
    assert sets(await run(ActionFetchProfile, state)) == {"name": "new", "tier": "gold"}


async def test_linking_again_changes_nothing(
    named: Named, rule: str, use_settings: UseSettings
) -> None:
    talk = [
        *session_start(),
        user(),
        slot("name", "Ann"),
        flow_end_reset("name"),
        slot("tier", "gold"),
    ]
    await said(*talk)
    state = fresh(*talk, named("ann"))
    await run(ActionSyncProfile, state)
    before = await everything()
    await run(ActionSyncProfile, state)
    assert await everything() == before
    use_settings(**RULES[rule][0])  # another process, which remembers nothing
    await run(ActionSyncProfile, state)
    assert await everything() == before


async def test_nothing_of_another_user_is_linked(named: Named) -> None:
    await said(session_start(), named("bob"), slot("name", "Bob"), sender_id="shared")
    await said(session_start(), user(), slot("tier", "gold"), sender_id="another")
    state = fresh(session_start(), user(), named("ann"))
    assert sets(await run(ActionFetchProfile, state)) == {}
    assert await kept("bob") == {"name": "Bob"}
    assert await kept("conversation/another") == {"tier": "gold"}


async def test_a_release_is_linked(named: Named) -> None:
    talk = [*session_start(), user(), slot("name", "Ann"), flow_end_reset("name")]
    await said(*talk)
    state = fresh(session_start(), user(), named("ann"))
    assert sets(await run(ActionSyncProfile, state)) == {}
    assert sets(await run(ActionFetchProfile, state)) == {"name": "Ann"}


async def test_a_release_of_the_user_s_outlives_what_was_said_before_it(named: Named) -> None:
    store = runtime.current().store
    await store.store(ANONYMOUS, [SlotWrite("name", "Ann", 10.0)])
    await store.store(ANN, [SlotWrite("name", "A", 9.0)], [Release("name", 11.0)])
    state = fresh(session_start(), user(), named("ann"))
    assert sets(await run(ActionSyncProfile, state)) == {}
    assert await kept("ann") == {"name": "Ann"}


@pytest.mark.parametrize("slots", [None, ["name"]], ids=["the profile", "the slot"])
async def test_what_the_user_has_erased_is_not_brought_back(
    named: Named, slots: list[str] | None
) -> None:
    store = runtime.current().store
    await store.store(ANONYMOUS, [SlotWrite("name", "Ann", 10.0), SlotWrite("tier", "gold", 12.0)])
    await store.forget(ANN, slots, at=11.0)
    state = fresh(session_start(), user(), named("ann"))
    assert sets(await run(ActionFetchProfile, state)) == {"tier": "gold"}


async def test_what_was_erased_before_the_user_was_known_does_not_come_back(named: Named) -> None:
    talk = [
        *session_start(), user(), slot("name", "Ann"), slot("recipient", "Bob"),
        slot("scratch", "Bob"), *routing_reset(), user("forget me"),
    ]  # fmt: skip
    await said(*talk)
    # what the domain does not flag has lost its value at the routing reset
    now = {"name": "Ann", "recipient": None, "scratch": "init"}
    erased = await run(ActionForgetProfile, fresh(*talk, slots=now))
    assert sets(erased) == {"name": None, "recipient": None, "scratch": "init"}
    assert await kept() == {}
    state = fresh(*talk, erased, named("ann"))
    assert sets(await run(ActionFetchProfile, state)) == {}
    assert await kept("ann") == {}


def later(seconds: float, *events: Event) -> list[Event]:
    """Return the events of a later session, a second apart."""
    return [{**event, "timestamp": START + seconds + i} for i, event in enumerate(events)]


async def test_a_conversation_that_was_anonymous_again_is_linked_again(named: Named) -> None:
    await said(*session_start(), user(), slot("name", "Ann"), named("ann"))
    assert await kept("ann") == {"name": "Ann"}
    await said(*later(1000, *session_start(), user(), slot("tier", "gold")))
    assert await kept() == {"tier": "gold"}
    state = fresh(*later(2000, *session_start(), user(), named("ann")))
    assert sets(await run(ActionFetchProfile, state)) == {"name": "Ann", "tier": "gold"}
    assert await kept() == {}


async def test_it_is_linked_once_a_session(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    store = runtime.current().store
    link, linked = store.link, []

    async def count(source: ProfileKey, target: ProfileKey) -> Any:
        linked.append((source, target))
        return await link(source, target)

    monkeypatch.setattr(store, "link", count)
    talk = [*session_start(), user(), named("ann")]
    for more in ([], [user(), slot("name", "Ann")], [user()]):
        talk.extend(more)
        await said(*talk)
    assert linked == [(ANONYMOUS, ANN)]


async def test_an_outage_puts_linking_off(
    named: Named, rule: str, use_settings: UseSettings, tmp_path: Path
) -> None:
    await said(*session_start(), user(), slot("name", "Ann"))
    state = fresh(session_start(), user(), named("ann"))
    options = RULES[rule][0]
    use_settings(**options, db=str(tmp_path / "nowhere" / "profiles.db"))
    assert sets(await run(ActionFetchProfile, state)) == {}
    use_settings(**options)
    assert sets(await run(ActionFetchProfile, state)) == {"name": "Ann"}
