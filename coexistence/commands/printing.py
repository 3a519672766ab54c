"""What commands print: JSON for programs, tables and sentences for people.

Tables hold what users said, and it must not speak to the terminal: whatever does not print is
spelled out.
"""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text


def wants_json(asked: bool) -> bool:
    """Return whether to print JSON: when it was asked for, and to everything but a terminal."""
    return asked or not sys.stdout.isatty()


def as_json(document: Any) -> bytes:
    """Return JSON objects as one line in UTF-8."""
    try:
        return msgspec.json.encode(document) + b"\n"
    except UnicodeEncodeError:
        # half a surrogate pair, as Rasa's JSON may carry: only an escape can spell it
        return json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def document(document: Any) -> None:
    """Print JSON objects for people, too, in UTF-8, whatever the terminal's encoding is."""
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2).encode()
    sys.stdout.flush()
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


def sentence(text: str, *, on_error: bool = False, style: str = "") -> None:
    """Print a line for people."""
    _console(on_error).print(shown(text), soft_wrap=True, style=style)


def table(
    heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, on_error: bool = False
) -> None:
    """Print a table without the columns that would be empty."""
    sentence(heading, on_error=on_error, style="bold")
    lines = [tuple(map(shown, row)) for row in rows]
    titled = any(map(str.strip, columns))
    made = Table(box=None, padding=(0, 2, 0, 0), show_header=titled)
    used = [index for index, _ in enumerate(columns) if any(line[index] for line in lines)]
    for index in used:
        made.add_column(columns[index], overflow="fold")
    for line in lines:
        made.add_row(*(line[index] for index in used))
    if lines:
        _console(on_error).print(made)


def _console(on_error: bool) -> Console:
    return Console(stderr=on_error, highlight=False)


def bytes_gone(gone: bool, remains: str) -> str:
    """Return in words whether what was erased is in no file any more."""
    return "gone from every file" if gone else f"not known to be gone: {remains}"


def shown(text: str) -> Text:
    """Return text that a terminal only shows."""
    return Text("".join(one if one.isprintable() else _spelled(one) for one in text))


def _spelled(character: str) -> str:
    return json.dumps(character)[1:-1] if character > "\x7f" else f"\\u{ord(character):04x}"


def time(seconds: float | None) -> str:
    """Return a time in seconds since 1970 as people write it, in UTC; empty for none."""
    if seconds is None:
        return ""
    try:
        then = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s"
    return f"{then:%Y-%m-%d %H:%M:%S}"
