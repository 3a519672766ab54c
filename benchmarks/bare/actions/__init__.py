"""What a bare SDK serves: an action that does nothing, and one that returns constant slots."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import SlotSet

SLOTS = 20


class ActionNothing(Action):  # type: ignore[misc]
    """Returns no events: what a call costs at least."""

    def name(self) -> str:
        return "action_nothing"

    async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[Any]:
        return []


class ActionConstants(Action):  # type: ignore[misc]
    """Returns as many slots as a fetch does, without asking a database."""

    def name(self) -> str:
        return "action_constants"

    async def run(self, dispatcher: Any, tracker: Any, domain: Any) -> list[Any]:
        return [SlotSet(f"kept_{number}", f"value {number}") for number in range(SLOTS)]
