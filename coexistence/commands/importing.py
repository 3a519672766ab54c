"""`coexist profile import`."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any, NoReturn

import msgspec
import typer

from coexistence.commands import bars, exits, opened, printing
from coexistence.commands.import_target import Merge, Read, importing_into
from coexistence.commands.options import DryRun, Endpoints, Json
from profile_store import InvalidExport, ProfileKey, importing
from profile_store.exported import Exported
from profile_store.importing import Imported

MOST_BAD = 20
"""Bad lines at the beginning after which a file is taken for no export at all."""


def import_profiles(
    file: Annotated[Path, typer.Argument(help="What an export wrote; `-` for standard input.")],
    namespace: Annotated[
        str | None,
        typer.Option(help="Where it goes; without it, a line of another namespace is refused."),
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
    endpoints: Endpoints = None,
) -> None:
    """Merge exported profiles into the store; what is newer stays, so it may be done again.

    A line that is none is named and left out, and so is a slot that is masked.
    """
    config = opened.configuration(endpoints, namespace)
    tally = _Tally(dry_run=dry_run)
    try:
        with (
            _lines(file) as lines,
            importing_into(config, given=namespace is not None, dry_run=dry_run) as target,
        ):
            _import(lines, *target, tally)
    except BaseException:
        if tally.lines:
            tally.print(printing.wants_json(json))  # that much is done, and stays
        raise
    tally.print(printing.wants_json(json))
    if tally.refused or tally.refused_slots:
        raise typer.Exit(exits.FAILED)


class _Tally(msgspec.Struct):
    """What came of the lines: profiles, and slots of theirs that are refused."""

    dry_run: bool
    merged: int = 0
    unchanged: int = 0
    refused: int = 0
    refused_slots: int = 0

    @property
    def lines(self) -> int:
        """How many are done with."""
        return self.merged + self.unchanged + self.refused

    def bad(self, line: int, problem: object) -> None:
        self.refused += 1
        exits.complain(f"line {line}: {problem}")
        if self.refused == self.lines == MOST_BAD:
            exits.complain(f"the first {MOST_BAD} lines are bad: is this an export?")
            raise typer.Exit(exits.FAILED)

    def done(self, line: int, imported: Imported) -> None:
        self.merged += imported.changed
        self.unchanged += not imported.changed
        self.refused_slots += len(imported.refused)
        for slot, reason in sorted(imported.refused.items()):
            exits.complain(f"line {line}: {f'slot {slot}: ' if slot else ''}{reason}")

    def print(self, as_json: bool) -> None:
        if as_json:
            printing.document(msgspec.structs.asdict(self))
            return
        printing.sentence(
            f"{self.merged:,} profiles {'would be ' if self.dry_run else ''}merged, "
            f"{self.unchanged:,} unchanged, {self.refused:,} lines refused, "
            f"{self.refused_slots:,} slots refused."
        )


def _import(lines: Iterator[tuple[int, bytes]], read: Read, merge: Merge, tally: _Tally) -> None:
    batch: dict[ProfileKey, tuple[int, Exported]] = {}

    def flush() -> None:
        waiting = list(batch.values())
        batch.clear()
        results = merge([arriving for _, arriving in waiting])
        for (number, _), imported in zip(waiting, results, strict=True):
            tally.done(number, imported)

    for number, line in lines:
        try:
            arriving = read(_parsed(line))
        except InvalidExport as error:
            if batch:
                flush()
            tally.bad(number, error)
            continue
        if arriving.key in batch or len(batch) == importing.BATCH:
            flush()
        batch[arriving.key] = number, arriving
    if batch:
        flush()


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_no_json)
    except UnicodeDecodeError:
        raise InvalidExport("it is not UTF-8.") from None
    except (ValueError, RecursionError):
        hint = " One profile is one line; `jq -c` makes it so." if line.strip() == b"{" else ""
        raise InvalidExport(f"it is not JSON.{hint}") from None


def _no_json(_: str) -> NoReturn:
    raise ValueError


@contextlib.contextmanager
def _lines(path: Path) -> Iterator[Iterator[tuple[int, bytes]]]:
    """Yield the numbered lines of a file that say anything, telling how far they are read."""
    with contextlib.ExitStack() as stack:
        if path == Path("-"):
            file: IO[bytes] = sys.stdin.buffer
            total = 0
        else:
            file = stack.enter_context(path.open("rb"))
            total = path.stat().st_size
        progress = stack.enter_context(bars.bar("Importing", in_bytes=True)) if total else None
        yield _numbered(file, total, progress)


def _numbered(
    file: IO[bytes], total: int, progress: bars.Advance | None
) -> Iterator[tuple[int, bytes]]:
    done = 0
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, line
        done += len(line)
        if progress is not None:
            progress(min(done, total), total)
