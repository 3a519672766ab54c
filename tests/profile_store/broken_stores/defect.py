"""What a broken store is told with: the tests of the kit that must find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tests.profile_store.shared_memory import SharedMemoryStore

Store = TypeVar("Store", bound=type[SharedMemoryStore])

CAUGHT_BY: dict[type[SharedMemoryStore], tuple[str, ...]] = {}
"""Each broken store, with the tests that must fail on it."""


def caught_by(*tests: str) -> Callable[[Store], Store]:
    def register(store: Store) -> Store:
        CAUGHT_BY[store] = tests
        return store

    return register


def changed(record: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(record, **fields)
