"""Action servers to measure: a bare SDK's, and ours on some database."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

HERE = Path(__file__).parent
START_SECONDS = 60
ACKNOWLEDGED_SECONDS = 1.0  # Sanic cannot be told to stop sooner after its start


class Server:
    """One running action server."""

    def __init__(self, name: str, url: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.url = url
        self._process = process

    def memory(self) -> float:
        """Return the resident memory of the worker process, the largest child, in MB."""
        listed = subprocess.run(
            ["ps", "-o", "rss=", "--ppid", str(self._process.pid)],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        return max(map(int, listed)) / 1024


@contextlib.contextmanager
def running(name: str, database: str | None = None) -> Iterator[Server]:
    """Serve `benchmarks/<bare or kept>/actions` until the block ends."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    folder = HERE / ("bare" if database is None else "kept")
    environment = {**os.environ, "PYTHONPATH": str(folder), "SANIC_HOST": "127.0.0.1"}
    environment["PROFILE_STORE_URL"] = database or ""
    with tempfile.TemporaryDirectory() as empty, (Path(empty) / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "-p", str(port)],
            cwd=empty, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        server = Server(name, f"http://127.0.0.1:{port}", process)
        try:
            _await(server, process, Path(empty) / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{server.url}/health")
            time.sleep(ACKNOWLEDGED_SECONDS)
            return
        time.sleep(0.1)
    raise RuntimeError(f"{server.name} did not start:\n{log.read_text()[-2000:]}")
