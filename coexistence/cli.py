"""`coexist`: the command line."""

from __future__ import annotations

import time
from importlib import metadata
from typing import Annotated

import typer
from rich.console import Console

from coexistence.commands import exits, printing
from coexistence.commands.database import database
from coexistence.commands.keys import rotate_keys
from coexistence.commands.profile import profile
from coexistence.demo import performance
from coexistence.demo.errors import DemoFailed
from coexistence.errors import CoexistenceError
from profile_store import ProfileStoreError

app = typer.Typer(
    cls=exits.Interruptible,
    help="Tools for Rasa assistants that run NLU and CALM side by side.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def version() -> None:
    """Print the version."""
    printing.sentence(f"rasa-coexistence {metadata.version('rasa-coexistence')}")


@app.command()
def demo(
    fast: Annotated[bool, typer.Option("--fast", help="Do not pause for reading.")] = False,
) -> None:
    """Play a conversation against a real server, without the profile store and with it."""
    try:
        performance.play(Console(), performance.no_pause if fast else time.sleep)
    except (DemoFailed, OSError) as error:
        exits.complain(error, "coexist demo")
        raise typer.Exit(exits.FAILED) from None


app.command()(rotate_keys)
app.add_typer(profile, name="profile")
app.add_typer(database, name="db")


def main() -> None:
    """Run the command line; errors are one line, and the exit code says that there was one."""
    exits.explained(app, ProfileStoreError, CoexistenceError)
