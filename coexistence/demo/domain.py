"""The demo assistant, twice: they differ in two lines under `actions`, and in nothing else."""

from __future__ import annotations

from typing import Any, NamedTuple

from coexistence.system import RESET_ACTION, ROUTING_SLOT

CUSTOMER_NAME = "customer_name"
LANGUAGE = "language"
ACCOUNT = "account"
RECIPIENT = "recipient"

SHOWN = (CUSTOMER_NAME, LANGUAGE, ACCOUNT, RECIPIENT)
"""The slots that the audience sees, in their order."""

INCLUDED = (LANGUAGE,)
"""Kept by `profile_store.shared_slots.include` though not flagged: a routing reset wipes them."""

GREET = "action_greet"
PAY = "action_pay"
SESSION_START = "action_session_start"
PROFILE_ACTIONS = (RESET_ACTION, SESSION_START)
"""Rasa's own default actions, which the profile store takes over where a domain lists them."""


class Flow(NamedTuple):
    """A CALM flow: collects slots in order, runs an action, then drops all but some slots."""

    name: str
    collects: tuple[str, ...]
    action: str
    persisted: tuple[str, ...]


PAY_FLOW = Flow("pay", (ACCOUNT, RECIPIENT), PAY, persisted=(ACCOUNT,))

RASA_ALONE: dict[str, Any] = {
    "version": "3.1",
    "session_config": {
        "session_expiration_time": 60,
        "carry_over_slots_to_new_session": False,
    },
    "intents": ["greet", "introduce_self", "pay", "inform"],
    "entities": [CUSTOMER_NAME, LANGUAGE],
    "slots": {
        ROUTING_SLOT: {"type": "bool", "influence_conversation": False},
        CUSTOMER_NAME: {
            "type": "text",
            "shared_for_coexistence": True,
            "mappings": [{"type": "from_entity", "entity": CUSTOMER_NAME}],
        },
        LANGUAGE: {
            "type": "text",
            "mappings": [{"type": "from_entity", "entity": LANGUAGE}],
        },
        ACCOUNT: {
            "type": "categorical",
            "values": ["everyday", "savings"],
            "shared_for_coexistence": True,
            "mappings": [{"type": "from_llm"}],
        },
        RECIPIENT: {"type": "text", "mappings": [{"type": "from_llm"}]},
    },
    "responses": {
        "utter_ask_account": [{"text": "From everyday or savings?"}],
        "utter_can_do_something_else": [{"text": "What else can I do for you?"}],
    },
    "actions": [GREET, PAY],
}
WITH_PROFILE_STORE: dict[str, Any] = {
    **RASA_ALONE,
    "actions": [*RASA_ALONE["actions"], *PROFILE_ACTIONS],
}
