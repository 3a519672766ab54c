"""Load from another process: wrk where it is installed, else a client in Python."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import bodies

CONNECTIONS = 16
USERS = 2_000

_SCRIPT = """
local pieces = { %(pieces)s }
local number = 0
local headers = { ["Content-Type"] = "application/json" }
request = function()
  number = number + 1
  local user = string.format("user-%%05d", number %% %(users)d)
  local now = string.format("%%.6f", %(start).6f + number * 0.001)
  local parts = {}
  for i = 1, #pieces do
    local piece = pieces[i]
    if piece == "@user@" then piece = user elseif piece == "@time@" then piece = now end
    parts[i] = piece
  end
  return wrk.format("POST", "/webhook", headers, table.concat(parts))
end
"""


class Load(NamedTuple):
    """What one round came to: requests per second, latencies in milliseconds, failed requests."""

    rate: float
    p50: float
    p99: float
    requests: int
    errors: int


def client() -> str:
    """Return the name of the program that makes the load."""
    return "wrk" if shutil.which("wrk") else "a client in Python"


def over_http(url: str, call: dict[str, Any], seconds: float) -> Load:
    """Send a call over and over, on 16 connections, for 2,000 users in turn."""
    if client() == "wrk":
        return _wrk(url, call, seconds, _start())
    return by_a_process("client.py", url, seconds, bodies.pieces(call))


def by_a_process(program: str, target: str, seconds: float, content: Any, **env: str) -> Load:
    """Let one of the programs beside this module make the load, in a process of its own."""
    env.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{program.removesuffix('.py')}", target, str(seconds),
         str(CONNECTIONS), str(USERS), str(_start())],
        input=json.dumps(content), stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, **env}, cwd=Path(__file__).parent,
    )  # fmt: skip
    return Load(**json.loads(done.stdout))


def _start() -> float:
    # times of the last hour: a clock ahead of the database's would be set back, and logged
    return time.time() - 3_600


def measured(latencies: list[float], took: float, errors: int) -> Load:
    """Return what a round came to, of latencies in seconds."""
    latencies.sort()
    return Load(
        len(latencies) / took, latencies[len(latencies) // 2] * 1000,
        latencies[int(len(latencies) * 0.99)] * 1000, len(latencies), errors,
    )  # fmt: skip


def _wrk(url: str, call: dict[str, Any], seconds: float, start: float) -> Load:
    quoted = ", ".join(_lua(piece) for piece in bodies.pieces(call))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % {"pieces": quoted, "users": USERS, "start": start})
        script.flush()
        done = subprocess.run(
            ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{max(1, round(seconds))}s",
             "--latency", "-s", script.name, url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return _read_wrk(done.stdout)


def _lua(piece: str) -> str:
    return "[==[" + piece + "]==]"


def _read_wrk(said: str) -> Load:
    errors = sum(int(found) for found in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
    for counts in re.findall(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    ):
        errors += sum(map(int, counts))
    requests = re.search(r"(\d+) requests in", said)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if requests is None or rate is None:
        raise RuntimeError(f"wrk said something else than expected:\n{said}")
    return Load(
        float(rate[1]), _milliseconds(said, "50%"), _milliseconds(said, "99%"),
        int(requests[1]), errors,
    )  # fmt: skip


def _milliseconds(said: str, quantile: str) -> float:
    found = re.search(rf"{quantile}\s+([\d.]+)(us|ms|s)", said)
    if found is None:
        raise RuntimeError(f"wrk told no {quantile} latency:\n{said}")
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
