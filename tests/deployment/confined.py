"""A process confined as a container is: a root that cannot be written, no privileges, no network.

What `docker run --read-only --cap-drop ALL --security-opt no-new-privileges` does, from the
kernel's own parts: namespaces, a read-only bind mount, a user without a name.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.deployment.image import Image

START_SECONDS = 60
STOP_SECONDS = 20

# $1: the root; then pairs of a folder of the host and its place inside, up to --; then the command
_CONFINE = """
set -e
root=$1; shift
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
while [ "$1" != -- ]; do
  if [ "$1" = tmpfs ]; then mount -t tmpfs -o mode=1777 tmpfs "$root$2"
  else mount --bind "$1" "$root$2"; fi
  shift 2
done
shift
ip link set lo up
exec chroot "$root" "$@"
"""


class Confined:
    """An image's command, as process 1 of namespaces of its own, until the block ends."""

    def __init__(
        self,
        image: Image,
        log: Path,
        *,
        mounts: Mapping[str, str],
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """`mounts`: what may be written, by its place inside; a folder of the host, or `tmpfs`."""
        self._image = image
        self._log = log
        self._mounts = mounts
        self._env = {**image.environment, **(env or {})}
        self._command = command or image.command

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _unprivileged(self, command: Sequence[str]) -> list[str]:
        user, _, group = self._image.config["User"].partition(":")
        return [
            "/usr/bin/setpriv", "--reuid", user, "--regid", group, "--clear-groups",
            "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
            "/usr/bin/env", "-i", "-C", self._image.config["WorkingDir"],
            *(f"{name}={value}" for name, value in self._env.items()), *command,
        ]  # fmt: skip

    def __enter__(self) -> Confined:
        pairs = [part for place, source in self._mounts.items() for part in (source, place)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork",
                 "--kill-child", "sh", "-c", _CONFINE, "sh", str(self._image.root), *pairs, "--",
                 *self._unprivileged(self._command)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()  # and with it, --kill-child, all that is inside
        self._process.wait(STOP_SECONDS)

    def wait(self) -> int:
        """Return how it ended, by itself."""
        return self._process.wait(START_SECONDS)

    def until_healthy(self) -> None:
        """Return when the image's own health check says so."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"it ended at its start:\n{self.log}")
            if self._inside() and self.run(*self._image.health_check).returncode == 0:
                return
            time.sleep(0.2)
        raise AssertionError(f"it was not healthy:\n{self.log}")

    def _inside(self) -> str | None:
        """The id, outside, of process 1; None before there is one."""
        listed = subprocess.run(
            ["ps", "-o", "pid=,comm=", "--ppid", str(self._process.pid)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = listed.stdout.split()
        # before that it is the shell that mounts
        return found[0] if len(found) == 2 and found[1] not in ("sh", "unshare") else None

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as the same user: what `docker exec` does."""
        inside = self._inside()
        assert inside is not None
        return subprocess.run(
            ["nsenter", "--target", inside, "--mount", "--pid", "--net", "--ipc", "--root",
             *self._unprivileged(command)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM to process 1, as `docker stop` does; return its end, and the seconds."""
        inside = self._inside()
        assert inside is not None
        began = time.monotonic()
        subprocess.run(["kill", f"-{signal.SIGTERM.name.removeprefix('SIG')}", inside], check=True)
        code = self._process.wait(STOP_SECONDS)
        return code, time.monotonic() - began
