"""What every store promises about outages and about its end: an error, never an empty profile."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from profile_store import ProfileKey, ProfileStore, SlotWrite, StoreClosed, StoreUnavailable
from profile_store.conformance.contract import Contract
from profile_store.conformance.event_loop import in_own_event_loop

Call = Callable[[ProfileStore, ProfileKey], Coroutine[Any, Any, Any]]

CALLS: dict[str, Call] = {
    "fetch": lambda store, key: store.fetch(key),
    "store": lambda store, key: store.store(key, [SlotWrite("name", "Ann", 10.0)]),
    "sync": lambda store, key: store.sync(key),
    "forget": lambda store, key: store.forget(key, at=12.0),
    "link": lambda store, key: store.link(ProfileKey("bank", "phone-1"), key),
    "history": lambda store, key: store.history(key),
    "export": lambda store, key: store.export(key),
    "health": lambda store, key: store.health(),
}

each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@in_own_event_loop
class Availability(Contract):
    """An outage is told, a closed store refuses, and health says what a call would find."""

    async def test_a_store_that_can_be_used_is_healthy(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.health()
        await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
        await store.health()

    @each_call
    async def test_an_outage_is_an_error_and_never_an_empty_profile(
        self, unreachable_store: ProfileStore, ann: ProfileKey, call: Call
    ) -> None:
        with pytest.raises(StoreUnavailable):
            await call(unreachable_store, ann)

    async def test_an_outage_is_told_without_the_value(
        self, unreachable_store: ProfileStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        key = ProfileKey("bank", "customer-4711")
        with pytest.raises(StoreUnavailable) as told:
            await unreachable_store.store(key, [SlotWrite("name", "secret", 10.0)])
        for text in (str(told.value), caplog.text):
            assert "secret" not in text
            assert key.user_id not in text

    def test_a_store_may_be_closed_twice_and_before_it_was_used(self, store: ProfileStore) -> None:
        store.close()
        store.close()

    @each_call
    async def test_a_closed_store_refuses(
        self, store: ProfileStore, ann: ProfileKey, call: Call
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
        store.close()
        with pytest.raises(StoreClosed):
            await call(store, ann)
