"""The demo's action server: `python -m rasa_sdk`, in a temporary folder, ended with the demo."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
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
from typing import Any, NamedTuple

from coexistence.demo.domain import INCLUDED
from coexistence.demo.errors import DemoFailed

HOST = "127.0.0.1"
START_SECONDS = 60.0
END_SECONDS = 5.0
"""How long the server may take to end by itself. Sanic 25's main process never does when it is
told so between a worker's first answer and its acknowledgement (`WorkerManager.wait_for_ack`)."""
CALL_SECONDS = 30.0
RASA_VERSION = "3.21.0"
MISSING_DOMAIN = 449
"""The SDK's status for: please repeat the call with the domain."""

_POLL_SECONDS = 0.05
_GONE_SECONDS = 1.0
"""How long to wait for killed processes; in some containers nobody ever reaps the dead."""
_NOT_INHERITED = ("PROFILE_STORE_", "ACTION_SERVER_", "SANIC_")
"""Prefixes of the environment variables that set up the user's own action server."""


class Answer(NamedTuple):
    """What the server answered to an action call, with the HTTP status and the seconds it took."""

    status: int
    seconds: float
    events: list[dict[str, Any]]
    responses: list[dict[str, Any]]


class ActionServer(NamedTuple):
    """A running action server, called as Rasa calls it."""

    port: int
    start_seconds: float

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def call(self, action: str, tracker: dict[str, Any], domain: dict[str, Any]) -> Answer:
        """Call an action: at first without the domain, again with it when the server says 449.

        Raises:
            DemoFailed: when the server does not answer, or with an error.
        """
        body = {
            "next_action": action,
            "sender_id": tracker["sender_id"],
            "tracker": tracker,
            "version": RASA_VERSION,
            "domain_digest": hashlib.sha256(json.dumps(domain).encode()).hexdigest(),
        }
        began = time.perf_counter()
        try:
            status, answer = self._post(body)
            if status == MISSING_DOMAIN:
                status, answer = self._post({**body, "domain": domain})
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DemoFailed(f"the action server did not answer {action} ({error!r}).") from error
        if status != http.client.OK:
            raise DemoFailed(f"the action server answered {action} with status {status}.")
        seconds = time.perf_counter() - began
        return Answer(status, seconds, answer["events"], answer["responses"])

    def _post(self, body: dict[str, Any]) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=CALL_SECONDS)
        with contextlib.closing(connection):
            connection.request(
                "POST", "/webhook", json.dumps(body), {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            return response.status, json.loads(response.read())


@contextlib.contextmanager
def running() -> Iterator[ActionServer]:
    """Start an action server on a free loopback port, and end it with all that it left.

    Its settings and its SQLite file are in a temporary folder; nothing of the user's own
    environment, endpoints or database is read.

    Raises:
        DemoFailed: when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="coexist-") as name:
        folder = Path(name)
        settings = {"dialect": "sqlite", "db": "profiles.db", "namespace": "demo",
                    "shared_slots": {"include": list(INCLUDED)}}  # fmt: skip
        # JSON is YAML
        (folder / "endpoints.yml").write_text(json.dumps({"profile_store": settings}))
        port = _reserve_port()
        began = time.perf_counter()
        log = folder / "server.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own arguments
                [sys.executable, "-m", "rasa_sdk", "-p", str(port),
                 "--actions", "coexistence.demo.skills"],
                cwd=folder, env=_environment(folder), stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            _wait_until_ready(process, port, log)
            yield ActionServer(port, time.perf_counter() - began)
        finally:
            _end(process)


def _environment(folder: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    # what its processes leave when they are killed lies in the folder, and goes with it
    return {**kept, "SANIC_HOST": HOST, "TMPDIR": str(folder)}


def _reserve_port() -> int:
    """Return a free port that the system hands to nobody else while the server starts.

    A connection just closed on it keeps it (TIME_WAIT, at least half a minute) from everyone who
    asks for any free port, such as another demo; a server that names it may listen (SO_REUSEADDR).
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, 0))
        listener.listen(1)
        port: int = listener.getsockname()[1]
        with socket.create_connection((HOST, port)) as client:
            accepted, _ = listener.accept()
            accepted.close()  # closed first, this end waits out its time
            client.recv(1)
    return port


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoFailed(f"the action server ended at its start: {_last_line(log)}")
        connection = http.client.HTTPConnection(HOST, port, timeout=1)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/ready")
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException):
                time.sleep(_POLL_SECONDS)
                continue
        if response.status == http.client.OK:
            return
        raise DemoFailed(f"the action server is not ready: {answer.decode(errors='replace')}")
    raise DemoFailed(
        f"the action server did not answer within {START_SECONDS:.0f} s: {_last_line(log)}"
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server's whole process group, as Ctrl-C does, and by force if that is not enough."""
    try:
        _signal_group(process, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
    finally:
        _signal_group(process, signal.SIGKILL)
        process.wait()
        # the workers, too, must be gone before the folder that they write to
        deadline = time.monotonic() + _GONE_SECONDS
        while _signal_group(process, 0) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal (0: none) to the server's process group; return whether anybody is in it."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False  # macOS answers EPERM when only dead processes are left
    return True
