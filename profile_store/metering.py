"""What a store tells of its work to who counts or traces it; by default nobody does.

The store knows no monitoring system. An observer must be quick, thread-safe, and never raise: it
is called from event loops and from the worker thread, between a caller and its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from profile_store import errors


class Batch(msgspec.Struct, frozen=True):
    """Calls that the worker thread served together.

    `waiting` calls were in the queue when it was done. `began` is in seconds since 1970, on this
    machine's clock; it took `seconds`. `contexts` are what `Observer.context` returned for each.
    """

    calls: int
    waiting: int
    began: float
    seconds: float
    contexts: Sequence[Any]


class Observer(Protocol):
    """Hears of a store's work."""

    def context(self) -> Any:
        """Return what the batch is to carry of the call at hand; called where it is submitted."""

    def queued(self, waiting: int) -> None:
        """Hear how many calls wait for the worker thread now."""

    def served(self, batch: Batch) -> None:
        """Hear of a batch, before its callers do; called in the worker thread."""

    def stored(self, slots: int) -> None:
        """Hear how many values were committed; called in the worker thread."""

    def failed(self, error: errors.ProfileStoreError) -> None:
        """Hear why one call was not served."""


FAILURES: dict[type[errors.ProfileStoreError], str] = {
    errors.StoreTimeout: "timeout",
    errors.StoreBusy: "busy",
    errors.SchemaOutdated: "schema",
    errors.StoreUnavailable: "unavailable",
    errors.StatementFailed: "statement",
    errors.StoreClosed: "closed",
}
"""The kinds of failure of a store, by their errors."""

OTHER = "other"


def kind(error: BaseException) -> str:
    """Return the kind of a failure: one of a handful, whatever the error says."""
    for ancestor in type(error).__mro__:
        known = FAILURES.get(ancestor)
        if known is not None:
            return known
    return OTHER
