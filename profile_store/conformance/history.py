"""What every store promises about the history of a profile, and about its export."""

from __future__ import annotations

import json

import pytest

from profile_store import ProfileKey, ProfileStore, Release, SlotWrite, Source
from profile_store.conformance.contract import Contract
from profile_store.conformance.event_loop import in_own_event_loop

CALM = Source("calm", "action_transfer_money", "web-7")
NLU = Source("nlu", "action_list_contacts", "phone-1")


@in_own_event_loop
class History(Contract):
    """A profile's past and its export: all that is kept, and no more."""

    async def test_the_history_holds_each_change_with_its_provenance_newest_first(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        first, second = SlotWrite("name", "A", 10.0, NLU), SlotWrite("name", "Ann", 11.0, CALM)
        for write in (first, second):
            await store.store(ann, [write])
        assert await store.history(ann) == [second, first]

    async def test_a_profile_tells_where_a_value_is_from(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 11.0, CALM)])
        assert (await store.fetch(ann)).state("name").source == CALM

    async def test_a_write_of_unknown_provenance_is_kept_as_such(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 11.0)])
        assert (await store.history(ann))[0].source == Source(None, None, None)

    async def test_a_write_that_lost_is_not_in_the_history(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "new", 11.0)])
        await store.store(ann, [SlotWrite("name", "old", 10.0)])
        assert [write.value for write in await store.history(ann)] == ["new"]

    async def test_of_two_writes_at_one_time_the_winner_is_in_the_history(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "a", 10.0, NLU)])
        await store.store(ann, [SlotWrite("name", "b", 10.0, CALM)])
        assert await store.history(ann) == [SlotWrite("name", "b", 10.0, CALM)]

    async def test_the_history_of_one_slot_leaves_out_the_others(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0), SlotWrite("city", "Bonn", 11.0)])
        assert [write.slot for write in await store.history(ann, "name")] == ["name"]

    async def test_a_limit_keeps_the_newest_of_the_history(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        for number in range(1, 6):
            await store.store(ann, [SlotWrite("count", number, float(number))])
        assert [write.value for write in await store.history(ann, limit=2)] == [5, 4]
        assert len(await store.history(ann, limit=None)) == 5

    async def test_the_history_of_a_user_who_is_not_known_is_empty(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        assert await store.history(ann) == []

    async def test_an_export_is_all_that_is_kept_about_a_user(
        self, store: ProfileStore, ann: ProfileKey, bob: ProfileKey
    ) -> None:
        await store.store(bob, [SlotWrite("name", "Bob", 10.0)])
        await store.store(ann, [SlotWrite("name", "Ann", 10.0, CALM)], [Release("name", 11.0)])
        await store.forget(ann, ["city"], at=12.0)
        calm = {"system": "calm", "action": "action_transfer_money", "conversation": "web-7"}
        unknown = {"system": None, "action": None, "conversation": None}
        assert await store.export(ann) == {
            "namespace": "bank",
            "user_id": "ann",
            "erased_at": None,
            "slots": {
                "name": {
                    "value": "Ann", "written_at": 10.0, "released_at": 11.0, "erased": False,
                    **calm,
                },
                "city": {
                    "value": None, "written_at": 12.0, "released_at": None, "erased": True,
                    **unknown,
                },
            },
            "history": [{"slot": "name", "value": "Ann", "written_at": 10.0, **calm}],
        }  # fmt: skip

    async def test_an_export_tells_of_the_erasure_of_a_profile(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
        await store.forget(ann, at=12.0)
        assert await store.export(ann) == {
            "namespace": "bank", "user_id": "ann", "erased_at": 12.0, "slots": {}, "history": []
        }  # fmt: skip

    @pytest.mark.parametrize("value", ["💶", [1, None, {"a": 0.1}]])
    async def test_an_export_is_json(
        self, store: ProfileStore, ann: ProfileKey, value: object
    ) -> None:
        await store.store(ann, [SlotWrite("slot", value, 10.0)])
        exported = await store.export(ann)
        assert json.loads(json.dumps(exported)) == exported
