"""Erasing slots or whole profiles, with their history; tombstones stay."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import sqlalchemy as sa

from profile_store import rows, wiping
from profile_store.connection import transaction
from profile_store.profile import Profile, ProfileKey, Receipt


def forget(
    connection: sa.Connection, key: ProfileKey, named: frozenset[str] | None, at: float
) -> Receipt:
    """Erase some slots of a profile, or all of it, up to a time in seconds or later."""
    with transaction(connection):
        rows.lock(connection, [key])
        profile = rows.read_profiles(connection, [key])[key]
        receipt = receipt_for(key, profile, named, at)
        if named is None:
            past = rows.erase_profile(connection, key, receipt.erased_at)
        else:
            erasures = dict.fromkeys(sorted(named), receipt.erased_at)
            past = rows.erase_slots(connection, key, erasures)
        wiping.mark(connection)
    return msgspec.structs.replace(receipt, history=past)


def receipt_for(
    key: ProfileKey, profile: Profile, named: Collection[str] | None, at: float
) -> Receipt:
    """Return what erasing some slots of a profile, or all of it, will remove, and up to when."""
    covered = profile.states if named is None else named
    # All that is stored goes, also what a clock ahead of the caller's has written.
    at = max([at, *(profile.state(slot).written_at for slot in covered)])
    if named is None:
        at = max(at, profile.erased_at)
    return Receipt(key, tuple(sorted(slot for slot in covered if profile.state(slot).held)), at)
