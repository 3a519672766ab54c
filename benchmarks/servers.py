"""What answers action calls while it is measured: a bare SDK, and ours, over each way in."""

from __future__ import annotations

import abc
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.protobuf.json_format import MessageToDict
from rasa_sdk.grpc_py import action_webhook_pb2 as messages

from benchmarks import bodies, grpc_client, load
from benchmarks.load import Load

HERE = Path(__file__).parent
START_SECONDS = 60
ACKNOWLEDGED_SECONDS = 1.0  # Sanic cannot be told to stop sooner after its start


class Server(abc.ABC):
    """Something that answers action calls."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abc.abstractmethod
    def answer(self, call: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the events that one call is answered with."""

    @abc.abstractmethod
    def load(self, call: dict[str, Any], seconds: float) -> Load:
        """Send a call over and over, for many users in turn."""

    def memory(self) -> float:
        """Return the resident memory of what answers, in MB; only servers have one."""
        raise NotImplementedError


class HTTP(Server):
    """`python -m rasa_sdk`, called by wrk."""

    arguments: tuple[str, ...] = ()
    module = "rasa_sdk"

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
        super().__init__(name)
        self.port = port
        self.process = process
        self._url = f"http://127.0.0.1:{port}"

    def is_up(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{self._url}/health")
            time.sleep(ACKNOWLEDGED_SECONDS)
            return True
        return False

    def answer(self, call: dict[str, Any]) -> list[dict[str, Any]]:
        filled = bodies.filled(call, 1, time.time() - 3_700)
        answer = httpx.post(f"{self._url}/webhook", content=filled, timeout=30)
        answer.raise_for_status()
        events: list[dict[str, Any]] = answer.json()["events"]
        return events

    def load(self, call: dict[str, Any], seconds: float) -> Load:
        return load.over_http(self._url, call, seconds)

    def memory(self) -> float:
        listed = subprocess.run(
            ["ps", "-o", "rss=", "--ppid", str(self.process.pid)],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        # the worker is the largest child
        return max(map(int, listed)) / 1024


class GRPC(HTTP):
    """`python -m rasa_sdk --grpc`, on loopback."""

    arguments = ("--grpc",)
    module = "benchmarks.grpc_server"

    def is_up(self) -> bool:
        with (
            contextlib.suppress(grpc.FutureTimeoutError),
            grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel,
        ):
            grpc.channel_ready_future(channel).result(0.5)
            return True
        return False

    def answer(self, call: dict[str, Any]) -> list[dict[str, Any]]:
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            answered = channel.unary_unary(grpc_client.METHOD)(grpc_client.message(call))
        told = MessageToDict(messages.WebhookResponse.FromString(answered))
        events: list[dict[str, Any]] = told.get("events", [])
        return events

    def load(self, call: dict[str, Any], seconds: float) -> Load:
        return load.by_a_process("grpc_client.py", f"127.0.0.1:{self.port}", seconds, call)


class Direct(Server):
    """The SDK's executor, in the process that calls it."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        super().__init__(name)
        self._environment = environment

    def answer(self, call: dict[str, Any]) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-c", _ONE_CALL], input=bodies.filled(call, 1, time.time() - 3_700),
            stdout=subprocess.PIPE, text=True, check=True,
            env={**os.environ, **self._environment}, cwd=HERE,
        )  # fmt: skip
        events: list[dict[str, Any]] = json.loads(done.stdout)
        return events

    def load(self, call: dict[str, Any], seconds: float) -> Load:
        # here Rasa sends the domain with every call
        full = {**call, "domain": bodies.domain(), "domain_digest": None}
        return load.by_a_process("direct_client.py", "actions", seconds, full, **self._environment)


_ONE_CALL = """
import asyncio, json, logging, sys
from rasa_sdk.executor import ActionExecutor
logging.disable(logging.INFO)
executor = ActionExecutor()
executor.register_package("actions")
print(json.dumps(asyncio.run(executor.run(json.load(sys.stdin))).events))
"""


@contextlib.contextmanager
def running(name: str, way: str, database: str | None = None) -> Iterator[Server]:
    """Have `benchmarks/<bare or kept>/actions` answer in a way until the block ends."""
    folder = HERE / ("bare" if database is None else "kept")
    environment = {
        "PYTHONPATH": f"{folder}{os.pathsep}{HERE.parent}",
        "SANIC_HOST": "127.0.0.1",
        "PROFILE_STORE_URL": database or "",
    }
    if way == "direct":
        yield Direct(name, environment)
        return
    kind = GRPC if way == "grpc" else HTTP
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with tempfile.TemporaryDirectory() as empty, (Path(empty) / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", kind.module, "--actions", "actions", "-p", str(port),
             *kind.arguments],
            cwd=empty, env={**os.environ, **environment}, stdout=log, stderr=log,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            server = kind(name, port, process)
            _await(server, Path(empty) / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(server: HTTP, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.process.poll() is None and time.monotonic() < deadline:
        if server.is_up():
            return
        time.sleep(0.1)
    raise RuntimeError(f"{server.name} did not start:\n{log.read_text()[-2000:]}")
