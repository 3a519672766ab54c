"""What can go wrong with the store, and what to do about it.

Every message says what happened, to what, and what to do next. None carries a slot's value, a
password or any other datum of a user.
"""

from __future__ import annotations


class ProfileStoreError(Exception):
    """The root of every error that `profile_store` raises."""


class InvalidSettings(ProfileStoreError):
    """A setting is unknown, missing or impossible; the message names it and its remedy."""


class InvalidKey(ProfileStoreError):
    """A namespace or user id cannot be a key: empty, too long, or not plain text."""


class InvalidValue(ProfileStoreError):
    """A value cannot be kept: it is not JSON, or larger than `max_value_bytes`."""


class InvalidExport(ProfileStoreError):
    """What is to be imported is not what an export wrote; the message names the field."""


class ValueUnreadable(ProfileStoreError):
    """A stored value's key is missing, or it was tampered with; the message names its slot."""


class StoreUnavailable(ProfileStoreError):
    """The database did not answer in time or at all; nothing is known of what it holds."""


class StoreTimeout(StoreUnavailable):
    """The database did not answer within `timeout` seconds; look at its load and its locks."""


class StoreBusy(StoreUnavailable):
    """More calls wait for the database than `queue_size` allows; it is slower than its load."""


class SchemaOutdated(StoreUnavailable):
    """The database's tables are missing or of another version; run `coexist db upgrade`."""


class StoreClosed(ProfileStoreError):
    """The store was closed; make a new one."""


class StatementFailed(ProfileStoreError):
    """The database refused one caller's statement; the batch's other callers were served."""
