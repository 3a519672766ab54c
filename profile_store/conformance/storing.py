"""What every store promises about fetching, storing and syncing."""

from __future__ import annotations

import asyncio
from concurrent import futures

import pytest

from profile_store import ProfileKey, ProfileStore, SlotWrite, Source
from profile_store.conformance import event_loop
from profile_store.conformance.contract import Contract, OpenStore
from profile_store.conformance.event_loop import in_own_event_loop

VALUES = {
    "text": "Ann",
    "empty text": "",
    "emoji": "💶 für 三",
    "NUL": "a\0b",
    "half a surrogate pair": "\ud83d",
    "integer": 10**15,
    "large integer": 2**80,
    "float": 0.1,
    "true": True,
    "false": False,
    "zero": 0,
    "null": None,
    "list": [1, [2, "three"], None],
    "object": {"iban": "DE00", "nested": {"a": [1.5]}},
}


@in_own_event_loop
class Storing(Contract):
    """What was stored is fetched, and the newest write stays."""

    @pytest.mark.parametrize("time", ["once", "again"])
    async def test_every_test_begins_with_an_empty_database(
        self, store: ProfileStore, ann: ProfileKey, time: str
    ) -> None:
        exported = await store.export(ann)
        assert (exported["slots"], exported["history"], exported["erased_at"]) == ({}, [], None)
        await store.store(ann, [SlotWrite("name", time, 10.0)])

    async def test_a_user_who_is_not_known_has_an_empty_profile(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        profile = await store.fetch(ann)
        assert dict(profile) == {}
        assert profile.erased_at == 0

    async def test_what_was_stored_is_fetched(self, store: ProfileStore, ann: ProfileKey) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0), SlotWrite("city", "Bonn", 11.0)])
        assert dict(await store.fetch(ann)) == {"name": "Ann", "city": "Bonn"}

    async def test_a_json_value_comes_back_as_it_was(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite(kind, value, 10.0) for kind, value in VALUES.items()])
        fetched = dict(await store.fetch(ann))
        assert fetched == VALUES
        # 1, 1.0 and True are equal, and not the same
        assert {kind: type(value) for kind, value in fetched.items()} == {
            kind: type(value) for kind, value in VALUES.items()
        }

    async def test_store_answers_with_the_merged_profile(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
        outcome = await store.store(ann, [SlotWrite("city", "Bonn", 11.0)])
        assert dict(outcome.profile) == {"name": "Ann", "city": "Bonn"}
        assert outcome.refused == {}

    async def test_the_newer_write_stays_when_it_comes_second(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "old", 10.0)])
        await store.store(ann, [SlotWrite("name", "new", 11.0)])
        assert (await store.fetch(ann))["name"] == "new"

    async def test_the_newer_write_stays_when_it_comes_first(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "new", 11.0)])
        outcome = await store.store(ann, [SlotWrite("name", "old", 10.0)])
        assert outcome.profile["name"] == "new"
        assert (await store.fetch(ann))["name"] == "new"

    async def test_the_newest_of_several_writes_in_one_call_stays(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        writes = [
            SlotWrite("name", value, at) for value, at in [("b", 2.0), ("c", 3.0), ("a", 1.0)]
        ]
        await store.store(ann, writes)
        assert (await store.fetch(ann))["name"] == "c"

    @pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
    async def test_of_two_writes_at_one_time_the_same_stays_in_either_order(
        self, store: ProfileStore, ann: ProfileKey, order: tuple[str, str]
    ) -> None:
        for value in order:
            await store.store(ann, [SlotWrite("name", value, 10.0)])
        assert (await store.fetch(ann))["name"] == "b"

    async def test_a_write_that_is_repeated_changes_nothing(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        first = Source("calm", "action_ask_name", "phone-1")
        await store.store(ann, [SlotWrite("name", "Ann", 10.0, first)])
        await store.store(ann, [SlotWrite("name", "Ann", 10.0, Source("nlu", None, "web-2"))])
        assert (await store.fetch(ann)).state("name").source == first
        assert len(await store.history(ann)) == 1

    async def test_times_are_kept_to_the_last_bit(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        at = 1_700_000_000.123_456_7
        await store.store(ann, [SlotWrite("name", "Ann", at)])
        assert (await store.fetch(ann)).state("name").written_at == at

    async def test_sync_writes_and_reads_in_one_call(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0), SlotWrite("city", "Bonn", 10.0)])
        outcome = await store.sync(
            ann, [SlotWrite("name", "old", 9.0), SlotWrite("city", "Köln", 11)]
        )
        assert dict(outcome.profile) == {"name": "Ann", "city": "Köln"}

    async def test_two_users_do_not_see_each_other(
        self, store: ProfileStore, ann: ProfileKey, bob: ProfileKey
    ) -> None:
        await asyncio.gather(
            *(
                store.store(key, [SlotWrite("name", key.user_id, float(at))])
                for at in range(1, 20)
                for key in (ann, bob)
            )
        )
        assert dict(await store.fetch(ann)) == {"name": "ann"}
        assert dict(await store.fetch(bob)) == {"name": "bob"}

    async def test_two_namespaces_do_not_see_each_other(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        elsewhere = ProfileKey("insurance", ann.user_id)
        await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
        assert dict(await store.fetch(elsewhere)) == {}

    async def test_calls_made_at_once_are_each_answered_with_their_own_write(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        async def write(number: int) -> object:
            outcome = await store.store(ann, [SlotWrite(f"slot {number}", number, 10.0)])
            return outcome.profile[f"slot {number}"]

        answers = await asyncio.gather(*(write(number) for number in range(100)))
        assert answers == list(range(100))
        assert len(await store.fetch(ann)) == 100

    async def test_another_store_sees_what_was_acknowledged(
        self, store: ProfileStore, another_store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
        assert (await another_store.fetch(ann))["name"] == "Ann"

    async def test_a_store_sees_what_another_changed_after_it_had_looked(
        self, store: ProfileStore, another_store: ProfileStore, ann: ProfileKey
    ) -> None:
        for number in range(1, 4):
            await store.store(ann, [SlotWrite("name", number, float(number))])
            assert (await another_store.fetch(ann))["name"] == number

    async def test_what_was_acknowledged_outlives_the_store(
        self, open_again: OpenStore, ann: ProfileKey
    ) -> None:
        first = open_again()
        await first.store(ann, [SlotWrite("name", "Ann", 10.0), SlotWrite("city", "Bonn", 10.0)])
        await first.forget(ann, ["city"], at=11.0)
        first.close()
        second = open_again()
        assert dict(await second.fetch(ann)) == {"name": "Ann"}
        assert [write.value for write in await second.history(ann)] == ["Ann"]
        await second.store(ann, [SlotWrite("city", "late", 11.0)])
        assert dict(await second.fetch(ann)) == {"name": "Ann"}

    def test_a_store_may_be_called_from_any_event_loop(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        event_loop.run(store.store(ann, [SlotWrite("name", "Ann", 10.0)]))
        assert dict(event_loop.run(store.fetch(ann))) == {"name": "Ann"}

    def test_a_store_may_be_called_from_many_event_loops_at_once(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        async def write(thread: int) -> None:
            for number in range(10):
                await store.store(ann, [SlotWrite(f"slot {thread} {number}", number, 10.0)])

        with futures.ThreadPoolExecutor(4) as threads:
            for done in [threads.submit(event_loop.run, write(thread)) for thread in range(4)]:
                done.result()
        assert len(event_loop.run(store.fetch(ann))) == 40
