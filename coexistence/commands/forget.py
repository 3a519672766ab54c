"""`coexist profile forget`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection
from typing import Annotated, Any

import typer

from coexistence.commands import exits, kept, opened, printing
from coexistence.commands.kept import Kept
from coexistence.commands.options import (
    Conversation,
    DryRun,
    Endpoints,
    Json,
    Namespace,
    User,
    Yes,
)
from profile_store import Receipt


def forget(
    user: User,
    slot: Annotated[
        list[str] | None,
        typer.Option(help="Only this slot; may be given several times."),
    ] = None,
    conversation: Conversation = False,
    namespace: Namespace = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
    endpoints: Endpoints = None,
) -> None:
    """Erase a user's profile, or slots of it, with its history, and print a receipt.

    Tombstones stay, so that older writes cannot come back.
    """
    config = opened.configuration(endpoints, namespace)
    key = opened.key(config, user, conversation)
    as_json = printing.wants_json(json)
    with opened.store(config) as store:
        if dry_run or not yes:
            found = asyncio.run(kept.read(store, key, history=True))
            going = _going(found, slot)
            if dry_run:
                _preview(going, as_json=as_json)
                return
            _preview(going, as_json=False, on_error=True)
            exits.confirm("Erase it?")
        now = time.time()
        receipt = asyncio.run(store.forget(key, slot, at=now, clock=now))
    _print(receipt, as_json)


def _going(found: Kept, named: Collection[str] | None) -> dict[str, Any]:
    """Return what would be erased, without any value."""
    past = Counter(write.slot for write in found.history or ())
    states = found.profile.states
    slots = {
        name: {
            "written_at": states[name].written_at,
            "history": None if name in found.unreadable else past[name],
        }
        for name in sorted(states if named is None else {*named} & {*states})
        if states[name].held
    }
    return {"namespace": found.key.namespace, "user_id": found.key.user_id, "slots": slots}


def _preview(going: dict[str, Any], *, as_json: bool, on_error: bool = False) -> None:
    if as_json:
        printing.document({**going, "dry_run": True})
        return
    whom = f"{going['user_id']} (namespace {going['namespace']})"
    if not going["slots"]:
        printing.sentence(f"Nothing is kept of it about {whom}.", on_error=on_error)
        return
    printing.table(
        f"What is kept about {whom} and goes",
        ("slot", "written (UTC)", "writes in the history"),
        [
            (
                name,
                printing.time(slot["written_at"]),
                "unreadable" if slot["history"] is None else str(slot["history"]),
            )
            for name, slot in going["slots"].items()
        ],
        on_error=on_error,
    )


def _print(receipt: Receipt, as_json: bool) -> None:
    if as_json:
        printing.document(
            {
                "namespace": receipt.key.namespace,
                "user_id": receipt.key.user_id,
                "slots": list(receipt.slots),
                "history": receipt.history,
                "erased_at": receipt.erased_at,
                "done_at": receipt.done_at,
                "bytes_gone": receipt.bytes_gone,
                "remains": receipt.remains,
            }
        )
        return
    printing.table(
        "Receipt",
        ("", " "),
        [
            ("user", receipt.key.user_id),
            ("namespace", receipt.key.namespace),
            ("slots erased", ", ".join(receipt.slots) or "none held a value"),
            ("history erased", f"{receipt.history:,} write{'' if receipt.history == 1 else 's'}"),
            ("writes up to", f"{printing.time(receipt.erased_at)} UTC cannot come back"),
            ("done", f"{printing.time(receipt.done_at)} UTC"),
            ("bytes", printing.bytes_gone(receipt.bytes_gone, receipt.remains)),
        ],
    )
