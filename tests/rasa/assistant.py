"""The example assistant, derived for Open Source by the script that users run, and trained."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from examples.derive_open_source import dump, load
from tests.rasa import environment

SESSION_MINUTES = 0.1
"""Long enough for a test's turns, short enough to wait for its end."""


class Assistant(NamedTuple):
    """A derived assistant on disk, and its trained model."""

    folder: Path
    model: Path


def derive(folder: Path) -> None:
    """Derive the assistant, and have its sessions end soon and carry nothing over.

    So that what is in the slots of a new session can only have come from the profile. One slot is
    moved before the one that syncs, for Rasa extracts slots in the order of the domain.
    """
    script = environment.ROOT / "examples" / "derive_open_source.py"
    subprocess.run([sys.executable, str(script), "--out", str(folder)], check=True)
    domain = load(folder / "domain.yml")
    domain["session_config"] = {
        "session_expiration_time": SESSION_MINUTES,
        "carry_over_slots_to_new_session": False,
    }
    first = {"customer_name": domain["slots"].pop("customer_name")}
    domain["slots"] = {**first, **domain["slots"]}
    dump(domain, folder / "domain.yml")


def train(folder: Path) -> Assistant:
    """Return the assistant with its model, trained anew only when its files have changed."""
    digest = hashlib.sha256(environment.RASA.encode())
    for path in ("config.yml", "domain.yml", *sorted(p.name for p in (folder / "data").iterdir())):
        file = folder / path if (folder / path).exists() else folder / "data" / path
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    models = environment.HOME / "models"
    model = models / f"{digest.hexdigest()[:20]}.tar.gz"
    if not model.exists():
        rasa = str(environment.HOME / "bin" / "rasa")
        environment.run(
            [rasa, "train", "--domain", "domain.yml", "--config", "config.yml", "--data", "data",
             "--out", "trained", "--fixed-model-name", "model"],
            cwd=folder, log=folder / "train.log",
        )  # fmt: skip
        models.mkdir(exist_ok=True)
        shutil.move(folder / "trained" / "model.tar.gz", model)
    return Assistant(folder, model)
