"""The Containerfile, built for real: by buildah, on a base made of Debian's packages.

There is no registry to pull from here, so that the base is not the one that the file names; every
instruction of the file is carried out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BASE = "localhost/python:of-debian"
PACKAGES = "python3-venv,ca-certificates"
RELEASE = "bookworm"

_NEEDED = ("buildah", "mmdebstrap", "unshare", "nsenter", "ip")
_HOSTS = ("/etc/ssl/certs", "/usr/local/share/ca-certificates")
"""Folders of certificates that the host trusts, as its proxies may need them."""


def missing() -> str | None:
    """Return why no image can be built and run here, None when it can."""
    absent = [program for program in _NEEDED if shutil.which(program) is None]
    if absent:
        return (
            f"the container is not built, for {', '.join(absent)} is not here; "
            "apt-get install buildah mmdebstrap iproute2"
        )
    if os.geteuid() != 0:
        return "the container is not built, for that takes root here"
    return None


class Image:
    """What was built; `remove` it in the end."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="image-"))
        self._container: str | None = None
        try:
            self._make_base()
            self._build()
        except BaseException:
            self.remove()
            raise

    def _buildah(self, *arguments: str) -> str:
        done = subprocess.run(
            ["buildah", "--storage-driver", "vfs", "--root", self._folder / "storage",
             "--runroot", self._folder / "run", *arguments],
            env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"buildah {arguments[0]} failed: {done.stderr[-3000:]}")
        return done.stdout.strip()

    def _make_base(self) -> None:
        archive = self._folder / "base.tar"
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", RELEASE,
             archive],
            check=True,
        )  # fmt: skip
        container = self._buildah("from", "scratch")
        self._buildah("add", container, str(archive), "/")
        archive.unlink()
        # as the official images have it
        self._buildah(
            "run", container, "--", "ln", "-s", "/usr/bin/python3", "/usr/local/bin/python"
        )
        self._buildah("commit", "--rm", container, BASE)

    def _build(self) -> None:
        config = self._folder / "pip.conf"
        config.write_text(_pip_settings(), encoding="utf-8")
        places = {str(config): "/etc/pip.conf", **{host: host for host in _HOSTS}}
        mounts = [
            option
            for place, target in places.items()
            if Path(place).exists()
            for option in ("--volume", f"{place}:{target}:ro")
        ]
        self._buildah(
            "bud", "--format", "docker", "--network", "host", "--pull-never", "--tag", "actions",
            "--build-arg", f"PYTHON={BASE}", *mounts, "--file", str(ROOT / "Containerfile"),
            str(ROOT),
        )  # fmt: skip
        self._container = self._buildah("from", "--pull-never", "actions")
        self.root = Path(self._buildah("mount", self._container))
        inspected = json.loads(self._buildah("inspect", "--type", "image", "actions"))
        self.config: dict[str, Any] = inspected["Docker"]["config"]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the image sets."""
        return dict(variable.split("=", 1) for variable in self.config["Env"])

    @property
    def command(self) -> Sequence[str]:
        """What the image runs."""
        command: list[str] = self.config["Cmd"]
        return command

    @property
    def health_check(self) -> Sequence[str]:
        """The command that tells whether the server is alive."""
        kind, *command = self.config["Healthcheck"]["Test"]
        assert kind == "CMD"  # no shell
        return command

    def remove(self) -> None:
        """Delete all of it."""
        if self._container is not None:
            self._buildah("umount", self._container)
        shutil.rmtree(self._folder, ignore_errors=True)


def _pip_settings() -> str:
    """Return what pip is told here and a container would not hear of: certificates and indexes."""
    asked = subprocess.run(
        ["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    wanted = {}
    for line in asked.stdout.splitlines():
        name, _, value = line.partition("=")
        setting = name.rpartition(".")[2]
        if setting in ("cert", "index-url"):
            wanted[setting] = value.strip("'")
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in wanted.items())
