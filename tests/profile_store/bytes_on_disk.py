"""What of some values is found in a SQLite database's files, in whatever part of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def files(database: Path) -> list[Path]:
    """Return the database's file, and those beside it: its log, the log's index, a journal."""
    return sorted(database.parent.glob(f"{database.name}*"))


def found(database: Path, texts: Iterable[str]) -> list[str]:
    """Return which of some texts are anywhere in a database's files."""
    contents = [path.read_bytes() for path in files(database)]
    return [text for text in texts if any(text.encode() in content for content in contents)]
