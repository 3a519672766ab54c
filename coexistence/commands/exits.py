"""How commands end: exit codes, and one line on standard error for whatever went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from profile_store import ProfileKey

FAILED = 1
"""Something went wrong, or was left out; a line on standard error says what."""

UNKNOWN = 3
"""Nothing is kept about whoever was asked for."""

INTERRUPTED = 130
"""Ctrl-C: what a shell says of a command that it ended."""


class Interruptible(TyperGroup):
    """Commands that Ctrl-C ends with the code that a shell expects."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


def complain(problem: object, who: str = "coexist") -> None:
    """Print a line on standard error, as it is, for grep."""
    sys.stderr.write(f"{who}: {problem}\n")


def confirm(question: str) -> None:
    """Return when somebody says yes; asks on standard error, for results go elsewhere.

    Raises:
        typer.Exit: when nobody does.
    """
    # Not Typer's, which prints a part of the question on standard output.
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if answer.strip().lower() in {"y", "yes"}:
        return
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    complain("nothing is changed; --yes does it without asking.")
    raise typer.Exit(FAILED)


def unknown(key: ProfileKey) -> NoReturn:
    """End a command that asked for a profile which is not there.

    Raises:
        typer.Exit: always.
    """
    # The id is left out: what a command complains of may end up in a log.
    complain(
        f"nothing is kept under that id in namespace {key.namespace}; "
        "an anonymous conversation's is found with --conversation."
    )
    raise typer.Exit(UNKNOWN)


def in_development() -> bool:
    """Return whether Python was told that a developer looks on (`PYTHONDEVMODE=1`)."""
    return sys.flags.dev_mode


def explained(run: Callable[[], None], *expected: type[Exception]) -> None:
    """Run the command line; what it raises becomes a line, and the exit code says that it did."""
    try:
        run()
    except expected as error:
        complain(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror or type(error).__name__}")
    except Exception as error:
        if in_development():
            raise
        # Its message may hold a user's data.
        complain(
            f"a mistake of this program's own ({type(error).__name__}); report it with what "
            "PYTHONDEVMODE=1 coexist ... prints."
        )
    else:
        return
    sys.exit(FAILED)
