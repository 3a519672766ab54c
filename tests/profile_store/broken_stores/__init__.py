"""Stores with one defect each, of the kinds that stores do have."""

from tests.profile_store.broken_stores import (
    clocks,
    erasing,
    keeping,
    linking,
    merging,
    refusing,
    releasing,
    retaining,
    serving,
    telling,
)
from tests.profile_store.broken_stores.defect import CAUGHT_BY

__all__ = [
    "CAUGHT_BY",
    "clocks",
    "erasing",
    "keeping",
    "linking",
    "merging",
    "refusing",
    "releasing",
    "retaining",
    "serving",
    "telling",
]
