"""The table that the fault tests end with."""

from __future__ import annotations

import dataclasses

from tests.faults.conversations import Book

HEAD = (
    "fault", "acknowledged", "unavailable", "lost", "half applied", "mixed", "recovered (s)",
    "slowest answer (s)",
)  # fmt: skip


@dataclasses.dataclass
class Results:
    """A row for each fault, in the order in which they ended."""

    rows: list[tuple[str, ...]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def record(self, fault: str, book: Book, recovered: float) -> None:
        """Note what a fault did, and fail when a promise was broken."""
        self.rows.append((
            fault, f"{book.acknowledged:,}", f"{book.unavailable + book.unanswered:,}",
            str(book.lost), str(book.half_applied), str(book.mixed), f"{recovered:.1f}",
            f"{book.slowest:.1f}",
        ))  # fmt: skip
        assert (book.lost, book.half_applied, book.mixed) == (0, 0, 0), book

    def lines(self) -> list[str]:
        """Return the table in Markdown, its columns aligned, and what there is to say beside it."""
        if not self.rows:
            return self.notes
        ruled = ("---", *("---:" for _ in HEAD[1:]))
        table = [HEAD, ruled, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(HEAD))]
        lines = [
            "| "
            + " | ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            + " |"
            for row in table
        ]
        return [*lines, "", *self.notes]


results = Results()
"""This run's."""
