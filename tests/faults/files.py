"""What can be done to a SQLite file and the disk that it is on."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

DISK = "32m"
"""The size of the disk that is filled: room for a database and its log, which grows to 4 MB."""
BLOCK = 4096


class NotHere(Exception):
    """This machine does not let a fault be made; the message says which and why."""


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise NotHere(f"{' '.join(command)} is refused here: {said.strip()}") from None


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small file system in memory on a folder; only root may.

    Raises:
        NotHere: when mounting is refused.
    """
    _run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))


def fill(folder: Path) -> Path:
    """Fill the disk under a folder to its last block, and return the file that does."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(BLOCK))
    return ballast


@contextlib.contextmanager
def read_only(file: Path) -> Iterator[None]:
    """Let nobody write to a database and its log, root included.

    The index of the log stays as it is: it is mapped into memory, and no file system can refuse a
    write to memory but by killing the writer.

    Raises:
        NotHere: when the file system knows no immutable files, or does not let us make them.
    """
    files = [part for part in (file, log_of(file)) if part.exists()]
    try:
        for part in files:
            _run("chattr", "+i", str(part))
        yield
    finally:
        for part in files:
            _run("chattr", "-i", str(part))


def log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def damage(file: Path) -> None:
    """Overwrite everything in a database and its log, without a change of their sizes."""
    for part in (file, log_of(file)):
        if part.exists():
            with part.open("r+b") as opened:
                opened.write(os.urandom(part.stat().st_size))


def copy(file: Path, folder: Path) -> None:
    """Copy a database that is in use into another folder, as `sqlite3 file '.backup copy'` does."""
    folder.mkdir()
    with (
        contextlib.closing(sqlite3.connect(file)) as source,
        contextlib.closing(sqlite3.connect(folder / file.name)) as target,
    ):
        source.backup(target)
