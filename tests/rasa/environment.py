"""Rasa Open Source in a virtual environment of its own: it needs Python 3.10 and SQLAlchemy 1.4."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv-rasa"
RASA = "rasa==3.6.21"
NO_PYTHON = "no Python 3.10 on this machine, which Rasa Open Source 3.6 needs (3.8-3.10 would do)"


def python_3_10() -> Path | None:
    """Return an interpreter that really is a Python 3.10; a shim of pyenv may be none."""
    for candidate in _candidates():
        asked = subprocess.run(
            [candidate, "-c", "import sys, venv; print(*sys.version_info[:2])"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if asked.returncode == 0 and asked.stdout.split() == ["3", "10"]:
            return candidate
    return None


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/3.10*/bin/python"), reverse=True)
    on_path = shutil.which("python3.10")
    if on_path:
        yield Path(on_path)


def install(python: Path) -> None:
    """Make the environment unless it is there; a second call only looks at a stamp."""
    HOME.mkdir(exist_ok=True)
    stamp = HOME / ".installed"
    with (HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == RASA:
            return
        log = HOME / "install.log"
        run([str(python), "-m", "venv", str(HOME)], log=log)
        own = str(HOME / "bin" / "python")
        run([own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"], log=log)
        run([str(HOME / "bin" / "uv"), "pip", "install", "--python", own, RASA], log=log)
        stamp.write_text(RASA)


def run(command: list[str], *, log: Path, cwd: Path | None = None) -> None:
    """Run a command to its end, its output in a file; show that when it fails."""
    with log.open("a") as output:
        ended = subprocess.run(
            command, cwd=cwd, env=variables(), stdout=output, stderr=output, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    if ended.returncode:
        raise AssertionError(f"{' '.join(command)} failed:\n{log.read_text()[-4000:]}")


def variables() -> dict[str, str]:
    """Return the variables for a process of Rasa's: those of this one, but for its Python's."""
    own = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return {**own, "RASA_TELEMETRY_ENABLED": "false", "PYTHONWARNINGS": "ignore"}
