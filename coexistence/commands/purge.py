"""`coexist profile purge`."""

from __future__ import annotations

from coexistence.commands import bars, opened, printing
from coexistence.commands.options import DryRun, Endpoints, Json, Namespace
from profile_store import purging


def purge(
    namespace: Namespace = None,
    dry_run: DryRun = False,
    json: Json = False,
    endpoints: Endpoints = None,
) -> None:
    """Remove what is past its time, as `retention` says, and profiles of which nothing is left.

    In small transactions beside servers; stopped or killed, it goes on when it is run again.
    """
    config = opened.configuration(endpoints, namespace)
    opened.must_be_sql(config, "purge")
    opened.must_exist(config)
    with bars.bar("Purging") as progress:
        purged = purging.purge(config, progress, dry_run=dry_run)
    if printing.wants_json(json):
        printing.document({"namespace": config.namespace, **purged._asdict(), "dry_run": dry_run})
        return
    printing.sentence(
        f"Namespace {config.namespace}: {purged.values:,} values, {purged.history:,} entries of "
        f"histories and {purged.profiles:,} profiles {'would go' if dry_run else 'are gone'}."
    )
    if not dry_run:
        printing.sentence(f"Bytes: {printing.bytes_gone(purged.bytes_gone, purged.remains)}.")
