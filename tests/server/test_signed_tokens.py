"""Signed tokens and the action server: who is known, and what its log tells at debug level."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.coexistence.tokens import claims, jwk, rsa_key, token, write_jwks
from tests.server.action_server import ActionServer

PAYLOAD = Path(__file__).parents[1] / "payloads" / "calm-rasa-pro-3.21.json"


def call(action: str, sender_id: str, brought: str, **slots: Any) -> dict[str, Any]:
    """Return a call of Rasa Pro's in which the message brings a token, and slots are set."""
    body: dict[str, Any] = json.loads(PAYLOAD.read_text())
    message = {"event": "user", "text": "hi", "timestamp": 1.0, "metadata": {"token": brought}}
    filled = [
        {"event": "slot", "name": name, "value": value, "timestamp": 2.0}
        for name, value in slots.items()
    ]
    body["tracker"].update(
        sender_id=sender_id, user_id=None, events=[message, *filled], slots=slots, stack=[]
    )
    return {**body, "next_action": action, "sender_id": sender_id}


def slots_of(response: Any) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return {e["name"]: e["value"] for e in response.json()["events"] if e["event"] == "slot"}


def test_a_user_is_known_by_a_token_until_its_key_is_taken_away(tmp_path: Path) -> None:
    keys = write_jwks(tmp_path / "jwks.json", jwk(rsa_key(), "one"))
    (tmp_path / "endpoints.yml").write_text(
        f"profile_store: {{identity: [jwt, sender_id], jwt: {{jwks_file: {keys}}}}}"
    )
    brought = token(claims("customer-4711"), kid="one")
    with ActionServer(tmp_path, arguments=("--debug",)) as running:
        said = call("action_store_profile", "phone", brought, customer_name="Annabel")
        assert running.post(said).status_code == 200
        fetch = call("action_fetch_profile", "web", brought)
        assert slots_of(running.post(fetch))["customer_name"] == "Annabel"
        write_jwks(keys, jwk(rsa_key("the next"), "next"))
        answered = slots_of(running.post(fetch))
        assert "customer_name" not in answered
        log = running.log
    assert "action_fetch_profile: no profile, for the token in the message metadata is" in log
    assert "DEBUG" in log
    for secret in (*brought.split("."), "customer-4711", "Annabel"):
        assert secret not in log
