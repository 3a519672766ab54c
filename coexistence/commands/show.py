"""`coexist profile show`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from coexistence.commands import exits, kept, opened, printing
from coexistence.commands.options import Conversation, Endpoints, Json, Namespace, Reveal, User


def show(
    user: User,
    history: Annotated[bool, typer.Option("--history", help="Every write, too.")] = False,
    conversation: Conversation = False,
    namespace: Namespace = None,
    reveal: Reveal = False,
    json: Json = False,
    endpoints: Endpoints = None,
) -> None:
    """Show what is kept about a user; a table in a terminal, else JSON."""
    config = opened.configuration(endpoints, namespace)
    key = opened.key(config, user, conversation)
    with opened.store(config) as store:
        found = asyncio.run(kept.read(store, key, history=history))
    if not found.is_known:
        exits.unknown(key)
    document = kept.document(found, () if reveal else config.sensitive_slots)
    if printing.wants_json(json):
        printing.document(document)
    else:
        kept.show(document)
    for reason in sorted(set(found.unreadable.values())):
        exits.complain(reason)
    if found.unreadable:
        raise typer.Exit(exits.FAILED)
