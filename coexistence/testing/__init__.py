"""A test kit for assistants in coexistence: conversations in which Rasa's part is played.

    from coexistence.testing import Conversation

    with Conversation("domain.yml", "actions") as conversation:
        conversation.nlu_turn("I am Ann", slots={"customer_name": "Ann"})
        conversation.reset_routing()
        assert conversation.slots["customer_name"] == "Ann"

With pytest a fixture `conversation` does the opening and closing: docs/testing.md.
"""

from coexistence.testing.clock import Clock
from coexistence.testing.conversation import Conversation, Reply
from coexistence.testing.errors import (
    ActionFailed,
    ImpossibleTurn,
    MessageAborted,
    ResponseRefused,
    ServerFailed,
)
from coexistence.testing.processor import Call
from coexistence.testing.server import serve

__all__ = [
    "ActionFailed",
    "Call",
    "Clock",
    "Conversation",
    "ImpossibleTurn",
    "MessageAborted",
    "Reply",
    "ResponseRefused",
    "ServerFailed",
    "serve",
]
