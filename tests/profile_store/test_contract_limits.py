"""What every store promises about limits, refusals and odd keys."""

from __future__ import annotations

import datetime
import decimal
import math

import pytest

from profile_store import InvalidKey, ProfileKey, ProfileStore, Release, SlotWrite, Source
from tests.conftest import OpenStore

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

ODD_USERS = {
    "quotes": "'; DROP TABLE profile; --\"`",
    "backslash": "a\\'b\\",
    "percent": "%s %(user)s :user ? {0}",
    "emoji": "👩‍👩‍👧",
    "newline": "a\nb",
    "number": "123",
    "null": "null",
    "combining": "e\u0301",
    "255 characters": "x" * 255,
    "255 wide characters": "😀" * 255,
}

IMPOSSIBLE = {
    "empty": "",
    "1000 characters": "x" * 1000,
    "256 characters": "x" * 256,
    "NUL": "a\0b",
    "half a surrogate pair": "\udc00",
}

LOOKALIKES = ["ann", "Ann", "ANN", "ann ", " ann", "änn", "a\u0308nn", "ann\t", "a.nn"]


async def test_a_value_that_is_not_json_is_refused_and_named_and_the_rest_is_kept(
    store: ProfileStore, ann: ProfileKey
) -> None:
    bad = [SlotWrite(kind, value, 10.0) for kind, value in NOT_JSON.items()]
    outcome = await store.store(ann, [*bad, SlotWrite("good", 1, 10.0)])
    assert outcome.refused.keys() == NOT_JSON.keys()
    assert dict(outcome.profile) == {"good": 1}
    assert dict(await store.fetch(ann)) == {"good": 1}


