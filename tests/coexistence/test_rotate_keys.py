"""`coexist rotate-keys`, as its users see it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from profile_store import ProfileKey, SlotWrite, SQLProfileStore, StoreSettings
from tests.profile_store.sealed import NEW, OLD, key


def store_name(folder: Path, keys: str | None, slot: str = "name") -> None:
    async def store() -> None:
        made = SQLProfileStore(StoreSettings(db=str(folder / "p.db"), encryption_keys=keys))
        await made.store(ProfileKey("bank", "ann"), [SlotWrite(slot, "Secret Ann", 10.0)])
        made.close()

    asyncio.run(store())


def rotate_keys(folder: Path, keys: str | None, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PROFILE_STORE_")
    }
    if keys is not None:
        environment["PROFILE_STORE_ENCRYPTION_KEYS"] = keys
    return subprocess.run(
        [str(Path(sys.executable).with_name("coexist")), "rotate-keys", *options],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def endpoints(folder: Path) -> tuple[str, str]:
    file = folder / "other.yml"
    file.write_text(f"profile_store:\n  db: {folder / 'p.db'}\n", encoding="utf-8")
    return "--endpoints", str(file)


def test_it_says_where_and_how_many(tmp_path: Path) -> None:
    store_name(tmp_path, OLD)
    where = f"sqlite:///{tmp_path}/p.db"
    done = rotate_keys(tmp_path, f"{NEW},{OLD}", *endpoints(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"{where}: 2 values sealed anew.\n")
    assert "2/2" in done.stderr
    done = rotate_keys(tmp_path, NEW, *endpoints(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"{where}: 0 values sealed anew.\n")


def test_it_fails_and_names_the_slots_that_cannot_be_read(tmp_path: Path) -> None:
    store_name(tmp_path, key("lost"))
    store_name(tmp_path, OLD, "city")
    done = rotate_keys(tmp_path, f"{NEW},{OLD}", *endpoints(tmp_path))
    assert done.returncode == 1
    assert done.stdout.endswith(": 2 values sealed anew.\n")
    complaint = done.stderr.splitlines()[-1]
    assert complaint == (
        "coexist: 2 values stay as they are. Slot name cannot be read: none of "
        "profile_store.encryption_keys has sealed it; add the key that did, behind the first. (2)"
    )
    assert "Secret" not in done.stderr
    assert "ann" not in done.stderr.replace("cannot", "")


def test_without_keys_it_names_the_setting(tmp_path: Path) -> None:
    done = rotate_keys(tmp_path, None)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "coexist: profile_store.encryption_keys is not set; there is nothing to seal values with."
    )
