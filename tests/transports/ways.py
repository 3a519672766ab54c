"""The ways in which Rasa calls an action, each with a client that does it as Rasa does."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.protobuf.json_format import MessageToDict, ParseDict
from rasa_sdk.grpc_py import action_webhook_pb2 as messages
from rasa_sdk.grpc_py.action_webhook_pb2_grpc import ActionServiceStub

from tests.server.action_server import ROOT, ActionServer, free_port

ASSISTANT = Path(__file__).parent / "assistant"
STREAMS = hasattr(messages, "WebhookStreamEvent")
START_SECONDS = 60


@dataclasses.dataclass
class Answer:
    """What came of a call: events and messages, or how it was refused and what was said of it."""

    outcome: str
    """`done`, `rejected`, `refused`, `no such action`, `no domain`, `failed`, `malformed` or
    `cancelled`."""
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    responses: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    said: str = ""
    chunks: list[str] = dataclasses.field(default_factory=list)

    @property
    def slots(self) -> dict[str, Any]:
        assert self.outcome == "done", self
        return {event["name"]: event.get("value") for event in self.events
                if event["event"] == "slot"}  # fmt: skip


class HTTP:
    """`python -m rasa_sdk --actions actions`."""

    def __init__(self, folder: Path, env: Mapping[str, str], arguments: tuple[str, ...] = ()):
        self.headers: dict[str, str] = {}
        self._server = ActionServer(folder, env=env, path=ASSISTANT, arguments=arguments)

    def __enter__(self) -> HTTP:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def log(self) -> str:
        return self._server.log

    def call(self, body: dict[str, Any], cancel_after: float | None = None) -> Answer:
        try:
            response = httpx.post(
                f"{self._server.url}/webhook",
                json=body,
                headers=self.headers,
                timeout=httpx.Timeout(cancel_after or 60, connect=30),
            )
        except httpx.ReadTimeout:
            return Answer("cancelled")
        told = response.json()
        if response.status_code == 200:
            return Answer("done", told["events"], told["responses"])
        outcome = {
            400: "rejected", 401: "refused", 404: "no such action", 449: "no domain", 500: "failed"
        }  # fmt: skip
        return Answer(outcome.get(response.status_code, "malformed"), said=response.text)


class GRPC:
    """`python -m rasa_sdk --actions actions --grpc`."""

    def __init__(self, folder: Path, env: Mapping[str, str], arguments: tuple[str, ...] = ()):
        self.headers: dict[str, str] = {}  # sent as metadata, as Rasa sends them
        self.port = free_port()
        self._log = folder / f"grpc-{self.port}.log"
        self._folder = folder
        self._arguments = arguments
        self._env = {
            **os.environ, "PYTHONPATH": f"{ASSISTANT}{os.pathsep}{ROOT}", "SANIC_HOST": "127.0.0.1",
            **env,
        }  # fmt: skip

    def __enter__(self) -> GRPC:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rasa_sdk", "--actions", "actions",
                 "--grpc", "-p", str(self.port), *self._arguments],
                cwd=self._folder, env=self._env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self.channel = self._connect(f"127.0.0.1:{self.port}")
        self.stub = ActionServiceStub(self.channel)
        ready = grpc.channel_ready_future(self.channel)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(grpc.FutureTimeoutError):
                ready.result(0.05)
                break
            if self.process.poll() is not None or time.monotonic() > deadline:
                ready.cancel()
                self.channel.close()
                self.process.kill()
                raise AssertionError(f"the gRPC server did not answer:\n{self.log}")
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def call(self, body: dict[str, Any], cancel_after: float | None = None) -> Answer:
        try:
            answer = self.stub.Webhook(_message(body), **self._options(cancel_after))
            return _done(answer)
        except grpc.RpcError as error:
            return _refused(error)

    def _connect(self, address: str) -> grpc.Channel:
        return grpc.insecure_channel(address, [("grpc.max_send_message_length", -1)])

    def _options(self, cancel_after: float | None) -> dict[str, Any]:
        return {"timeout": cancel_after or 60, "metadata": tuple(self.headers.items())}


class Streaming(GRPC):
    """The same server, called as Rasa's voice channels do."""

    def call(self, body: dict[str, Any], cancel_after: float | None = None) -> Answer:
        chunks: list[str] = []
        try:
            for event in self.stub.WebhookStream(_message(body), **self._options(cancel_after)):
                kind = event.WhichOneof("event")
                if kind == "chunk":
                    chunks.append(event.chunk.text)
                elif kind == "final_result":
                    return dataclasses.replace(_done(event.final_result), chunks=chunks)
        except grpc.RpcError as error:
            return _refused(error)
        raise AssertionError("a stream ended without a result")


class Direct:
    """`action_endpoint: {actions_module: actions}`: no server, the SDK's executor inside Rasa."""

    def __init__(self, folder: Path, env: Mapping[str, str], arguments: tuple[str, ...] = ()):
        self._folder = folder
        self._log = folder / "direct.log"
        self._env = {
            **os.environ, "PYTHONPATH": f"{ASSISTANT}{os.pathsep}{ROOT}", **env
        }  # fmt: skip

    def __enter__(self) -> Direct:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.transports.direct"], cwd=self._folder,
                env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while "ready" not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        assert self.process.wait(20) == 0, self.log
        self.process.stdout.close()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def tell(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def call(self, body: dict[str, Any], cancel_after: float | None = None) -> Answer:
        request = {"call": body}
        if cancel_after is not None:
            request["cancel_after"] = cancel_after  # type: ignore[assignment]
        told = self.tell(request)
        if "result" in told:
            result = told["result"]
            return Answer("done", result["events"], result["responses"])
        outcome = {
            "ActionExecutionRejection": "rejected",
            "ActionNotFoundException": "no such action",
            "ActionMissingDomainException": "no domain",
            "CancelledError": "cancelled",
        }
        return Answer(outcome.get(told["raised"], "failed"), said=told["message"])


Way = HTTP | GRPC | Direct
WAYS: dict[str, type[Way]] = {"http": HTTP, "grpc": GRPC, "streaming": Streaming, "direct": Direct}


@contextlib.contextmanager
def going(way: str, folder: Path, *, arguments: tuple[str, ...] = (), **env: str) -> Iterator[Any]:
    """Start what Rasa calls in a way, in a folder of its own."""
    with WAYS[way](folder, env, arguments) as running:
        yield running


def _message(body: dict[str, Any]) -> Any:
    return ParseDict(body, messages.WebhookRequest(), ignore_unknown_fields=True)


def _done(response: Any) -> Answer:
    told = MessageToDict(response, preserving_proto_field_name=True)
    return Answer("done", told.get("events", []), told.get("responses", []))


def _refused(error: Any) -> Answer:
    status, said = error.code(), error.details()
    if status is grpc.StatusCode.NOT_FOUND:
        domain = json.loads(said)["resource_type"] == "DOMAIN"
        return Answer("no domain" if domain else "no such action", said=said)
    if status is grpc.StatusCode.INTERNAL and said.startswith("{"):
        return Answer("rejected", said=said)
    outcome = {
        grpc.StatusCode.DEADLINE_EXCEEDED: "cancelled",
        grpc.StatusCode.INVALID_ARGUMENT: "malformed",
        grpc.StatusCode.UNAUTHENTICATED: "refused",
    }
    return Answer(outcome.get(status, "failed"), said=said)
