"""What every store promises about keys: an odd one is a key like any other, and no two are one."""

from __future__ import annotations

import pytest

from profile_store import InvalidKey, ProfileKey, ProfileStore, Release, SlotWrite, Source
from profile_store.conformance.contract import Contract
from profile_store.conformance.event_loop import in_own_event_loop

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


@in_own_event_loop
class Keys(Contract):
    """Odd users, namespaces and slots are kept apart; impossible ones are refused."""

    async def test_an_odd_user_id_is_a_key_like_any_other(self, store: ProfileStore) -> None:
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

    async def test_an_odd_namespace_is_a_namespace_like_any_other(
        self, store: ProfileStore
    ) -> None:
        namespaces = [text[:64] for text in ODD_USERS.values()]
        for namespace in namespaces:
            await store.store(ProfileKey(namespace, "ann"), [SlotWrite("name", namespace, 10.0)])
        for namespace in namespaces:
            assert dict(await store.fetch(ProfileKey(namespace, "ann"))) == {"name": namespace}

    async def test_an_odd_slot_name_is_a_name_like_any_other(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        slots = list(ODD_USERS.values())
        await store.store(ann, [SlotWrite(slot, slot, 10.0) for slot in slots])
        assert dict(await store.fetch(ann)) == {slot: slot for slot in slots}
        for slot in slots:
            assert [write.slot for write in await store.history(ann, slot)] == [slot]
        assert (await store.forget(ann, slots, at=12.0)).slots == tuple(sorted(slots))

    async def test_users_who_differ_only_in_case_spaces_or_accents_are_different(
        self, store: ProfileStore
    ) -> None:
        for user in LOOKALIKES:
            await store.store(ProfileKey("bank", user), [SlotWrite("name", user, 10.0)])
        fetched = [await store.fetch(ProfileKey("bank", user)) for user in LOOKALIKES]
        assert [profile["name"] for profile in fetched] == LOOKALIKES

    async def test_slots_that_differ_only_in_case_spaces_or_accents_are_different(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite(slot, slot, 10.0) for slot in LOOKALIKES])
        assert dict(await store.fetch(ann)) == {slot: slot for slot in LOOKALIKES}

    async def test_an_impossible_slot_name_is_refused_and_the_rest_is_kept(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        slots = list(IMPOSSIBLE.values())
        bad = [SlotWrite(slot, 1, 10.0) for slot in slots]
        outcome = await store.store(
            ann, [*bad, SlotWrite("good", 1, 10.0)], [Release(slot, 10.0) for slot in slots]
        )
        assert list(outcome.refused) == slots
        assert dict(await store.fetch(ann)) == {"good": 1}

    @pytest.mark.parametrize("slot", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
    async def test_an_impossible_slot_name_cannot_be_asked_for(
        self, store: ProfileStore, ann: ProfileKey, slot: str
    ) -> None:
        with pytest.raises(InvalidKey):
            await store.forget(ann, [slot], at=12.0)
        with pytest.raises(InvalidKey):
            await store.history(ann, slot)

    async def test_a_write_from_an_odd_conversation_is_kept(
        self, store: ProfileStore, ann: ProfileKey
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
