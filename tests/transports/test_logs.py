"""Logs of a whole run, at debug level too, hold nothing that a user said and no secret."""

from __future__ import annotations

import contextlib
import json
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from rasa_sdk.grpc_py import action_webhook_pb2 as messages

from tests.coexistence.events import routed
from tests.server.action_server import ROOT, ActionServer
from tests.transports import ways
from tests.transports.calls import call, said
from tests.transports.ways import GRPC, HTTP, STREAMS, Streaming, _message

TALKATIVE = Path(__file__).parent / "talkative"
TOKEN, KEY, WRONG = "S3CRET-token", "S3CRET-key", "S3CRET-wrong"
EVERYTHING = {
    "ACTION_SERVER_TOKEN": f"{TOKEN},S3CRET-other-token",
    "KEY": KEY,
    "SANIC_ACCESS_LOG": "true",
    "LOG_LEVEL_LIBRARIES": "DEBUG",
    "PROFILE_STORE_MAX_VALUE_BYTES": "100",
}
ENDPOINTS = """
action_endpoint:
  headers: {x-api-key: "${KEY}"}
profile_store:
  also_accept:
  - basic_auth: {username: rasa, password: S3CRET-password}
"""
SLOTS = {"customer_name": "S3CRET-name", "prefs": {"S3CRET-a": ["S3CRET-b"]}, "limit": 5,
         "tier": "S3CRET-no-tier"}  # fmt: skip
ACTIONS = [
    "action_store_profile", "action_fetch_profile", "action_sync_profile", "action_session_start",
    "action_reset_routing", "action_reads", "action_own", "action_writes", "action_raises",
    "action_rejects_with_values", "action_returns_no_events", "action_writes_nonsense",
    "action_writes_unsendable", "action_routes", "action_streams", "action_nobody_wrote",
    "action_forget_profile",
]  # fmt: skip


def bodies() -> Iterator[dict[str, Any]]:
    """Calls of every action by users whose every word is a secret."""
    large = {"customer_name": "S3CRET" * 100}
    for user in ("S3CRET-user", "S3CRET-user\0", "S3CRET" * 100):
        for action in ACTIONS:
            body = call(action, user, routed(True), *said(SLOTS), *said(large), slots=SLOTS,
                        writes={"customer_name": "S3CRET-written", "tier": "S3CRET"})  # fmt: skip
            body["tracker"]["latest_message"]["text"] = "S3CRET-text"
            yield body
    without_domain = call("action_reads", "S3CRET-user", slots=SLOTS)
    yield {**without_domain, "domain": None, "domain_digest": "S3CRET-digest"}


