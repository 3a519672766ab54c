"""The whole store against a model: whatever is done, and in whatever order, ends the same."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from profile_store import ProfileKey, ProfileStore, Release, SlotWrite
from tests.conftest import OpenStore
from tests.profile_store.profile_model import User, seen

# Few users, slots, times and values, so that they meet.
USERS = st.sampled_from(["ann", "bob", "Ann"])
SLOTS = st.sampled_from(["name", "city"])
TIMES = st.integers(1, 6).map(float)
VALUES = st.sampled_from(["a", "b", 1, None])
WRITES = st.builds(SlotWrite, SLOTS, VALUES, TIMES)
RELEASES = st.builds(Release, SLOTS, TIMES)
FEW_WRITES = st.lists(WRITES, max_size=3)
FEW_RELEASES = st.lists(RELEASES, max_size=2)
SYNCS = st.tuples(USERS, FEW_WRITES, FEW_RELEASES)

RUNS = {"sqlite": 50, "postgresql": 25, "mariadb": 25}
ARRIVALS = 40

Sync = tuple[str, list[SlotWrite], list[Release]]


def limited(examples: int) -> settings:
    """Return how long to search: each example takes a database a while."""
    return settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to the model; each run has a namespace of its own."""

    def __init__(self, store: ProfileStore) -> None:
        super().__init__()
        self.store = store
        self.namespace = uuid.uuid4().hex
        self.loop = asyncio.new_event_loop()
        self.users: dict[str, User] = defaultdict(User)
        self.sent: list[Sync] = []

    def key(self, user: str) -> ProfileKey:
        return ProfileKey(self.namespace, user)

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(call)

    async def sync_all(self, syncs: list[Sync]) -> None:
        await asyncio.gather(
            *(self.store.sync(self.key(user), writes, releases) for user, writes, releases in syncs)
        )

    @rule(sync=SYNCS)
    def sync(self, sync: Sync) -> None:
        user, writes, releases = sync
        self.sent.append(sync)
        outcome = self.run(self.store.sync(self.key(user), writes, releases))
        self.users[user].sync(writes, releases)
        assert seen(outcome.profile) == self.users[user].seen()

    @rule(syncs=st.lists(SYNCS, min_size=2, max_size=5))
    def sync_at_once(self, syncs: list[Sync]) -> None:
        self.sent.extend(syncs)
        self.run(self.sync_all(syncs))
        for user, writes, releases in syncs:
            self.users[user].sync(writes, releases)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        user, writes, releases = data.draw(st.sampled_from(self.sent))
        self.run(self.store.store(self.key(user), writes, releases))
        self.users[user].sync(writes, releases)

    @rule(user=USERS, slots=st.none() | st.sets(SLOTS), at=TIMES)
    def forget(self, user: str, slots: set[str] | None, at: float) -> None:
        held = self.users[user].seen()
        receipt = self.run(self.store.forget(self.key(user), slots, at=at))
        assert receipt.slots == tuple(sorted(held if slots is None else slots & held.keys()))
        assert receipt.erased_at == self.users[user].forget(slots, at)

    @rule(source=USERS, to=USERS)
    def link(self, source: str, to: str) -> None:
        linked = self.run(self.store.link(self.key(source), self.key(to)))
        if source != to:
            self.users[source].link_to(self.users[to])
        assert seen(linked) == self.users[to].seen()

    @invariant()
    def profiles_are_the_models(self) -> None:
        for name, user in list(self.users.items()):
            profile = self.run(self.store.fetch(self.key(name)))
            assert seen(profile) == user.seen()
            assert profile.erased_at == user.erased_at

    @invariant()
    def the_history_holds_each_value_and_nothing_erased(self) -> None:
        for name, user in list(self.users.items()):
            history = self.run(self.store.history(self.key(name), limit=None))
            for write in history:
                assert write.written_at > user.last_erasure(write.slot)
            past = {(write.slot, write.written_at): write.value for write in history}
            for slot, (value, written_at, _) in user.seen().items():
                assert past[slot, written_at] == value

    def teardown(self) -> None:
        self.loop.close()


def test_a_store_does_what_the_model_does(open_store: OpenStore, backend: str) -> None:
    store = open_store()

    class Machine(StoreMachine):
        def __init__(self) -> None:
            super().__init__(store)

    run_state_machine_as_test(Machine, settings=limited(RUNS[backend]))


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Sync], list[list[Sync]]]:
    """Draw syncs, and two ways in which they arrive: shuffled, and some more than once."""
    syncs = draw(st.lists(SYNCS, min_size=1, max_size=8))
    arrivals = [
        draw(st.permutations([*syncs, *draw(st.lists(st.sampled_from(syncs), max_size=5))]))
        for _ in range(2)
    ]
    return syncs, arrivals


