"""Calls of the profile actions, and what they come to, for tests to spell."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from coexistence import runtime
from coexistence.profile_actions import (
    ActionSyncProfile,
)
from profile_store import ProfileKey
from tests.coexistence.events import (
    DOMAIN,
    Event,
    empty_slots,
    tracker,
)

ANONYMOUS = ProfileKey("default", "conversation/conversation")
"""What the profile of the tests' conversation is kept under, while nobody is known."""


async def run(kind: type[Action], state: Tracker, domain: Any = DOMAIN) -> list[Event]:
    events: list[Event] = await kind().run(CollectingDispatcher(), state, domain)
    return events


def sets(events: list[Event]) -> dict[str, Any]:
    found = {e["name"]: e["value"] for e in events if e["event"] == "slot"}
    found.pop("profile_status", None)
    return found


def status(events: list[Event]) -> Any:
    found = [e["value"] for e in events if e.get("name") == "profile_status"]
    return found[-1] if found else None


async def kept(user_id: str = ANONYMOUS.user_id) -> dict[str, Any]:
    return dict(await runtime.current().store.fetch(ProfileKey("default", user_id)))


async def said(*events: Any, **options: Any) -> None:
    """Let a conversation say something, and its every-turn action store it."""
    await run(ActionSyncProfile, tracker(*events, **options))


def fresh(*events: Any, **options: Any) -> Tracker:
    return tracker(*events, slots={**empty_slots(), **options.pop("slots", {})}, **options)
