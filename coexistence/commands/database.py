"""`coexist db`: the profile database's tables."""

from __future__ import annotations

from typing import Annotated

import typer

from coexistence.commands import opened, printing
from coexistence.commands.options import Endpoints, Yes
from profile_store import engine, migrate

database = typer.Typer(help="The profile database's tables.", no_args_is_help=True)


@database.command()
def upgrade(
    target: Annotated[str, typer.Argument(help="The version to upgrade to.")] = "head",
    endpoints: Endpoints = None,
) -> None:
    """Make or update the tables; safe to run from several places at once."""
    config = opened.configuration(endpoints)
    reached = migrate.upgrade(config, target)
    where = engine.address(config.sqlalchemy_url())
    printing.sentence(f"{where} is at version {reached}.")


@database.command()
def downgrade(
    target: Annotated[str, typer.Argument(help="The version to go back to, or `base` for none.")],
    endpoints: Endpoints = None,
    yes: Yes = False,
) -> None:
    """Take the tables back to an older version; going to `base` deletes every profile."""
    config = opened.configuration(endpoints)
    where = engine.address(config.sqlalchemy_url())
    if not yes:
        typer.confirm(f"Take {where} back to version {target}? Profiles may be lost.", abort=True)
    reached = migrate.downgrade(config, target)
    printing.sentence(f"{where} is at version {reached}.")


@database.command()
def current(endpoints: Endpoints = None) -> None:
    """Print the version of the tables, and fail when it is not this package's."""
    config = opened.configuration(endpoints)
    migrate.check_at_start(config, migrate_sqlite=False)
    where = engine.address(config.sqlalchemy_url())
    printing.sentence(f"{where} is current.")
