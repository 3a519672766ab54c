"""`coexist profile`: what is kept about users, looked at and looked after."""

from __future__ import annotations

import typer

from coexistence.commands.exporting import export_profiles
from coexistence.commands.forget import forget
from coexistence.commands.importing import import_profiles
from coexistence.commands.link import link
from coexistence.commands.purge import purge
from coexistence.commands.show import show

profile = typer.Typer(help="What is kept about users.", no_args_is_help=True)
profile.command("show")(show)
profile.command("export")(export_profiles)
profile.command("import")(import_profiles)
profile.command("forget")(forget)
profile.command("link")(link)
profile.command("purge")(purge)
