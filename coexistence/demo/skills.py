"""What the demo's action server loads: two plain skills, and the profile actions beside them.

Importing it registers them with the Rasa SDK; only the server's own process does so.
"""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher

import coexistence
from coexistence.demo import domain as demo

coexistence.install()


class ActionGreet(Action):  # type: ignore[misc]
    """Greets, by name where the name is known. Knows nothing of profiles."""

    def name(self) -> str:
        return demo.GREET

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        customer = tracker.get_slot(demo.CUSTOMER_NAME)
        introduced = (tracker.latest_message.get("intent") or {}).get("name") == "introduce_self"
        if customer is None:
            dispatcher.utter_message(text="Hello! What is your name?")
        elif introduced:
            dispatcher.utter_message(text=f"Nice to meet you, {customer}.")
        else:
            dispatcher.utter_message(text=f"Welcome back, {customer}.")
        return []


class ActionPay(Action):  # type: ignore[misc]
    """Says that somebody is paid; there is no bank. Knows nothing of profiles."""

    def name(self) -> str:
        return demo.PAY

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        recipient, account = tracker.get_slot(demo.RECIPIENT), tracker.get_slot(demo.ACCOUNT)
        customer = tracker.get_slot(demo.CUSTOMER_NAME)
        dispatcher.utter_message(
            text=f"{recipient} is paid from {account}{f', {customer}' if customer else ''}."
        )
        return []
