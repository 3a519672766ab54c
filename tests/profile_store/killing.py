"""Long work in another process, killed in the midst of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def kill_after(count: int, program: str, *arguments: str) -> None:
    """Run a module of the tests that prints how much it has done, and kill it after so much."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.profile_store.{program}", *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line.split()[0]) >= count:
            break
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