@pytest.fixture(params=["as it is", "database down"])
def env(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    monkeypatch.setattr(ways, "ASSISTANT", TALKATIVE)
    (tmp_path / "endpoints.yml").write_text(ENDPOINTS)
    if request.param == "as it is":
        return EVERYTHING
    url = "postgresql://rasa:S3CRET-db-password@127.0.0.1:1/profiles"
    return {**EVERYTHING, "PROFILE_STORE_URL": url, "PROFILE_STORE_RETRY_AFTER": "0"}


def assert_nothing_was_told(log: str, *shown: str) -> None:
    """Look for secrets; and for what shows that there was a log to look into."""
    for word in ("DEBUG", "Received request to run 'action_reads'", *shown):
        assert word in log
    told = [line for line in log.splitlines() if "S3CRET" in line.upper()]
    assert told == []


@pytest.mark.parametrize("arguments", [("--debug",), ("--debug", "--auto-reload")])
def test_over_http(tmp_path: Path, env: dict[str, str], arguments: tuple[str, ...]) -> None:
    path = f"{TALKATIVE}:{ROOT}"
    with ActionServer(
        tmp_path, env={**env, "PYTHONPATH": path}, arguments=arguments
    ) as running, httpx.Client(base_url=running.url, timeout=60) as client:  # fmt: skip
        credentials: list[dict[str, Any]] = [
            {"params": {"token": TOKEN}},
            {"headers": {"x-api-key": KEY}},
            {"auth": ("rasa", "S3CRET-password")},
            {"params": {"token": WRONG}, "headers": {"Authorization": f"Bearer {WRONG}"}},
        ]
        for number, body in enumerate(bodies()):
            client.post("/webhook", json=body, **credentials[number % len(credentials)])
        for credential in credentials:
            for method, where in (("GET", "/ready"), ("GET", "/actions"), ("GET", "/nowhere"),
                                  ("PUT", "/webhook"), ("OPTIONS", "/webhook")):  # fmt: skip
                client.request(method, where, **credential)
            for content, headers in (
                (b"{S3CRET", {}),
                (b'["S3CRET"]', {}),
                (b'{"next_action": "S3CRET", "tracker": 5}', {}),
                (b"[" * 10_000, {}),
                (b"S3CRET", {"Content-Encoding": "deflate"}),
                (zlib.compress(b'{"S3CRET": ')[:-5], {"Content-Encoding": "deflate"}),
            ):
                asked = {**credential, "headers": {**credential.get("headers", {}), **headers}}
                client.post("/webhook", content=content, **asked)
        break_off(running, call("action_writes_slowly", "S3CRET-user", seconds=1, writes=SLOTS))
        assert client.get("/ready", params={"token": TOKEN}).status_code in {200, 503}
    down = "PROFILE_STORE_URL" in env
    assert_nothing_was_told(
        running.log, "POST http", "action_raises failed: ValueError",
        "sqlalchemy.engine" if not down else "cannot be reached",
    )  # fmt: skip


def break_off(server: ActionServer, body: dict[str, Any]) -> None:
    """Leave in the middle of a request, and before the answer to another."""
    content = json.dumps(body).encode()
    head = f"POST /webhook?token={TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
    for sent in (content[:100], content):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head.encode() + b"\r\n" + sent)
            connection.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                connection.recv(1)
    for nonsense in (b"GET /?token=S3CRET-token HTTP/9\r\n\r\n", b"S3CRET\r\n\r\n",
                     b"POST /webhook?token=S3CRET-token HTTP/1.1\r\nExpect: S3CRET\r\n"
                     b"Content-Length: 5\r\n\r\n"):  # fmt: skip
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(nonsense)
            connection.recv(65_536)


def test_over_grpc(tmp_path: Path, env: dict[str, str]) -> None:
    with GRPC(tmp_path, env, ("--debug",)) as running:
        callers: list[GRPC] = [running]
        if STREAMS:
            streaming = Streaming(tmp_path, env)
            streaming.channel, streaming.stub = running.channel, running.stub
            callers.append(streaming)
        for number, body in enumerate(bodies()):
            for caller in callers:
                caller.headers = (
                    {"x-api-key": KEY},
                    {"authorization": f"Bearer {TOKEN}"},
                    {"token": TOKEN},
                    {"authorization": f"Bearer {WRONG}", "x-api-key": WRONG, "token": WRONG},
                )[number % 4]
                with contextlib.suppress(ValueError, AssertionError):
                    caller.call(body)  # some of it no message holds
        damaged = _message(call("action_reads", "S3CRET-user")).SerializeToString()[:-3]
        service = messages.DESCRIPTOR.services_by_name["ActionService"]
        for method in ("Webhook", "Actions", "AckStreamChunks", "S3CRET"):
            for metadata in ((("x-api-key", KEY),), (("x-api-key", WRONG),)):
                for request in (b"S3CRET", damaged):
                    send = running.channel.unary_unary(f"/{service.full_name}/{method}")
                    with contextlib.suppress(grpc.RpcError):
                        send(request, metadata=metadata, timeout=30)
    down = "PROFILE_STORE_URL" in env
    assert_nothing_was_told(
        running.log, "action_raises failed: ValueError",
        "sqlalchemy.engine" if not down else "cannot be reached",
    )  # fmt: skip


@pytest.mark.parametrize("way", [HTTP, GRPC])
def test_a_log_would_tell_if_anything_did(
    way: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, with the filters taken away: or the tests above could not fail."""
    # read by every Python at its start, a worker's included
    (tmp_path / "sitecustomize.py").write_text(
        "from coexistence import redaction\nredaction.install = lambda: None\n"
    )
    monkeypatch.setattr(ways, "ASSISTANT", TALKATIVE)
    path = f"{tmp_path}:{TALKATIVE}:{ROOT}"
    with way(tmp_path, {**EVERYTHING, "PYTHONPATH": path}) as running:
        running.headers = {"authorization": f"Bearer {TOKEN}"}
        running.call(call("action_returns_no_events", "someone", slots=SLOTS))
        if way is HTTP:
            httpx.get(f"{running._server.url}/ready", params={"token": TOKEN})
    assert "S3CRET-name" in running.log
    assert ("S3CRET-token" in running.log) == (way is HTTP)
