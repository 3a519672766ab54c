"""What every store promises about limits: what is refused is named, and the rest is kept."""

from __future__ import annotations

import datetime
import decimal
import math

from profile_store import ProfileKey, ProfileStore, Release, SlotWrite
from profile_store.conformance.contract import Contract, OpenStore
from profile_store.conformance.event_loop import in_own_event_loop

NOT_JSON = {
    "NaN": math.nan,
    "infinity": [math.inf],
    "set": {1},
    "date": datetime.date(2024, 1, 1),
    "decimal": decimal.Decimal(1),
    "bytes": b"x",
    "number as key": {1: 2},
    "object": object(),
}


@in_own_event_loop
class Limits(Contract):
    """What cannot be kept is refused by name, and keeps nothing else from being stored."""

    async def test_a_value_that_is_not_json_is_refused_and_named_and_the_rest_is_kept(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        bad = [SlotWrite(kind, value, 10.0) for kind, value in NOT_JSON.items()]
        outcome = await store.store(ann, [*bad, SlotWrite("good", 1, 10.0)])
        assert outcome.refused.keys() == NOT_JSON.keys()
        assert dict(outcome.profile) == {"good": 1}
        assert dict(await store.fetch(ann)) == {"good": 1}

    async def test_a_value_may_be_as_large_as_the_limit_and_no_larger(
        self, open_limited: OpenStore, ann: ProfileKey
    ) -> None:
        store = open_limited(max_value_bytes=100)
        fits, too_large = "x" * 98, "x" * 99  # and two quotes
        outcome = await store.store(
            ann, [SlotWrite("a", fits, 10.0), SlotWrite("b", too_large, 10.0)]
        )
        assert dict(outcome.profile) == {"a": fits}
        assert "max_value_bytes" in outcome.refused["b"]

    async def test_a_value_of_64_kib_is_kept_by_default(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        value = "x" * (65_536 - 2)
        await store.store(ann, [SlotWrite("large", value, 10.0)])
        assert (await store.fetch(ann))["large"] == value

    async def test_a_refusal_does_not_repeat_the_value(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        outcome = await store.store(ann, [SlotWrite("a", {"secret"}, 10.0)])
        assert set(outcome.refused) == {"a"}
        assert "secret" not in str(outcome.refused)

    async def test_a_refusal_does_not_repeat_a_value_that_is_too_large(
        self, open_limited: OpenStore, ann: ProfileKey
    ) -> None:
        store = open_limited()
        outcome = await store.store(ann, [SlotWrite("a", "secret" * 20_000, 10.0)])
        assert set(outcome.refused) == {"a"}
        assert "secret" not in str(outcome.refused)

    async def test_a_full_profile_refuses_a_new_slot_and_takes_a_write_to_an_old_one(
        self, open_limited: OpenStore, ann: ProfileKey
    ) -> None:
        store = open_limited(max_slots=2)
        await store.store(ann, [SlotWrite("a", 1, 10.0), SlotWrite("b", 1, 10.0)])
        outcome = await store.store(ann, [SlotWrite("c", 1, 11.0), SlotWrite("a", 2, 11.0)])
        assert "max_slots" in outcome.refused["c"]
        assert dict(await store.fetch(ann)) == {"a": 2, "b": 1}

    async def test_one_users_full_profile_leaves_another_users_alone(
        self, open_limited: OpenStore, ann: ProfileKey, bob: ProfileKey
    ) -> None:
        store = open_limited(max_slots=1)
        await store.store(ann, [SlotWrite("a", 1, 10.0)])
        assert (await store.store(bob, [SlotWrite("b", 1, 10.0)])).refused == {}

    async def test_a_write_or_release_at_an_impossible_time_is_refused(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        impossible = [math.nan, math.inf, -math.inf, 0.0, -1.0]
        outcome = await store.store(
            ann,
            [SlotWrite("good", 1, 10.0), *(SlotWrite(f"write {at}", 1, at) for at in impossible)],
            [Release(f"release {at}", at) for at in impossible],
        )
        assert len(outcome.refused) == 2 * len(impossible)
        assert dict(await store.fetch(ann)) == {"good": 1}

    async def test_a_full_profile_refuses_a_new_slot_that_comes_alone(
        self, open_limited: OpenStore, ann: ProfileKey
    ) -> None:
        store = open_limited(max_slots=1)
        await store.store(ann, [SlotWrite("a", 1, 10.0)])
        outcome = await store.store(ann, [SlotWrite("b", 1, 11.0)])
        assert set(outcome.refused) == {"b"}
        assert dict(outcome.profile) == {"a": 1}
