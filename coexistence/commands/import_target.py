"""Where an import goes: a SQL database, in batches; or a store of one's own, by its interface."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from coexistence.commands import exits, opened, printing
from coexistence.settings import Settings
from profile_store import (
    InvalidExport,
    ProfileKey,
    ProfileStore,
    Release,
    SlotWrite,
    exported,
    import_plan,
    importing,
)
from profile_store.exported import Exported
from profile_store.importing import Imported
from profile_store.settings import SQL

Merge = Callable[[Sequence[Exported]], Sequence[Imported]]
Read = Callable[[Any], Exported]


@contextlib.contextmanager
def importing_into(config: Settings, *, given: bool, dry_run: bool) -> Iterator[tuple[Read, Merge]]:
    """Yield how a line is read, and how profiles are merged, into the store of some settings.

    Their namespace is where everything goes if it was `given`; else lines of another are refused.
    """

    def elsewhere(arriving: Exported) -> Exported:
        if not given and arriving.key.namespace != config.namespace:
            raise InvalidExport(
                f"it is of namespace {arriving.key.namespace}, and the settings' is "
                f"{config.namespace}; say with --namespace where it is to go."
            )
        return arriving

    if config.type != SQL:
        with opened.store(config) as store:

            def read_plain(document: Any) -> Exported:
                arriving = elsewhere(
                    exported.read(document, now=time.time(), max_value_bytes=config.max_value_bytes)
                )
                import_plan.place(arriving, config.namespace, None)
                key = ProfileKey(config.namespace, arriving.key.user_id)
                return msgspec.structs.replace(arriving, key=key)

            async def merge_all(batch: Sequence[Exported]) -> Sequence[Imported]:
                return [
                    await _through(store, arriving, config.max_slots, dry_run) for arriving in batch
                ]

            yield read_plain, lambda batch: asyncio.run(merge_all(batch))
        return
    if dry_run:
        opened.must_exist(config)
    with importing.opened(config) as importer:

        def read(document: Any) -> Exported:
            arriving = exported.read(
                document, now=importer.now(), max_value_bytes=config.max_value_bytes
            )
            return importer.stored(elsewhere(arriving), config.namespace)

        yield read, lambda batch: importer.merge(batch, dry_run=dry_run)
    if importer.remains:
        exits.complain(
            f"the bytes of what was erased: {printing.bytes_gone(False, importer.remains)}."
        )


async def _through(
    store: ProfileStore, arriving: Exported, max_slots: int, dry_run: bool
) -> Imported:
    """Merge a profile into a store of any kind, as far as its interface goes.

    That has no word for an erasure of what is not newer: erasures are refused, by name.

    Raises:
        StoreUnavailable: when the store did not answer; it may be done again.
    """
    key = arriving.key
    past = [(write, "") for write in await store.history(key, limit=None)]
    profile = await store.fetch(key)
    change = import_plan.plan(profile, past, arriving, max_slots)
    refused = dict(change.refused)
    if change.erased_at:
        refused[""] = "the erasure of the whole profile; this kind of store takes none."
    for slot, state in change.news.items():
        if state.erased and state.written_at > profile.state(slot).written_at:
            refused[slot] = "it was erased, and this kind of store takes no erasures."
    writes = [
        *change.history,
        *(
            SlotWrite(slot, state.value, state.written_at, state.source)
            for slot, state in change.news.items()
            if state.held
        ),
    ]
    releases = [
        Release(slot, state.released_at) for slot, state in change.news.items() if state.released_at
    ]
    if dry_run or not (writes or releases):
        return Imported(bool(writes or releases), refused)
    for write in sorted(writes, key=lambda write: (write.written_at, write.slot)):
        # One by one, so that each is remembered.
        outcome = await store.sync(key, [write])
        refused.update(outcome.refused)
    if releases:
        refused.update((await store.sync(key, (), releases)).refused)
    return Imported(True, refused)
