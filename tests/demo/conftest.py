"""`coexist demo` as its users run it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

END_SECONDS = 60
UNUSABLE_SETTINGS = "profile_store: {dialect: none of ours}"

StartDemo = Callable[..., "Demo"]


class Demo:
    """A running `coexist demo`, and where it may leave traces: its folder and the temporary one."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], env: Mapping[str, str]) -> None:
        # pytest's own is too long a path for the sockets that Sanic's processes talk over
        self.temporary = Path(tempfile.mkdtemp(prefix="t-"))
        self.cwd = folder
        self.endpoints = folder / "endpoints.yml"
        self.endpoints.write_text(UNUSABLE_SETTINGS)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PROFILE_STORE_", "FORCE_COLOR", "NO_COLOR", "COLUMNS"))
        }
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("coexist")), "demo", *arguments],
            cwd=self.cwd,
            env={**kept, "TMPDIR": str(self.temporary), "PYTHONIOENCODING": "utf-8", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self.output = self.errors = ""

    def read_until(self, text: str) -> None:
        """Wait until the demo has said something."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
        raise AssertionError(f"the demo ended without saying {text!r}:\n{self.output}")

    def end(self) -> int:
        """Wait for its end; return the exit code."""
        rest, self.errors = self.process.communicate(timeout=END_SECONDS)
        self.output += rest
        return self.process.returncode

    def processes(self) -> list[int]:
        """Return the ids of the processes that the demo started and that are alive.

        Each works in the demo's temporary folder, or under the folder's name once it is gone.
        """
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                working = str((entry / "cwd").readlink())
            except OSError:
                continue  # gone, or not ours to look at
            if working.startswith(str(self.temporary)):
                found.append(int(entry.name))
        return found

    def leftovers(self) -> list[Path]:
        """Return the files and folders that the demo has not removed."""
        left = {*self.temporary.iterdir(), *self.cwd.iterdir()}
        return sorted(left - {self.endpoints})

    def close(self) -> None:
        """End it, if it has not ended, and remove its temporary folder."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(END_SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        shutil.rmtree(self.temporary)


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    started: list[Demo] = []

    def start(*arguments: str, **env: str) -> Demo:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        demo = Demo(folder, arguments, env)
        started.append(demo)
        return demo

    yield start
    for demo in started:
        demo.close()