@pytest.fixture
def two_stores(open_store: OpenStore) -> list[ProfileStore]:
    """Two connections to one database, so that writes do race."""
    return [open_store(), open_store()]


async def deliver(stores: list[ProfileStore], namespace: str, syncs: list[Sync]) -> None:
    await asyncio.gather(
        *(
            stores[number % 2].sync(ProfileKey(namespace, user), writes, releases)
            for number, (user, writes, releases) in enumerate(syncs)
        )
    )


def run(call: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(call)
    finally:
        loop.close()


def test_any_order_of_arrival_ends_in_the_same_profile(
    two_stores: list[ProfileStore],
) -> None:
    async def check(syncs: list[Sync], arrivals: list[list[Sync]]) -> None:
        users: dict[str, User] = defaultdict(User)
        for name, writes, releases in syncs:
            users[name].sync(writes, releases)
        for arrival in arrivals:
            namespace = uuid.uuid4().hex
            await deliver(two_stores, namespace, arrival)
            for name, user in users.items():
                profile = await two_stores[0].fetch(ProfileKey(namespace, name))
                assert seen(profile) == user.seen()

    @limited(ARRIVALS)
    @given(deliveries())
    def search(drawn: tuple[list[Sync], list[list[Sync]]]) -> None:
        run(check(*drawn))

    search()


def test_any_order_of_arrival_around_an_erasure_ends_in_the_same_profile(
    two_stores: list[ProfileStore],
) -> None:
    """What the erasure covers may arrive before, during or after it; newer writes after it."""

    async def check(
        drawn: tuple[list[Sync], list[list[Sync]]], slots: set[str] | None, at: float
    ) -> None:
        syncs, arrivals = drawn
        users: dict[str, User] = defaultdict(User)
        for name in ("ann", "bob", "Ann"):
            users[name].forget(slots, at)
        for name, writes, releases in syncs:
            users[name].sync(writes, releases)
        for arrival in arrivals:
            namespace = uuid.uuid4().hex
            early = [
                (user, [write for write in writes if write.written_at <= at], releases)
                for user, writes, releases in arrival
            ]
            await asyncio.gather(
                deliver(two_stores, namespace, early),
                *(
                    two_stores[1].forget(ProfileKey(namespace, name), slots, at=at)
                    for name in users
                ),
            )
            await deliver(two_stores, namespace, arrival)
            for name, user in users.items():
                key = ProfileKey(namespace, name)
                assert seen(await two_stores[0].fetch(key)) == user.seen()
                for write in await two_stores[1].history(key, limit=None):
                    assert write.written_at > user.last_erasure(write.slot)

    @limited(ARRIVALS)
    @given(deliveries(), st.none() | st.sets(SLOTS), TIMES)
    def search(
        drawn: tuple[list[Sync], list[list[Sync]]], slots: set[str] | None, at: float
    ) -> None:
        run(check(drawn, slots, at))

    search()


def test_any_order_of_arrival_around_links_ends_in_the_same_profile(
    two_stores: list[ProfileStore],
) -> None:
    """Ann's writes arrive under her phone's id or her own, while the phone is being linked.

    One time means one value here: what is linked away leaves a tombstone, which wins over
    everything of its own time.
    """

    def of_its_time(sync: Sync) -> Sync:
        user, writes, releases = sync
        timed = [SlotWrite(write.slot, write.written_at, write.written_at) for write in writes]
        return "bob" if user == "bob" else "ann", timed, releases

    async def check(drawn: list[Sync], arrivals: list[list[Sync]]) -> None:
        ann = User()
        for _, writes, releases in map(of_its_time, drawn):
            ann.sync(writes, releases)
        for arrival in arrivals:
            namespace = uuid.uuid4().hex
            phone, target = ProfileKey(namespace, "bob"), ProfileKey(namespace, "ann")
            await asyncio.gather(
                deliver(two_stores, namespace, [of_its_time(sync) for sync in arrival]),
                *(store.link(phone, target) for store in two_stores),
            )
            await two_stores[0].link(phone, target)
            assert seen(await two_stores[1].fetch(target)) == ann.seen()

    @limited(ARRIVALS)
    @given(deliveries())
    def search(drawn: tuple[list[Sync], list[list[Sync]]]) -> None:
        run(check(*drawn))

    search()
