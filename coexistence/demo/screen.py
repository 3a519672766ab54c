"""What the audience sees: a table for each scene, Rasa alone beside Rasa with the profile store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coexistence.demo.assistant import Call, Fate, Played
from coexistence.demo.domain import PROFILE_ACTIONS, SHOWN
from coexistence.demo.server import ActionServer
from coexistence.demo.story import Scene

WIDEST = 96
"""Columns; longer lines are hard to read."""

_ALONE = "Rasa alone"
_STORED = "with the profile store"
_STYLES = {
    Fate.TOLD: "cyan",
    Fate.TOLD_AGAIN: "yellow",
    Fate.DROPPED: "dim",
    Fate.LOST: "bold red",
    Fate.BACK: "bold green",
}


class Screen:
    """Prints the demo on a console, no wider than `WIDEST`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = min(console.width, WIDEST)
        self._arrow = " -> " if console.options.ascii_only else " → "

    def opening(self) -> None:
        """Say what is going to be seen."""
        self._print("[bold]What a Rasa assistant forgets, and how it remembers[/]")
        self._print()
        self._print(
            "One conversation, two assistants. Both run NLU and CALM side by side; the second "
            "has two more lines in its domain:"
        )
        listed = "\n".join(f"    - {action}" for action in PROFILE_ACTIONS)
        self._print(f"[green]    actions:\n{listed}[/]")

    def starting(self) -> None:
        """Say what takes a moment."""
        self._print("[dim]Starting an action server ...[/]")

    def started(self, server: ActionServer) -> None:
        """Say what is real."""
        self._print(
            f"[dim]{server.url} is ready after {server.start_seconds:.1f} s. Server, database and "
            "calls (with their status and time) are real; Rasa's part is played by a script.[/]"
        )

    def heading(self, number: int, scene: Scene) -> None:
        """Announce a scene."""
        self._print()
        self._print(f"[bold blue]{number}. {scene.title}[/]")
        self._print(scene.about)

    def scene(self, alone: Played, stored: Played) -> None:
        """Show what was said, what became of each slot, and which actions ran."""
        table = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            width=self._width,
            padding=(0, 1, 0, 0),
            header_style="bold",
        )
        table.add_column(no_wrap=True, min_width=max(map(len, SHOWN)))
        table.add_column(_ALONE, ratio=1, overflow="fold")
        table.add_column(_STORED, ratio=1, overflow="fold")
        for left, right in zip_longest(alone.lines, stored.lines):
            speaker = (left or right).speaker
            table.add_row(
                Text(speaker, "bold"), left.text if left else "", right.text if right else ""
            )
        table.add_section()
        for slot in SHOWN:
            table.add_row(Text(slot, "bold"), self._fates(slot, alone), self._fates(slot, stored))
        table.add_section()
        for row, (left, right) in enumerate(zip_longest(alone.calls, stored.calls)):
            table.add_row("" if row else "actions", _call(left), _call(right), style="dim")
        self._print()
        self._console.print(table)

    def closing(self, alone: Sequence[Played], stored: Sequence[Played]) -> None:
        """Count what was lost and what came back, and say what to do next."""
        self._print()
        self._print("[bold blue]What it comes to[/]")
        self._print(f"[bold]{_ALONE}:[/] {_sum(alone)}")
        self._print(f"[bold]{_STORED[0].upper()}{_STORED[1:]}:[/] {_sum(stored)}")
        self._print()
        self._print("[bold blue]Next[/]")
        self._print("[green]  make serve[/]   the action server on port 5055, in a checkout")
        self._print("[green]  make test[/]    the whole test-suite")
        self._print(
            "Or in your assistant: flag the slots shared_for_coexistence: true, add the two lines "
            "to its domain, and call coexistence.install() in actions/__init__.py."
        )

    def _fates(self, slot: str, played: Played) -> Text:
        """Return a slot's value before a scene, and what became of it."""
        before = played.before[slot]
        parts = [] if before is None else [Text(str(before))]
        for change in played.changes:
            if change.slot == slot:
                word = change.fate.value
                if change.fate in {Fate.TOLD, Fate.TOLD_AGAIN, Fate.BACK}:
                    word += f": {change.value}"
                parts.append(Text(word, _STYLES[change.fate]))
        return Text(self._arrow).join(parts) if parts else Text("-", "dim")

    def _print(self, text: str = "") -> None:
        self._console.print(text, width=self._width, highlight=False)


def _call(call: Call | None) -> str:
    if call is None:
        return ""
    if call.answer is None:
        return f"Rasa's {call.action}"
    milliseconds = math.ceil(call.answer.seconds * 1000)
    return f"{call.action} {call.answer.status}, {milliseconds} ms"


def _sum(scenes: Sequence[Played]) -> str:
    fates = [change.fate for played in scenes for change in played.changes]
    lost, back, again = (fates.count(fate) for fate in (Fate.LOST, Fate.BACK, Fate.TOLD_AGAIN))
    color = "green" if back == lost else "red"
    came = {0: "none came back", lost: f"all {lost} came back"}.get(back, f"{back} came back")
    return f"{lost} values lost, [{color}]{came}[/], {again or 'none'} told again."
