"""Actions whose answers a test writes, and a domain that lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from coexistence.system import ROUTING_SLOT

Event = dict[str, Any]
Answer = Callable[[CollectingDispatcher, Tracker, Any], Any]

SLOTS: dict[str, dict[str, Any]] = {
    "customer_name": {
        "type": "text",
        "shared_for_coexistence": True,
        "mappings": [{"type": "from_entity", "entity": "name"}, {"type": "from_llm"}],
    },
    "loyalty_tier": {
        "type": "strict_categorical",
        "values": ["gold", "silver"],
        "shared_for_coexistence": True,
    },
    "recipient": {"type": "text"},
    "scratch": {"type": "text", "initial_value": "init"},
    ROUTING_SLOT: {"type": "bool", "influence_conversation": False},
}


def slot(name: str, value: Any, **more: Any) -> Event:
    return {"event": "slot", "name": name, "value": value, **more}


def action(name: str, *events: Any, does: Answer | None = None) -> type[Action]:
    """Return an action that answers with events, or does what a function does."""

    class Scripted(Action):  # type: ignore[misc]
        def name(self) -> str:
            return name

        async def run(
            self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
        ) -> list[Any]:
            return list(events) if does is None else does(dispatcher, tracker, domain)

    return Scripted


def says(name: str, **message: Any) -> type[Action]:
    """Return an action that utters one message."""

    def utter(dispatcher: CollectingDispatcher, _: Tracker, __: Any) -> list[Any]:
        dispatcher.utter_message(**message)
        return []

    return action(name, does=utter)


def raises(name: str, error: Exception) -> type[Action]:
    """Return an action that fails."""

    def fail(*_: Any) -> Any:
        raise error

    return action(name, does=fail)


def domain(*actions: type[Action], **sections: Any) -> dict[str, Any]:
    """Return a domain that lists some actions."""
    names = [one().name() for one in actions]
    return {"slots": SLOTS, "actions": names, **sections}
