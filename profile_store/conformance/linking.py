"""What every store promises about linking: two profiles become one, and nothing is lost."""

from __future__ import annotations

import asyncio

import pytest

from profile_store import ProfileKey, ProfileStore, Release, SlotWrite, Source
from profile_store.conformance.contract import Contract, OpenStore
from profile_store.conformance.event_loop import in_own_event_loop


@in_own_event_loop
class Linking(Contract):
    """Two profiles become one, and nothing is lost."""

    async def test_a_linked_profile_is_merged_into_the_other(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("name", "new", 11.0), SlotWrite("city", "old", 9.0)])
        await store.store(ann, [SlotWrite("name", "old", 10.0), SlotWrite("city", "new", 10.0)])
        linked = await store.link(phone, ann)
        assert dict(linked) == {"name": "new", "city": "new"}
        assert dict(await store.fetch(ann)) == {"name": "new", "city": "new"}

    async def test_what_was_linked_is_erased_where_it_was(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("name", "Ann", 10.0)])
        await store.link(phone, ann)
        assert dict(await store.fetch(phone)) == {}
        assert await store.history(phone) == []

    async def test_what_was_linked_does_not_come_back_where_it_was(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("name", "Ann", 10.0)])
        await store.link(phone, ann)
        await store.store(phone, [SlotWrite("name", "Ann", 10.0)])
        assert dict(await store.fetch(phone)) == {}

    async def test_linking_keeps_the_history_with_its_provenance(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        source = Source("nlu", "action_ask_name", "phone-1")
        first, second = SlotWrite("name", "A", 9.0, source), SlotWrite("name", "Ann", 10.0, source)
        for write in (first, second):
            await store.store(phone, [write])
        await store.link(phone, ann)
        assert await store.history(ann) == [second, first]

    async def test_linking_brings_no_write_that_lost_into_the_history(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("name", "a", 11.0)])
        for write in (SlotWrite("name", "A", 10.0), SlotWrite("name", "b", 11.0)):
            await store.store(ann, [write])
        await store.link(phone, ann)
        assert [write.value for write in await store.history(ann)] == ["b", "A"]

    async def test_linking_keeps_a_release(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("amount", 5, 10.0)], [Release("amount", 11.0)])
        linked = await store.link(phone, ann)
        assert linked.state("amount").released

    async def test_a_release_that_came_before_its_write_is_linked_too(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, releases=[Release("amount", 11.0)])
        await store.link(phone, ann)
        await store.store(ann, [SlotWrite("amount", 5, 10.0)])
        assert (await store.fetch(ann)).state("amount").released

    async def test_linking_does_not_bring_back_what_the_target_has_erased(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("name", "Ann", 10.0), SlotWrite("city", "Bonn", 10.0)])
        await store.forget(ann, ["name"], at=10.0)
        linked = await store.link(phone, ann)
        assert dict(linked) == {"city": "Bonn"}
        assert await store.history(ann, "name") == []

    async def test_linking_does_not_bring_what_was_erased_into_a_history_that_went_on(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("name", "secret", 4.0)])
        await store.forget(ann, ["name"], at=5.0)
        await store.store(ann, [SlotWrite("name", "Ann", 6.0)])
        await store.link(phone, ann)
        assert [write.value for write in await store.history(ann)] == ["Ann"]

    async def test_linking_both_ways_moves_the_profile_there_and_back(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("name", "Ann", 10.0)])
        await store.store(ann, [SlotWrite("city", "Bonn", 10.0)])
        await store.link(phone, ann)
        assert dict(await store.link(ann, phone)) == {"name": "Ann", "city": "Bonn"}
        assert dict(await store.fetch(phone)) == {"name": "Ann", "city": "Bonn"}
        assert dict(await store.fetch(ann)) == {}

    async def test_linking_again_changes_nothing(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("name", "Ann", 10.0)])
        await store.link(phone, ann)
        before = await store.export(ann), await store.export(phone)
        await store.link(phone, ann)
        assert (await store.export(ann), await store.export(phone)) == before

    async def test_linking_a_profile_to_itself_changes_nothing(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
        assert dict(await store.link(ann, ann)) == {"name": "Ann"}
        assert dict(await store.fetch(ann)) == {"name": "Ann"}

    async def test_linking_a_user_who_is_not_known_changes_nothing(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
        assert dict(await store.link(phone, ann)) == {"name": "Ann"}

    async def test_what_was_linked_away_comes_back_after_an_erasure_of_that_very_moment(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        await store.store(phone, [SlotWrite("name", "Ann", 10.0)])
        await store.link(phone, ann)
        await store.forget(phone, {"name"}, at=10.0)  # there is nothing to erase any more
        assert dict(await store.link(ann, phone)) == {"name": "Ann"}

    @pytest.mark.parametrize(("theirs", "ours"), [("a", "b"), ("b", "a")])
    async def test_of_two_linked_histories_the_same_write_of_one_time_stays(
        self, store: ProfileStore, ann: ProfileKey, phone: ProfileKey, theirs: str, ours: str
    ) -> None:
        for at, value in [(9.0, "first"), (10.0, ours), (13.0, "last")]:
            await store.store(ann, [SlotWrite("name", value, at)])
        for at, value in [(10.0, theirs), (12.0, "between")]:
            await store.store(phone, [SlotWrite("name", value, at)])
        await store.link(phone, ann)
        history = [write.value for write in await store.history(ann, "name")]
        assert history == ["last", "between", "b", "first"]

    async def test_links_at_once_lose_nothing(
        self, two_writers: tuple[ProfileStore, ProfileStore], ann: ProfileKey, phone: ProfileKey
    ) -> None:
        one, other = two_writers
        await asyncio.gather(
            *(
                store.store(phone, [SlotWrite(f"slot {number}", number, 10.0)])
                for number, store in enumerate([one, other] * 20)
            ),
            *(store.link(phone, ann) for store in [one, other] * 5),
        )
        await one.link(phone, ann)
        assert dict(await other.fetch(ann)) == {f"slot {number}": number for number in range(40)}

    async def test_a_slot_for_which_the_target_has_no_room_stays_where_it_was(
        self, open_limited: OpenStore, ann: ProfileKey, phone: ProfileKey
    ) -> None:
        store = open_limited(max_slots=1)
        await store.store(ann, [SlotWrite("city", "Bonn", 10.0)])
        await store.store(phone, [SlotWrite("name", "Ann", 10.0)])
        assert dict(await store.link(phone, ann)) == {"city": "Bonn"}
        assert dict(await store.fetch(phone)) == {"name": "Ann"}
