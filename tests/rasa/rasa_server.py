"""A running Rasa Open Source, and conversations with it over its REST channel."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from examples.derive_open_source import dump, load
from tests.rasa import environment
from tests.rasa.assistant import Assistant
from tests.server.action_server import free_port

START_SECONDS = 240
TURN_SECONDS = 60


class RasaServer:
    """`rasa run --enable-api`, with its action server on a port that is there or not."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text()

    def conversation(
        self, user: str | None = None, conversation_id: str | None = None
    ) -> Conversation:
        """Return a conversation, new unless it has an id; `user` goes into the metadata."""
        return Conversation(self.url, conversation_id or f"c-{uuid.uuid4().hex}", user)


class Conversation:
    """One conversation over REST."""

    def __init__(self, url: str, conversation_id: str, user: str | None) -> None:
        self.id = conversation_id
        self.user = user
        self._url = url

    def say(self, message: str, **entities: str) -> list[str]:
        """Send a message, or an intent with entities as `/intent`; return what the bot says."""
        body: dict[str, Any] = {"sender": self.id, "message": message}
        if entities:
            body["message"] += json.dumps(entities)
        if self.user is not None:
            body["metadata"] = {"user_id": self.user}
        answer = httpx.post(f"{self._url}/webhooks/rest/webhook", json=body, timeout=TURN_SECONDS)
        answer.raise_for_status()
        return [said["text"] for said in answer.json()]

    @property
    def tracker(self) -> dict[str, Any]:
        """Rasa's tracker: slots, and the events of all sessions."""
        answer = httpx.get(
            f"{self._url}/conversations/{self.id}/tracker",
            params={"include_events": "ALL"},
            timeout=TURN_SECONDS,
        )
        answer.raise_for_status()
        return dict(answer.json())

    @property
    def slots(self) -> dict[str, Any]:
        return dict(self.tracker["slots"])

    def actions(self) -> list[str]:
        """Return the names of the actions since the last user message."""
        names: list[str] = []
        for event in self.tracker["events"]:
            if event["event"] == "user":
                names.clear()
            elif event["event"] == "action":
                names.append(event["name"])
        return names

    def count(self, kind: str) -> int:
        """Return how many events of a kind there are."""
        return sum(event["event"] == kind for event in self.tracker["events"])


@contextlib.contextmanager
def running(assistant: Assistant, action_port: int, folder: Path) -> Iterator[RasaServer]:
    """Run Rasa with a trained assistant until the block ends."""
    endpoints = load(assistant.folder / "endpoints.yml")
    endpoints["action_endpoint"] = {"url": f"http://127.0.0.1:{action_port}/webhook"}
    dump(endpoints, folder / "endpoints.yml")
    server = RasaServer(free_port(), folder / "rasa.log")
    with (folder / "rasa.log").open("wb") as log:
        process = subprocess.Popen(
            [str(environment.HOME / "bin" / "rasa"), "run", "--enable-api",
             "--model", str(assistant.model), "--endpoints", str(folder / "endpoints.yml"),
             "--credentials", str(assistant.folder / "credentials.yml"),
             "--interface", "127.0.0.1", "--port", server.url.rpartition(":")[2]],
            cwd=folder, env=environment.variables(), stdout=log, stderr=log,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        _await_model(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _await_model(server: RasaServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"Rasa ended at its start:\n{server.log[-4000:]}")
        with contextlib.suppress(httpx.TransportError):
            status = httpx.get(f"{server.url}/status", timeout=5)
            if status.is_success and status.json().get("model_file"):
                return
        time.sleep(0.25)
    raise AssertionError(f"Rasa did not load its model:\n{server.log[-4000:]}")
