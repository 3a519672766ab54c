"""Stores in memory that share it as processes share a database, so that the kit lacks nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from profile_store import Profile, ProfileKey, SlotWrite, StoreSettings, StoreUnavailable
from profile_store.conformance import StoreConformance
from tests.profile_store.memory_store import MemoryStore


class Memory:
    """What the stores of one test share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.profiles: dict[ProfileKey, Profile] = {}
        self.histories: dict[ProfileKey, dict[tuple[str, float], SlotWrite]] = {}


class SharedMemoryStore(MemoryStore):
    """Profiles in memory that others share; where there is none, it is out of reach."""

    def __init__(self, config: StoreSettings, memory: Memory | None) -> None:
        super().__init__(config)
        self._reachable = memory is not None
        if memory is not None:
            self._lock = memory.lock
            self._profiles = memory.profiles
            self._histories = memory.histories

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        with super()._in_use():
            if not self._reachable:
                raise StoreUnavailable("There is no memory; make some.")
            yield


class SharedMemoryConformance(StoreConformance):
    """The kit on stores in memory; `kind` is the class of them."""

    kind: ClassVar[type[SharedMemoryStore]] = SharedMemoryStore

    @pytest.fixture
    def database(self) -> Memory:
        return Memory()

    def open_store(self, database: Memory, **limits: Any) -> SharedMemoryStore:
        return self.kind(StoreSettings(**limits), database)

    def open_unreachable_store(self, database: Memory) -> SharedMemoryStore:
        return self.kind(StoreSettings(), None)
