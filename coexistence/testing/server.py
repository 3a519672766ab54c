"""A real action server for a test or the demo: in a temporary folder, ended with the block."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from coexistence.testing.errors import ServerFailed

HOST = "127.0.0.1"
START_SECONDS = 60.0
END_SECONDS = 5.0
"""How long the server may take to end by itself."""

_POLL_SECONDS = 0.05
_ACKNOWLEDGED_SECONDS = 1.0
"""Sanic 25's main process never ends by itself when it is told so in the fraction of a second
between a worker's first answer and its acknowledgement (`WorkerManager.wait_for_ack`)."""
_GONE_SECONDS = 1.0
"""How long to wait for killed processes; in some containers nobody ever reaps the dead."""
_NOT_INHERITED = ("PROFILE_STORE_", "ACTION_SERVER_", "SANIC_")
"""Prefixes of the environment variables that set up the user's own action server."""


@contextlib.contextmanager
def serve(
    actions: str,
    *,
    settings: Mapping[str, Any] | None = None,
    path: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Serve a module of actions on a free loopback port until the block ends; yield its URL.

    `settings` are those of `profile_store:`. They and the SQLite file are in a temporary folder;
    nothing of the user's own settings, endpoints or database is read. Python looks for the
    actions in `path` first, where it is given. Linux, macOS and WSL only.

    Raises:
        ServerFailed: when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="coexist-") as name:
        folder = Path(name)
        section = {**(settings or {}), "dialect": "sqlite", "db": "profiles.db"}
        # JSON is YAML
        (folder / "endpoints.yml").write_text(json.dumps({"profile_store": section}))
        port = _reserve_port()
        log = folder / "server.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own arguments
                [sys.executable, "-m", "rasa_sdk", "-p", str(port), "--actions", actions],
                cwd=folder, env=_environment(folder, path, env or {}),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            _wait_until_ready(process, port, log)
            answered = time.monotonic()
            try:
                yield f"http://{HOST}:{port}"
            finally:
                time.sleep(max(0.0, answered + _ACKNOWLEDGED_SECONDS - time.monotonic()))
        finally:
            _end(process)


def _environment(folder: Path, path: Path | None, env: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
    }
    if path is not None:
        kept["PYTHONPATH"] = os.pathsep.join([str(path), *filter(None, [kept.get("PYTHONPATH")])])
    # what its processes leave when they are killed lies in the folder, and goes with it
    return {**kept, "SANIC_HOST": HOST, "TMPDIR": str(folder), **env}


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
            raise ServerFailed(f"the action server ended at its start: {_last_line(log)}")
        connection = http.client.HTTPConnection(HOST, port, timeout=1)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/ready")
                response = connection.getresponse()
                answer = response.read()
            except (OSError, http.client.HTTPException):
                time.sleep(_POLL_SECONDS)
                continue
        if response.status != http.client.SERVICE_UNAVAILABLE:
            return  # actions without the plug-in have no such path
        raise ServerFailed(f"the action server is not ready: {answer.decode(errors='replace')}")
    raise ServerFailed(
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
