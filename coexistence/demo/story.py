"""The conversation, in scenes; each is played by both assistants."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from coexistence.demo.assistant import Assistant
from coexistence.demo.domain import ACCOUNT, CUSTOMER_NAME, GREET, LANGUAGE, PAY_FLOW, RECIPIENT
from coexistence.system import System

LENGTH_SECONDS = 2 * 3600.0
"""More than all scenes take on the assistants' clock."""

_SILENCE_MINUTES = 61
"""A minute more than the domain's `session_expiration_time`."""


class Scene(NamedTuple):
    """A title, what the audience should know, and what happens."""

    title: str
    about: str
    play: Callable[[Assistant], None]


def _nlu_skill(assistant: Assistant) -> None:
    assistant.start_conversation("app-1")
    assistant.hear(
        "I am Ann. In English, please.",
        "introduce_self",
        {CUSTOMER_NAME: "Ann", LANGUAGE: "English"},
        System.NLU,
    )
    assistant.run(GREET)


def _calm_skill(assistant: Assistant) -> None:
    assistant.hear(
        "Pay Bob from my savings.", "pay", {ACCOUNT: "savings", RECIPIENT: "Bob"}, System.CALM
    )
    assistant.run_flow(PAY_FLOW)


def _end_of_calm_skill(assistant: Assistant) -> None:
    assistant.end_flow(PAY_FLOW)


def _new_session(assistant: Assistant) -> None:
    assistant.wait(minutes=_SILENCE_MINUTES)
    assistant.start_session()
    assistant.hear("Hello!", "greet", {}, System.NLU, sticky=False)
    assistant.run(GREET)
    assistant.listen()
    if assistant.slots[CUSTOMER_NAME] is None:
        assistant.hear("Ann, as I said.", "introduce_self", {CUSTOMER_NAME: "Ann"}, System.NLU)
        assistant.run(GREET)
        assistant.reset_routing()


def _other_channel(assistant: Assistant) -> None:
    assistant.wait(minutes=30)
    assistant.start_conversation("web-1")
    assistant.hear("Pay Eve, please.", "pay", {RECIPIENT: "Eve"}, System.CALM)
    if not assistant.run_flow(PAY_FLOW):
        assistant.hear("Savings, as I said.", "inform", {ACCOUNT: "savings"}, System.CALM)
        assistant.run_flow(PAY_FLOW)


SCENES = (
    Scene(
        "A skill in NLU",
        "Ann opens the app. The router picks NLU, which fills two slots from her message.",
        _nlu_skill,
    ),
    Scene(
        "The skill ends: action_reset_routing",
        "Rasa wipes slots that are not flagged shared_for_coexistence: customer_name stays, "
        "language goes. The profile store's settings list it, too: it is put back in one step.",
        Assistant.reset_routing,
    ),
    Scene(
        "A skill in CALM",
        "The router picks CALM, whose flow fills account (shared) and recipient (not shared).",
        _calm_skill,
    ),
    Scene(
        "The skill ends: action_reset_routing",
        "The flow drops its recipient, and that is meant: the next payment goes elsewhere.",
        _end_of_calm_skill,
    ),
    Scene(
        "An hour later: a new session",
        "With carry_over_slots_to_new_session: false, as here (Rasa's default is true), a session "
        "starts with empty slots, shared or not.",
        _new_session,
    ),
    Scene(
        "On the website: a new conversation",
        "On another channel Rasa always starts with empty slots. The profile is Ann's, not the "
        "conversation's: both channels send her user_id.",
        _other_channel,
    ),
)
