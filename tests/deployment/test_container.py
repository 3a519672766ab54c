"""The container image: built from the Containerfile, run without privileges, its root read-only."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import image as images
from tests.deployment.confined import Confined
from tests.deployment.image import Image

_reason = images.missing()
pytestmark = [
    pytest.mark.deployment,
    pytest.mark.skipif(_reason is not None, reason=str(_reason)),
    pytest.mark.timeout(600),
]

SECRET = "a-long-random-secret"
ACKNOWLEDGED_SECONDS = 1.0  # as in tests/server/action_server.py

CALL = """
import json, sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

def call(path, body=None, secret={secret!r}):
    headers = {{"Content-Type": "application/json"}}
    if secret:
        headers["Authorization"] = "Bearer " + secret
    try:
        with urlopen(Request("http://127.0.0.1:5055" + path, body, headers), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
"""

STORE = """
slot = {"event": "slot", "name": "customer_name", "value": "Ann", "timestamp": 1700000000}
domain = {"slots": {"customer_name": {"type": "text", "shared_for_coexistence": True}}}
def body(action, sender, slots, events):
    tracker = {"sender_id": sender, "user_id": "ann", "slots": slots, "events": events}
    return json.dumps({"next_action": action, "version": "3.21.0", "sender_id": sender,
                       "domain": domain, "tracker": tracker}).encode()
"""


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    built = Image()
    yield built
    built.remove()


@pytest.fixture
def volume(image: Image, tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir(mode=0o700)
    user, _, group = image.config["User"].partition(":")
    os.chown(folder, int(user), int(group))
    return folder


def python(server: Confined, code: str, secret: str | None = SECRET) -> str:
    done = server.run("python", "-c", CALL.format(secret=secret) + code)
    assert done.returncode == 0, done.stderr + server.log
    return done.stdout


def serving(image: Image, tmp_path: Path, volume: Path, **env: str) -> Confined:
    return Confined(
        image,
        tmp_path / "log",
        mounts={"/tmp": "tmpfs", "/data": str(volume)},
        env={"ACTION_SERVER_TOKEN": SECRET, **env},
    )


def probe_of_the_page() -> str:
    """Return what docs/deploying.md shows for asking `/ready` from inside a pod."""
    page = (images.ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"-- python -c '([^']*)'", page)
    return code


def test_its_user_is_a_number_and_not_root(image: Image) -> None:
    user, _, group = image.config["User"].partition(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000


def test_there_is_nothing_to_build_or_install_with(image: Image) -> None:
    assert (image.root / "opt/server/bin/python").is_symlink()
    assert not list((image.root / "opt/server/bin").glob("pip*"))
    assert not list((image.root / "opt/server").rglob("site-packages/pip"))
    assert not (image.root / "build").exists()
    for program in ("gcc", "cc", "make", "git"):
        assert not (image.root / "usr/bin" / program).exists()


def test_it_holds_what_is_served_and_nothing_else_of_the_checkout(image: Image) -> None:
    app = image.root / "app"
    assert {path.name for path in app.iterdir()} == {"actions", "endpoints.yml"}
    assert not [path for path in app.rglob("*") if "__pycache__" in path.parts]


def test_its_packages_can_be_changed_by_root_alone(image: Image) -> None:
    for folder in ("opt/server", "app"):
        for path in [image.root / folder, *(image.root / folder).rglob("*")]:
            status = path.lstat()
            assert status.st_uid == 0
            assert path.is_symlink() or not status.st_mode & 0o022


def test_it_keeps_a_profile_on_its_volume_and_writes_nowhere_else(
    image: Image, tmp_path: Path, volume: Path
) -> None:
    env = {"PROFILE_STORE_METRICS": "true", "ACTION_TOKEN": SECRET}
    with serving(image, tmp_path, volume, **env) as server:
        server.until_healthy()
        assert python(server, "print(*call('/ready'))") == '200 {"status":"ready"}\n'
        assert python(server, "print(call('/ready')[0])", secret=None) == "401\n"
        asked = server.run("python", "-c", probe_of_the_page())
        assert (asked.returncode, asked.stderr) == (0, "")
        stored = python(
            server,
            STORE + "print(call('/webhook', body('action_store_profile', 'phone-1', "
            "{'customer_name': 'Ann'}, [slot]))[0])",
        )
        assert stored == "200\n"
        assert "profile_store_slots_stored_total 1.0" in python(
            server, "print(call('/metrics')[1])"
        )
        for place in ("/app/x", "/opt/server/x", "/x", "/usr/x"):
            refused = server.run("touch", place)
            assert "Read-only file system" in refused.stderr
        assert server.run("id", "-u").stdout == image.config["User"].partition(":")[0] + "\n"
    assert {path.name for path in volume.iterdir()} <= {
        "profiles.db",
        "profiles.db-wal",
        "profiles.db-shm",
    }
    # another container, the same volume
    with serving(image, tmp_path, volume) as server:
        server.until_healthy()
        fetched = python(
            server,
            STORE + "print(call('/webhook', body('action_fetch_profile', 'web-7', "
            "{'customer_name': None}, []))[1])",
        )
        assert '"value":"Ann"' in fetched


def test_it_ends_when_it_is_told_to_and_loses_nothing(
    image: Image, tmp_path: Path, volume: Path
) -> None:
    with serving(image, tmp_path, volume, ACTION_SERVER_SANIC_WORKERS="2") as server:
        server.until_healthy()
        time.sleep(ACKNOWLEDGED_SECONDS)
        code, seconds = server.stop()
    assert code == 0, server.log
    assert seconds < 10


def test_without_a_secret_it_does_not_start(image: Image, tmp_path: Path, volume: Path) -> None:
    with serving(image, tmp_path, volume, ACTION_SERVER_TOKEN="") as server:
        assert server.wait() == 1
    assert "SANIC_HOST lets others than this machine call" in server.log


def test_without_a_volume_it_says_that_it_cannot_write(image: Image, tmp_path: Path) -> None:
    confined = Confined(
        image,
        tmp_path / "log",
        mounts={"/tmp": "tmpfs"},
        env={"ACTION_SERVER_TOKEN": SECRET},
        command=["coexist", "db", "upgrade"],
    )
    with confined:
        assert confined.wait() == 1
    (line,) = confined.log.splitlines()
    assert "/data/profiles.db" in line


def test_without_a_place_for_temporary_files_it_does_not_serve(
    image: Image, tmp_path: Path, volume: Path
) -> None:
    with Confined(
        image,
        tmp_path / "log",
        mounts={"/data": str(volume)},
        env={"ACTION_SERVER_TOKEN": SECRET},
    ) as server:
        assert server.wait() != 0
    assert "No usable temporary directory" in server.log


def test_its_commands_are_there(image: Image, tmp_path: Path, volume: Path) -> None:
    confined = Confined(
        image,
        tmp_path / "log",
        mounts={"/tmp": "tmpfs", "/data": str(volume)},
        command=["coexist", "db", "upgrade"],
    )
    with confined:
        assert confined.wait() == 0, confined.log
    assert "is at version" in confined.log
