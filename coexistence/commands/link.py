"""`coexist profile link`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from coexistence.commands import exits, opened, printing
from coexistence.commands.options import DryRun, Endpoints, Json, Namespace, Yes
from profile_store import Profile, ProfileKey, limits, linking, merge


def link(
    source: Annotated[
        str,
        typer.Argument(help="Whose profile moves; with `--conversation`, a `sender_id`."),
    ],
    target: Annotated[str, typer.Argument(help="The user id that it moves to.")],
    conversation: Annotated[
        bool, typer.Option("--conversation", help="SOURCE is an anonymous conversation.")
    ] = False,
    namespace: Namespace = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
    endpoints: Endpoints = None,
) -> None:
    """Merge a profile into another, newest value first, and erase it where it was."""
    config = opened.configuration(endpoints, namespace)
    moving = opened.key(config, source, conversation)
    staying = opened.key(config, target, conversation=False)
    if moving == staying:
        raise typer.BadParameter("SOURCE and TARGET are the same profile")
    as_json = printing.wants_json(json)
    with opened.store(config) as store:
        before = asyncio.run(store.fetch(moving))
        if not len(before):
            exits.unknown(moving)
        if dry_run or not yes:
            there = asyncio.run(store.fetch(staying))
            would = _would(before, there, config.max_slots)
            if dry_run:
                _print(moving, staying, {**would, "dry_run": True}, as_json)
                return
            _print(moving, staying, would, as_json=False, on_error=True)
            exits.confirm("Link them?")
        asyncio.run(store.link(moving, staying))
        left = sorted(asyncio.run(store.fetch(moving)))
    moved = sorted(set(before) - set(left))
    _print(moving, staying, {"slots": moved, "left": left}, as_json)
    if left:
        exits.complain(
            f"{len(left)} slots stay where they were: they were written meanwhile, cannot be read, "
            "or are too many (profile_store.max_slots)."
        )
        raise typer.Exit(exits.FAILED)


def _would(source: Profile, target: Profile, max_slots: int) -> dict[str, Any]:
    """Return what a link would do: which slots move, and of those which change the target."""
    copied = {slot: state for slot, state in source.states.items() if not state.unreadable}
    full: dict[str, str] = {}
    news = merge.changes(target, linking.moved(copied, target))
    news = limits.within_limit(target, news, max_slots, full)
    stay = {*source.unreadable, *full}
    return {
        "slots": sorted(set(source) - stay),
        "changed": sorted(slot for slot, state in news.items() if state.held),
        "left": sorted(stay & set(source)),
    }


def _print(
    source: ProfileKey,
    target: ProfileKey,
    done: dict[str, Any],
    as_json: bool,
    *,
    on_error: bool = False,
) -> None:
    if as_json:
        names = {"source": source.user_id, "target": target.user_id}
        printing.document({"namespace": source.namespace, **names, **done})
        return
    title = f"{source.user_id} into {target.user_id} (namespace {source.namespace})"
    names_of = {
        "move": done["slots"],
        "change the target": done.get("changed", ()),
        "stay": done["left"],
    }
    printing.table(
        title,
        ("", "slots"),
        [(what, ", ".join(slots)) for what, slots in names_of.items() if slots],
        on_error=on_error,
    )
