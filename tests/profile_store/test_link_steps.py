"""The two steps of a link: what comes between them, a crash or a write, loses nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from profile_store import ProfileKey, ProfileStore, SlotState, SlotWrite, StoreUnavailable, rows


@pytest.fixture
def phone() -> ProfileKey:
    """The anonymous conversation that turns out to be Ann's."""
    return ProfileKey("bank", "phone-1")


async def test_a_crash_between_the_two_steps_loses_nothing(
    store: ProfileStore, ann: ProfileKey, phone: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.store(phone, [SlotWrite("name", "Ann", 10.0)])

    def crash(*_: object) -> None:
        raise StoreUnavailable("The power went.")

    with monkeypatch.context() as patched:
        patched.setattr(rows, "erase_slots", crash)
        with pytest.raises(StoreUnavailable):
            await store.link(phone, ann)
    assert dict(await store.fetch(ann)) == {"name": "Ann"}
    assert dict(await store.fetch(phone)) == {"name": "Ann"}
    await store.link(phone, ann)
    assert dict(await store.fetch(ann)) == {"name": "Ann"}
    assert dict(await store.fetch(phone)) == {}


@pytest.mark.parametrize("at", [10.0, 11.0], ids=["as new", "newer"])
async def test_a_write_between_the_two_steps_waits_for_the_next_link(
    store: ProfileStore,
    ann: ProfileKey,
    phone: ProfileKey,
    monkeypatch: pytest.MonkeyPatch,
    at: float,
) -> None:
    await store.store(phone, [SlotWrite("name", "Ann", 10.0)])
    lock = rows.lock

    def write_before_the_second(connection: Any, keys: Iterable[ProfileKey], *rest: Any) -> None:
        if phone in keys:
            rows.write(connection, {phone: {"name": SlotState(b'"Anna"', at)}})
        lock(connection, keys, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(rows, "lock", write_before_the_second)
        assert dict(await store.link(phone, ann)) == {"name": "Ann"}
    assert dict(await store.fetch(phone)) == {"name": "Anna"}
    assert dict(await store.link(phone, ann)) == {"name": "Anna"}
