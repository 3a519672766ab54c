"""All that is kept about a user, as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from profile_store import rows
from profile_store.profile import Profile, ProfileKey, SlotWrite
from profile_store.retention import Kept


def export(connection: sa.Connection, key: ProfileKey, kept: Kept) -> dict[str, Any]:
    """Return what is kept of a profile, with its tombstones and its history."""
    profile = kept.profile(rows.read_profiles(connection, [key])[key])
    return as_json(key, profile, rows.read_history(connection, key, None, None, kept))


def as_json(key: ProfileKey, profile: Profile, history: Iterable[SlotWrite]) -> dict[str, Any]:
    """Return the same of a profile and its history that were read, newest first."""
    return {
        "namespace": key.namespace,
        "user_id": key.user_id,
        "erased_at": profile.erased_at or None,
        "slots": {
            slot: {
                "value": state.value,
                "written_at": state.written_at or None,
                "released_at": state.released_at or None,
                "erased": state.erased,
                **msgspec.structs.asdict(state.source),
            }
            for slot, state in sorted(profile.states.items())
        },
        "history": [
            {
                "slot": write.slot,
                "value": write.value,
                "written_at": write.written_at,
                **msgspec.structs.asdict(write.source),
            }
            for write in history
        ],
    }
