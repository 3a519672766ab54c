"""`coexist rotate-keys`."""

from __future__ import annotations

from coexistence.commands import bars, opened, printing
from coexistence.commands.options import Endpoints
from profile_store import ValueUnreadable, engine, rotation


def rotate_keys(endpoints: Endpoints = None) -> None:
    """Seal every value with the first of the encryption keys, while servers run.

    Stopped or killed, it goes on where it was when it is run again.
    """
    config = opened.configuration(endpoints)
    with bars.bar("Sealing") as progress:
        done = rotation.rotate(config, progress)
    where = engine.address(config.sqlalchemy_url())
    printing.sentence(f"{where}: {done.resealed:,} values sealed anew.")
    if done.remains:
        printing.sentence(f"As they were before: {printing.bytes_gone(False, done.remains)}.")
    if done.unreadable:
        raise ValueUnreadable(
            f"{done.unreadable.total():,} values stay as they are. "
            + " ".join(f"{reason} ({count:,})" for reason, count in done.unreadable.most_common())
        )
