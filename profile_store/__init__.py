"""User profiles in a database: slots, merged so that the newest deliberate write wins.

This package knows nothing of Rasa; `coexistence` does.
"""

from profile_store.errors import (
    InvalidExport,
    InvalidKey,
    InvalidSettings,
    InvalidValue,
    ProfileStoreError,
    SchemaOutdated,
    StatementFailed,
    StoreBusy,
    StoreClosed,
    StoreTimeout,
    StoreUnavailable,
    ValueUnreadable,
)
from profile_store.profile import (
    Outcome,
    Profile,
    ProfileKey,
    Receipt,
    Release,
    SlotState,
    SlotWrite,
    Source,
)
from profile_store.settings import StoreSettings
from profile_store.sql_store import SQLProfileStore
from profile_store.store import ProfileStore

__all__ = [
    "InvalidExport",
    "InvalidKey",
    "InvalidSettings",
    "InvalidValue",
    "Outcome",
    "Profile",
    "ProfileKey",
    "ProfileStore",
    "ProfileStoreError",
    "Receipt",
    "Release",
    "SQLProfileStore",
    "SchemaOutdated",
    "SlotState",
    "SlotWrite",
    "Source",
    "StatementFailed",
    "StoreBusy",
    "StoreClosed",
    "StoreSettings",
    "StoreTimeout",
    "StoreUnavailable",
    "ValueUnreadable",
]
