"""Whatever the order of arrival, and however often things arrive, the profile is the same."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from profile_store import ProfileKey, ProfileStore, SlotWrite
from profile_store.conformance import event_loop
from profile_store.conformance.contract import Contract
from profile_store.conformance.drawing import SLOTS, SYNCS, TIMES, Sync, limited
from profile_store.conformance.model import User, seen

TwoStores = tuple[ProfileStore, ProfileStore]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Sync], list[list[Sync]]]:
    """Draw syncs, and two ways in which they arrive: shuffled, and some more than once."""
    syncs = draw(st.lists(SYNCS, min_size=1, max_size=8))
    arrivals = [
        draw(st.permutations([*syncs, *draw(st.lists(st.sampled_from(syncs), max_size=5))]))
        for _ in range(2)
    ]
    return syncs, arrivals


async def deliver(stores: TwoStores, namespace: str, syncs: list[Sync]) -> None:
    """Let syncs arrive at two stores in turn, all at once."""
    await asyncio.gather(
        *(
            stores[number % 2].sync(ProfileKey(namespace, user), writes, releases)
            for number, (user, writes, releases) in enumerate(syncs)
        )
    )


class Ordering(Contract):
    """Any order of arrival at two stores ends in the same profile."""

    def test_any_order_of_arrival_ends_in_the_same_profile(self, two_writers: TwoStores) -> None:
        async def check(syncs: list[Sync], arrivals: list[list[Sync]]) -> None:
            users: dict[str, User] = defaultdict(User)
            for name, writes, releases in syncs:
                users[name].sync(writes, releases)
            for arrival in arrivals:
                namespace = uuid.uuid4().hex
                await deliver(two_writers, namespace, arrival)
                for name, user in users.items():
                    profile = await two_writers[0].fetch(ProfileKey(namespace, name))
                    assert seen(profile) == user.seen()

        @limited(self.ordering_runs)
        @given(deliveries())
        def search(drawn: tuple[list[Sync], list[list[Sync]]]) -> None:
            event_loop.run(check(*drawn))

        search()

    def test_any_order_of_arrival_around_an_erasure_ends_in_the_same_profile(
        self, two_writers: TwoStores
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
                    deliver(two_writers, namespace, early),
                    *(
                        two_writers[1].forget(ProfileKey(namespace, name), slots, at=at)
                        for name in users
                    ),
                )
                await deliver(two_writers, namespace, arrival)
                for name, user in users.items():
                    key = ProfileKey(namespace, name)
                    assert seen(await two_writers[0].fetch(key)) == user.seen()
                    for write in await two_writers[1].history(key, limit=None):
                        assert write.written_at > user.last_erasure(write.slot)

        @limited(self.ordering_runs)
        @given(deliveries(), st.none() | st.sets(SLOTS), TIMES)
        def search(
            drawn: tuple[list[Sync], list[list[Sync]]], slots: set[str] | None, at: float
        ) -> None:
            event_loop.run(check(drawn, slots, at))

        search()

    def test_any_order_of_arrival_around_links_ends_in_the_same_profile(
        self, two_writers: TwoStores
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
                    deliver(two_writers, namespace, [of_its_time(sync) for sync in arrival]),
                    *(store.link(phone, target) for store in two_writers),
                )
                await two_writers[0].link(phone, target)
                assert seen(await two_writers[1].fetch(target)) == ann.seen()

        @limited(self.ordering_runs)
        @given(deliveries())
        def search(drawn: tuple[list[Sync], list[list[Sync]]]) -> None:
            event_loop.run(check(*drawn))

        search()
