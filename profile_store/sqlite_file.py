"""SQLite's file: what to do about what it cannot do, and whether it is still the one in its place.

A process that has a file open goes on with it when it is moved or deleted: what it writes then is
lost with the last process that has it open.
"""

from __future__ import annotations

import os

import sqlalchemy as sa

_RESTORE = "The file is damaged; docs/faults.md tells how to put a copy in its place."

REMEDIES = {
    "database or disk is full": "Make room on its disk.",
    "disk I/O error": "Look at its disk, and at who may write to its files.",
    "attempt to write a readonly database": "Let the action server write to the file, its folder "
    "and its disk.",
    "unable to open database file": "Look whether its folder is there and may be written to.",
    "database is locked": "Another process holds its lock; end that process or wait for it.",
    "database disk image is malformed": _RESTORE,
    "malformed database schema": _RESTORE,
    "file is not a database": _RESTORE,
}
"""What to do, by how SQLite's own message begins; Python 3.10 has no names for its errors."""

Identity = tuple[int, int]


def remedy(error: sa.exc.DBAPIError) -> str:
    """Return what to do about a driver's error; nothing when that is not known."""
    said = str(error.orig)
    return next((does for known, does in REMEDIES.items() if said.startswith(known)), "")


def path_of(url: sa.URL) -> str | None:
    """Return the file that a URL names; None for other databases, and for one in memory."""
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name.startswith((":memory:", "file:")):
        return None
    return name


def identity(path: str | None) -> Identity | None:
    """Return what tells a file from another in its place; None when there is none."""
    if path is None:
        return None
    try:
        found = os.stat(path)  # noqa: PTH116 - on every call: a Path takes thrice as long
    except OSError:
        return None
    return found.st_dev, found.st_ino
