"""The kit on a store that is not of SQL: what is in docs/stores.md passes it."""

from __future__ import annotations

from typing import Any

from profile_store import StoreSettings
from profile_store.conformance import StoreConformance
from tests.profile_store.memory_store import MemoryStore


class TestMemoryStore(StoreConformance):
    no_second_store = "each has a memory of its own"
    no_reopening = "it is gone with its process"
    no_outage = "memory is always there"

    def open_store(self, database: Any, **limits: int) -> MemoryStore:
        return MemoryStore(StoreSettings(**limits))
