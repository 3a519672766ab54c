"""`coexist`: the command line."""

from __future__ import annotations

import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from coexistence import settings
from coexistence.demo import performance
from coexistence.demo.errors import DemoFailed
from profile_store import ProfileStoreError, ValueUnreadable, engine, migrate, rotation

app = typer.Typer(
    help="Tools for Rasa assistants that run NLU and CALM side by side.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
database = typer.Typer(help="The profile database's tables.", no_args_is_help=True)
app.add_typer(database, name="db")

console = Console()

Endpoints = Annotated[
    Path | None,
    typer.Option(help="The file with the `profile_store:` section; endpoints.yml by default."),
]


@app.command()
def version() -> None:
    """Print the version."""
    console.print(f"rasa-coexistence {metadata.version('rasa-coexistence')}", highlight=False)


@app.command()
def demo(
    fast: Annotated[bool, typer.Option("--fast", help="Do not pause for reading.")] = False,
) -> None:
    """Play a conversation against a real server, without the profile store and with it."""
    try:
        performance.play(console, performance.no_pause if fast else time.sleep)
    except (DemoFailed, OSError) as error:
        print(f"coexist demo: {error}", file=sys.stderr)  # noqa: T201 - as it is, for grep
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None  # what a shell says of a command that Ctrl-C ended


@app.command()
def rotate_keys(endpoints: Endpoints = None) -> None:
    """Seal every value with the first of the encryption keys, while servers run.

    Stopped or killed, it goes on where it was when it is run again.
    """
    config = settings.load(endpoints)
    columns = (
        TextColumn("Sealing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("Sealing", visible=False)
        try:
            done = rotation.rotate(
                config, lambda now, of: bar.update(task, completed=now, total=of, visible=True)
            )
        except KeyboardInterrupt:
            raise typer.Exit(130) from None  # what a shell says of a command that Ctrl-C ended
    where = engine.address(config.sqlalchemy_url())
    console.print(
        f"{where}: {done.resealed:,} values sealed anew.", highlight=False, soft_wrap=True
    )
    if done.unreadable:
        raise ValueUnreadable(
            f"{done.unreadable.total():,} values stay as they are. "
            + " ".join(f"{reason} ({count:,})" for reason, count in done.unreadable.most_common())
        )


@database.command()
def upgrade(
    target: Annotated[str, typer.Argument(help="The version to upgrade to.")] = "head",
    endpoints: Endpoints = None,
) -> None:
    """Make or update the tables; safe to run from several places at once."""
    config = settings.load(endpoints)
    reached = migrate.upgrade(config, target)
    where = engine.address(config.sqlalchemy_url())
    console.print(f"{where} is at version {reached}.", highlight=False, soft_wrap=True)


@database.command()
def downgrade(
    target: Annotated[str, typer.Argument(help="The version to go back to, or `base` for none.")],
    endpoints: Endpoints = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the tables back to an older version; going to `base` deletes every profile."""
    config = settings.load(endpoints)
    where = engine.address(config.sqlalchemy_url())
    if not yes:
        typer.confirm(f"Take {where} back to version {target}? Profiles may be lost.", abort=True)
    reached = migrate.downgrade(config, target)
    console.print(f"{where} is at version {reached}.", highlight=False, soft_wrap=True)


@database.command()
def current(endpoints: Endpoints = None) -> None:
    """Print the version of the tables, and fail when it is not this package's."""
    config = settings.load(endpoints)
    migrate.check_at_start(config, migrate_sqlite=False)
    where = engine.address(config.sqlalchemy_url())
    console.print(f"{where} is current.", highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line; errors are one line, and the exit code says that there was one."""
    try:
        app()
    except ProfileStoreError as error:
        print(f"coexist: {error}", file=sys.stderr)  # noqa: T201 - as it is, for grep
        sys.exit(1)
