"""The ways in which a message tells who the user is, each with the settings that believe it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.coexistence.events import Event, user
from tests.coexistence.tokens import claims, public_pem, rsa_key, token

Named = Callable[[str], Event]
"""Spells a message that tells who the user is."""

RULES: dict[str, tuple[dict[str, Any], Named]] = {
    "user_id": (
        {"identity": ["user_id", "sender_id"]},
        lambda name: user(metadata={"user_id": name}),
    ),
    "metadata": (
        {"identity": ["metadata:customer", "sender_id"]},
        lambda name: user(metadata={"customer": name}),
    ),
    "jwt": (
        {"identity": ["jwt", "sender_id"], "jwt": {"key": public_pem(rsa_key())}},
        lambda name: user(metadata={"token": token(claims(name))}),
    ),
}
