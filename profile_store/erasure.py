"""Erasing slots or whole profiles, with their history; tombstones stay."""

from __future__ import annotations

import sqlalchemy as sa

from profile_store import rows
from profile_store.connection import transaction
from profile_store.profile import ProfileKey, Receipt


def forget(
    connection: sa.Connection, key: ProfileKey, named: frozenset[str] | None, at: float
) -> Receipt:
    """Erase some slots of a profile, or all of it, up to a time in seconds or later."""
    with transaction(connection):
        rows.lock(connection, [key])
        profile = rows.read_profiles(connection, [key])[key]
        covered = profile.states if named is None else named
        # All that is stored goes, also what a clock ahead of the caller's has written.
        at = max([at, *(profile.state(slot).written_at for slot in covered)])
        if named is None:
            at = max(at, profile.erased_at)
            rows.erase_profile(connection, key, at)
        else:
            rows.erase_slots(connection, key, dict.fromkeys(sorted(named), at))
    return Receipt(key, tuple(sorted(slot for slot in covered if profile.state(slot).held)), at)