async def test_a_value_may_be_as_large_as_the_limit_and_no_larger(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store(max_value_bytes=100)
    fits, too_large = "x" * 98, "x" * 99  # and two quotes
    outcome = await store.store(ann, [SlotWrite("a", fits, 10.0), SlotWrite("b", too_large, 10.0)])
    assert dict(outcome.profile) == {"a": fits}
    assert "101 bytes" in outcome.refused["b"]
    assert "max_value_bytes" in outcome.refused["b"]


async def test_a_value_of_64_kib_is_kept_by_default(store: ProfileStore, ann: ProfileKey) -> None:
    value = "x" * (65_536 - 2)
    await store.store(ann, [SlotWrite("large", value, 10.0)])
    assert (await store.fetch(ann))["large"] == value


async def test_a_refusal_does_not_repeat_the_value(store: ProfileStore, ann: ProfileKey) -> None:
    outcome = await store.store(
        ann, [SlotWrite("a", "secret" * 20_000, 10.0), SlotWrite("b", {"secret"}, 10.0)]
    )
    assert set(outcome.refused) == {"a", "b"}
    assert "secret" not in str(outcome.refused)


async def test_a_full_profile_refuses_a_new_slot_and_takes_a_write_to_an_old_one(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store(max_slots=2)
    await store.store(ann, [SlotWrite("a", 1, 10.0), SlotWrite("b", 1, 10.0)])
    outcome = await store.store(ann, [SlotWrite("c", 1, 11.0), SlotWrite("a", 2, 11.0)])
    assert "max_slots" in outcome.refused["c"]
    assert dict(await store.fetch(ann)) == {"a": 2, "b": 1}


async def test_one_users_full_profile_leaves_another_users_alone(
    open_store: OpenStore, ann: ProfileKey, bob: ProfileKey
) -> None:
    store = open_store(max_slots=1)
    await store.store(ann, [SlotWrite("a", 1, 10.0)])
    assert (await store.store(bob, [SlotWrite("b", 1, 10.0)])).refused == {}


async def test_an_odd_user_id_is_a_key_like_any_other(store: ProfileStore) -> None:
    keys = [ProfileKey("bank", user) for user in ODD_USERS.values()]
    for key in keys:
        await store.store(key, [SlotWrite("name", key.user_id, 10.0)])
        await store.store(key, [SlotWrite("name", f"{key.user_id}!", 11.0)])
    for key in keys:
        assert dict(await store.fetch(key)) == {"name": f"{key.user_id}!"}
        assert len(await store.history(key)) == 2
    for key in keys:
        assert (await store.forget(key, at=12.0)).slots == ("name",)
        assert dict(await store.fetch(key)) == {}


async def test_an_odd_namespace_is_a_namespace_like_any_other(store: ProfileStore) -> None:
    namespaces = [text[:64] for text in ODD_USERS.values()]
    for namespace in namespaces:
        await store.store(ProfileKey(namespace, "ann"), [SlotWrite("name", namespace, 10.0)])
    for namespace in namespaces:
        assert dict(await store.fetch(ProfileKey(namespace, "ann"))) == {"name": namespace}


async def test_an_odd_slot_name_is_a_name_like_any_other(
    store: ProfileStore, ann: ProfileKey
) -> None:
    slots = list(ODD_USERS.values())
    await store.store(ann, [SlotWrite(slot, slot, 10.0) for slot in slots])
    assert dict(await store.fetch(ann)) == {slot: slot for slot in slots}
    for slot in slots:
        assert [write.slot for write in await store.history(ann, slot)] == [slot]
    assert (await store.forget(ann, slots, at=12.0)).slots == tuple(sorted(slots))


async def test_users_who_differ_only_in_case_spaces_or_accents_are_different(
    store: ProfileStore,
) -> None:
    for user in LOOKALIKES:
        await store.store(ProfileKey("bank", user), [SlotWrite("name", user, 10.0)])
    fetched = [await store.fetch(ProfileKey("bank", user)) for user in LOOKALIKES]
    assert [profile["name"] for profile in fetched] == LOOKALIKES


async def test_slots_that_differ_only_in_case_spaces_or_accents_are_different(
    store: ProfileStore, ann: ProfileKey
) -> None:
    await store.store(ann, [SlotWrite(slot, slot, 10.0) for slot in LOOKALIKES])
    assert dict(await store.fetch(ann)) == {slot: slot for slot in LOOKALIKES}


@pytest.mark.parametrize("text", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_an_impossible_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidKey) as user_refused:
        ProfileKey("bank", text)
    with pytest.raises(InvalidKey):
        ProfileKey(text, "ann")
    assert not text or text not in str(user_refused.value)


async def test_an_impossible_slot_name_is_refused_and_the_rest_is_kept(
    store: ProfileStore, ann: ProfileKey
) -> None:
    slots = list(IMPOSSIBLE.values())
    bad = [SlotWrite(slot, 1, 10.0) for slot in slots]
    outcome = await store.store(
        ann, [*bad, SlotWrite("good", 1, 10.0)], [Release(slot, 10.0) for slot in slots]
    )
    assert list(outcome.refused) == slots
    assert dict(await store.fetch(ann)) == {"good": 1}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("slot", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
async def test_an_impossible_slot_name_cannot_be_asked_for(
    store: ProfileStore, ann: ProfileKey, slot: str
) -> None:
    with pytest.raises(InvalidKey):
        await store.forget(ann, [slot], at=12.0)
    with pytest.raises(InvalidKey):
        await store.history(ann, slot)


async def test_a_write_or_release_at_an_impossible_time_is_refused(
    store: ProfileStore, ann: ProfileKey
) -> None:
    impossible = [math.nan, math.inf, -math.inf, 0.0, -1.0]
    outcome = await store.store(
        ann,
        [SlotWrite("good", 1, 10.0), *(SlotWrite(f"write {at}", 1, at) for at in impossible)],
        [Release(f"release {at}", at) for at in impossible],
    )
    assert len(outcome.refused) == 2 * len(impossible)
    assert dict(await store.fetch(ann)) == {"good": 1}


async def test_a_write_from_an_odd_conversation_is_kept(
    store: ProfileStore, ann: ProfileKey
) -> None:
    writes = [
        SlotWrite(kind, 1, 10.0, Source("x" * 100, conversation, conversation))
        for kind, conversation in IMPOSSIBLE.items()
    ]
    outcome = await store.store(ann, writes)
    assert outcome.refused == {}
    assert {write.slot: write.source.conversation for write in await store.history(ann)} == {
        "empty": "",
        "1000 characters": "x" * 255,
        "256 characters": "x" * 255,
        "NUL": "a\N{REPLACEMENT CHARACTER}b",
        "half a surrogate pair": "\N{REPLACEMENT CHARACTER}",
    }


async def test_a_full_profile_refuses_a_new_slot_that_comes_alone(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store(max_slots=1)
    await store.store(ann, [SlotWrite("a", 1, 10.0)])
    outcome = await store.store(ann, [SlotWrite("b", 1, 11.0)])
    assert set(outcome.refused) == {"b"}
    assert dict(outcome.profile) == {"a": 1}
