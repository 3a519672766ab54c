"""`coexist profile export`."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from coexistence.commands import bars, exits, masking, opened, printing, whole_file
from coexistence.commands.options import Conversation, Endpoints, Namespace, Reveal
from coexistence.settings import Settings
from profile_store import ProfileKey, ValueUnreadable, export, hashing, listing
from profile_store.exported import HASHED
from profile_store.settings import SQL

STANDARD = Path("-")


def export_profiles(
    user: Annotated[
        str | None,
        typer.Argument(help="The user id; with `--conversation`, a `sender_id`."),
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Every profile of the namespace, a line each.")
    ] = False,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The file to make, which only you may read."),
    ] = STANDARD,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Put it in the place of a file that is there.")
    ] = False,
    conversation: Conversation = False,
    namespace: Namespace = None,
    reveal: Reveal = False,
    endpoints: Endpoints = None,
) -> None:
    """Write all that is kept about a user, or about everybody, as JSON: a profile a line.

    Slots, history and erasures. Values of `sensitive_slots` are left out without `--reveal`.
    """
    if everybody == (user is not None):
        raise typer.BadParameter("give a user id, or --all, and not both")
    if everybody and conversation:
        raise typer.BadParameter("--all has the profiles of conversations, too")
    config = opened.configuration(endpoints, namespace)
    sensitive = () if reveal else config.sensitive_slots
    if user is not None:
        one = _one(config, opened.key(config, user, conversation))
        with _output(output, overwrite) as file:
            file.write(printing.as_json(masking.masked(one, sensitive)))
        return
    opened.must_be_sql(config, "--all")
    opened.must_exist(config)
    unreadable: Counter[str] = Counter()
    with _output(output, overwrite) as file:
        for document in _all(config, unreadable):
            file.write(printing.as_json(masking.masked(document, sensitive)))
    if unreadable:
        raise ValueUnreadable(
            f"Profiles that are left out: {unreadable.total():,}. "
            + " ".join(f"{reason} ({count:,})" for reason, count in unreadable.most_common())
        )


def _one(config: Settings, key: ProfileKey) -> dict[str, Any]:
    with opened.store(config) as store:
        exported = asyncio.run(store.export(key))
    if not exported["slots"] and exported["erased_at"] is None:
        exits.unknown(key)
    return _signed(exported, config, is_hashed=False)


def _all(config: Settings, unreadable: Counter[str]) -> Iterator[dict[str, Any]]:
    with bars.bar("Exporting") as progress:
        for kept in listing.walk(config, progress):
            if kept.unreadable:
                unreadable[kept.unreadable] += 1
                continue
            exported = export.as_json(kept.key, kept.profile, kept.history)
            yield _signed(exported, config, is_hashed=True)


def _signed(exported: dict[str, Any], config: Settings, *, is_hashed: bool) -> dict[str, Any]:
    """Return an export that says whose key hashed its ids, where one did."""
    key = hashing.fingerprint(config) if config.type == SQL else None
    return exported if key is None else {**exported, HASHED: {"with": key, "user_id": is_hashed}}


@contextlib.contextmanager
def _output(path: Path, overwrite: bool) -> Iterator[IO[bytes]]:
    if path == STANDARD:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with whole_file.writing(path, overwrite=overwrite) as file:
            yield file
    except FileExistsError:
        exits.complain(f"{path} is there already; give another name, or --overwrite.")
        raise typer.Exit(exits.FAILED) from None
