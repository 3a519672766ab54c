"""A team's own actions: plain ones, most of them, none written with profiles in mind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from rasa_sdk import Action, FormValidationAction, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import ActionExecutionRejection

import coexistence
from coexistence import ProfileAction, Turn

if os.environ.get("SANIC_STARTS_BY"):
    from sanic import Sanic

    Sanic.start_method = os.environ["SANIC_STARTS_BY"]


class Reads(Action):
    def name(self) -> str:
        return "action_reads"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        dispatcher.utter_message(text=f"Hello {tracker.get_slot('customer_name')}!")
        return [SlotSet("heard", tracker.get_slot("customer_name"))]


class Writes(Action):
    """Takes what it writes from the message, as an action that calls some other system."""

    def name(self) -> str:
        return "action_writes"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        return [SlotSet(*item) for item in tracker.latest_message["metadata"]["writes"].items()]


class WritesBlocking(Writes):
    def name(self) -> str:
        return "action_writes_blocking"

    def run(  # type: ignore[override]
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        return [SlotSet(*item) for item in tracker.latest_message["metadata"]["writes"].items()]


class WritesLeftOut(Writes):
    def name(self) -> str:
        return "action_writes_left_out"


class WritesLeftOutByName(Writes):
    def name(self) -> str:
        return "action_writes_left_out_by_name"


class ReadsLeftOut(Reads):
    def name(self) -> str:
        return "action_reads_left_out"


class WritesSlowly(Writes):
    def name(self) -> str:
        return "action_writes_slowly"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        await asyncio.sleep(tracker.latest_message["metadata"]["seconds"])
        return await super().run(dispatcher, tracker, domain)  # type: ignore[no-any-return]


class WritesNonsense(Action):
    def name(self) -> str:
        return "action_writes_nonsense"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Any:
        return [SlotSet("customer_name", "Ann"), {"no": "event"}, 5, None]


class WritesUnsendable(Action):
    def name(self) -> str:
        return "action_writes_unsendable"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        return [SlotSet("heard", {"SECRET"})]


class ReturnsNothing(Action):
    def name(self) -> str:
        return "action_returns_nothing"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Any:
        return None


class Raises(Action):
    def name(self) -> str:
        return "action_raises"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        raise ValueError(f"failed for {tracker.slots}")


class Rejects(Action):
    def name(self) -> str:
        return "action_rejects"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        raise ActionExecutionRejection(self.name(), "not now")


class Routes(Action):
    def name(self) -> str:
        return "action_routes"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        return [SlotSet("customer_name", "SECRET"), SlotSet("route_session_to_calm", True)]


class Streams(Action):
    def name(self) -> str:
        return "action_streams"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        await dispatcher.stream_start()
        for word in ("Hello ", str(tracker.get_slot("customer_name"))):
            await dispatcher.stream_chunk(text=word)
        await dispatcher.stream_end()
        return [SlotSet("customer_name", "Bea")]


class StreamsForLong(Action):
    def name(self) -> str:
        return "action_streams_for_long"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        await dispatcher.stream_start()
        for number in range(40):
            await dispatcher.stream_chunk(text=f"{number} ")
            await asyncio.sleep(0.05)
        await dispatcher.stream_end()
        return [SlotSet("customer_name", "Bea"), SlotSet("prefs", ["Bea"])]


class Validates(FormValidationAction):
    """Masks a number that is all digits, rejects what begins with `bad`, fails on all else."""

    def name(self) -> str:
        return "validate_name_form"

    async def run(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        said = tracker.slots_to_validate()["customer_name"]
        if said.startswith("bad"):
            return [SlotSet("customer_name", None)]
        return [SlotSet("customer_name", f"****{int(said) % 10_000}")]


class Own(ProfileAction):
    def name(self) -> str:
        return "action_own"

    async def act(self, turn: Turn) -> Sequence[EventType]:
        turn.remember(prefs=[turn.profile.get("customer_name")])
        return [SlotSet("heard", turn.tracker.get_slot("customer_name"))]


coexistence.install(
    every_action=True,
    leave_out=["action_writes_left_out_by_name", WritesLeftOut, ReadsLeftOut],
)
