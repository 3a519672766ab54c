"""What every store promises about clocks: a bad one must not freeze a slot."""

from __future__ import annotations

import logging
import time

import pytest

from profile_store import ProfileKey, ProfileStore, Release, SlotWrite
from profile_store.arrivals import CLOCK_TOLERANCE
from profile_store.conformance.contract import Contract
from profile_store.conformance.event_loop import in_own_event_loop

HOUR = 3600.0
SLACK = 60.0
"""Seconds that the test and the database may take and differ."""


@in_own_event_loop
class Clocks(Contract):
    """A bad clock freezes no slot."""

    async def test_a_write_within_five_minutes_of_the_database_keeps_its_time(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        at = time.time() + CLOCK_TOLERANCE - SLACK
        await store.store(ann, [SlotWrite("name", "Ann", at)], clock=at)
        assert (await store.fetch(ann)).state("name").written_at == at

    async def test_a_write_far_ahead_of_the_database_is_set_back_to_the_tolerance(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        await store.store(ann, [SlotWrite("name", "Ann", time.time() + HOUR)])
        written_at = (await store.fetch(ann)).state("name").written_at
        assert abs(written_at - time.time() - CLOCK_TOLERANCE) < SLACK

    async def test_a_release_far_ahead_of_the_database_is_set_back_to_the_tolerance(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        now = time.time()
        await store.store(ann, [SlotWrite("a", 1, now)], [Release("a", now + HOUR)])
        released_at = (await store.fetch(ann)).state("a").released_at
        assert abs(released_at - time.time() - CLOCK_TOLERANCE) < SLACK

    async def test_an_erasure_far_ahead_of_the_database_is_set_back_to_the_tolerance(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        receipt = await store.forget(ann, at=time.time() + HOUR)
        assert abs(receipt.erased_at - time.time() - CLOCK_TOLERANCE) < SLACK
        assert (await store.fetch(ann)).erased_at == receipt.erased_at

    async def test_a_clock_that_is_ahead_is_set_back_and_the_order_of_its_writes_kept(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        ahead = time.time() + HOUR
        await store.store(
            ann, [SlotWrite("a", 1, ahead - 10), SlotWrite("b", 1, ahead)], clock=ahead
        )
        profile = await store.fetch(ann)
        assert abs(profile.state("b").written_at - time.time()) < SLACK
        assert profile.state("b").written_at - profile.state("a").written_at == pytest.approx(10)

    async def test_a_right_clock_wins_over_what_a_bad_one_wrote_before(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        ahead = time.time() + HOUR
        await store.store(ann, [SlotWrite("name", "frozen?", ahead)], clock=ahead)
        now = time.time()
        await store.store(ann, [SlotWrite("name", "Ann", now)], clock=now)
        assert (await store.fetch(ann))["name"] == "Ann"

    async def test_a_clock_that_is_behind_is_left_as_it_is(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        behind = time.time() - HOUR
        await store.store(ann, [SlotWrite("name", "Ann", behind)], clock=behind)
        assert (await store.fetch(ann)).state("name").written_at == behind

    async def test_a_clock_that_is_ahead_is_logged_without_the_value(
        self, store: ProfileStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        key = ProfileKey("bank", "customer-4711")
        ahead = time.time() + HOUR
        for clock in (None, ahead):
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                await store.store(key, [SlotWrite("name", "secret", ahead)], clock=clock)
            assert [record for record in caplog.records if "clock" in record.getMessage()]
            assert "secret" not in caplog.text
            assert key.user_id not in caplog.text

    async def test_an_erasure_by_a_fast_clock_swallows_nothing_that_comes_after_it(
        self, store: ProfileStore, ann: ProfileKey
    ) -> None:
        now = time.time()
        await store.forget(ann, at=now + HOUR, clock=now + HOUR)
        later = await store.store(ann, [SlotWrite("name", "Ann", now + 60)])
        assert dict(later.profile) == {"name": "Ann"}
