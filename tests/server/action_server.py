"""A real action server, started as users start it, and ended by its own process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
_JSON = {"Content-Type": "application/json"}
ACKNOWLEDGED_SECONDS = 1.0
"""Sanic 25's main process loops for ever when it is told to stop in the fraction of a second
between a worker's first answer and its acknowledgement (`WorkerManager.wait_for_ack`)."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class ActionServer:
    """`python -m rasa_sdk --actions actions` in a folder of its own, until the block ends.

    A variable that is None is not set.
    """

    def __init__(
        self,
        folder: Path,
        *,
        env: Mapping[str, str | None] | None = None,
        path: Path = ROOT,
        arguments: tuple[str, ...] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._verify = tls or True
        self._log = folder / f"server-{self.port}.log"
        self._arguments = arguments
        variables = {
            **os.environ,
            "SANIC_HOST": "127.0.0.1",
            "PYTHONPATH": str(path),
            "DEMO_BANK_DB": str(folder / "demo_bank.db"),
            **(env or {}),
        }
        self._env = {name: value for name, value in variables.items() if value is not None}

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def workers(self) -> list[str]:
        """The process ids of what the server started."""
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return listed.stdout.split()

    def launch(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "-p", str(self.port),
                 *self._arguments],
                cwd=self.folder, env=self._env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> ActionServer:
        self._process = self.launch()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended at its start:\n{self.log}")
            try:
                httpx.get(f"{self.url}/health", timeout=1, verify=self._verify)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                self._answered = time.monotonic()
                return self
        self.kill()
        raise AssertionError(f"the server did not answer:\n{self.log}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server as Ctrl-C does."""
        if self._process.poll() is None:
            time.sleep(max(0.0, self._answered + ACKNOWLEDGED_SECONDS - time.monotonic()))
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the server did not end:\n{self.log}") from None

    def kill(self) -> None:
        """End the server and its workers as `kill -9` does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def post(
        self, body: Any, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        # in ASCII, as Rasa sends it
        content = json.dumps(body)
        return httpx.post(
            f"{self.url}/webhook", content=content, headers={**_JSON, **(headers or {})},
            timeout=30, verify=self._verify, **options,
        )  # fmt: skip

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=30, verify=self._verify, **options)
