"""What requirements/ pins: packages, where each is wanted, and the files that it may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

FOLDER = Path(__file__).resolve().parents[1] / "requirements"
FILES = sorted(FOLDER.glob("*.txt"))


class Pin(NamedTuple):
    """A package in one version, with a marker where it is not wanted everywhere."""

    requirement: Requirement
    hashes: Sequence[str]

    @property
    def version(self) -> str:
        """The version; a ValueError when more than one would do."""
        (exact,) = self.requirement.specifier
        if exact.operator != "==" or exact.version.endswith("*"):
            raise ValueError(f"{self.requirement} is no pin")
        return exact.version


def read(text: str) -> list[Pin]:
    """Return what a file of requirements pins; nothing else may be in it."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        wanted, *hashes = re.split(r"\s+--hash=", line.strip())
        if wanted:
            found.append(Pin(Requirement(wanted), hashes))
    return found


def everything() -> list[Pin]:
    """Return the pins of all files."""
    return [pin for file in FILES for pin in read(file.read_text(encoding="utf-8"))]
