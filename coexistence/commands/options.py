"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Endpoints = Annotated[
    Path | None,
    typer.Option(help="The file with the `profile_store:` section; endpoints.yml by default."),
]

User = Annotated[str, typer.Argument(help="The user id; with `--conversation`, a `sender_id`.")]

Namespace = Annotated[str | None, typer.Option(help="Another namespace than that of the settings.")]

Conversation = Annotated[
    bool,
    typer.Option("--conversation", help="The profile of an anonymous conversation is meant."),
]

Reveal = Annotated[
    bool, typer.Option("--reveal", help="Show the values of `sensitive_slots`, too.")
]

Json = Annotated[
    bool, typer.Option("--json", help="JSON in a terminal, too; elsewhere it is anyway.")
]

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Tell what would be done, and change nothing.")
]

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
