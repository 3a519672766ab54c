"""Progress bars of long work, on standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int, int], None]
"""Hears how much is done, and how much there is."""


@contextlib.contextmanager
def bar(doing: str, *, in_bytes: bool = False) -> Iterator[Advance]:
    """Show a bar from the first that is heard of the work until it is over."""
    amount = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn(doing), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(doing, visible=False)
        yield lambda now, of: progress.update(task, completed=now, total=of, visible=True)
