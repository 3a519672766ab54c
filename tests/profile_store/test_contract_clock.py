"""What every store promises about clocks: a bad one must not freeze a slot."""

from __future__ import annotations

import logging
import time

import pytest

from profile_store import ProfileKey, ProfileStore, Release, SlotWrite
from profile_store.sql_store import CLOCK_TOLERANCE

HOUR = 3600.0
SLACK = 60.0
"""Seconds that the test and the database may take and differ."""


async def test_a_write_within_five_minutes_of_the_database_keeps_its_time(
    store: ProfileStore, ann: ProfileKey
) -> None:
    at = time.time() + CLOCK_TOLERANCE - SLACK
    await store.store(ann, [SlotWrite("name", "Ann", at)], clock=at)
    assert (await store.fetch(ann)).state("name").written_at == at


async def test_a_write_far_ahead_of_the_database_is_set_back_to_the_tolerance(
    store: ProfileStore, ann: ProfileKey
) -> None:
    await store.store(ann, [SlotWrite("name", "Ann", time.time() + HOUR)])
    written_at = (await store.fetch(ann)).state("name").written_at
    assert abs(written_at - time.time() - CLOCK_TOLERANCE) < SLACK


async def test_a_release_far_ahead_of_the_database_is_set_back_to_the_tolerance(
    store: ProfileStore, ann: ProfileKey
) -> None:
    now = time.time()
    await store.store(ann, [SlotWrite("a", 1, now)], [Release("a", now + HOUR)])
    released_at = (await store.fetch(ann)).state("a").released_at
    assert abs(released_at - time.time() - CLOCK_TOLERANCE) < SLACK


async def test_an_erasure_far_ahead_of_the_database_is_set_back_to_the_tolerance(
    store: ProfileStore, ann: ProfileKey
) -> None:
    receipt = await store.forget(ann, at=time.time() + HOUR)
    assert abs(receipt.erased_at - time.time() - CLOCK_TOLERANCE) < SLACK
    assert (await store.fetch(ann)).erased_at == receipt.erased_at


async def test_a_clock_that_is_ahead_is_set_back_and_the_order_of_its_writes_kept(
    store: ProfileStore, ann: ProfileKey
) -> None:
    ahead = time.time() + HOUR
    await store.store(ann, [SlotWrite("a", 1, ahead - 10), SlotWrite("b", 1, ahead)], clock=ahead)
    profile = await store.fetch(ann)
    assert abs(profile.state("b").written_at - time.time()) < SLACK
    assert profile.state("b").written_at - profile.state("a").written_at == pytest.approx(10)


async def test_a_right_clock_wins_over_what_a_bad_one_wrote_before(
    store: ProfileStore, ann: ProfileKey
) -> None:
    ahead = time.time() + HOUR
    await store.store(ann, [SlotWrite("name", "frozen?", ahead)], clock=ahead)
    now = time.time()
    await store.store(ann, [SlotWrite("name", "Ann", now)], clock=now)
    assert (await store.fetch(ann))["name"] == "Ann"


async def test_a_clock_that_is_behind_is_left_as_it_is(
    store: ProfileStore, ann: ProfileKey
) -> None:
    behind = time.time() - HOUR
    await store.store(ann, [SlotWrite("name", "Ann", behind)], clock=behind)
    assert (await store.fetch(ann)).state("name").written_at == behind


async def test_a_clock_that_is_ahead_is_logged_without_the_value(
    store: ProfileStore, ann: ProfileKey, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = time.time() + HOUR
    with caplog.at_level(logging.WARNING, logger="profile_store"):
        await store.store(ann, [SlotWrite("name", "secret", ahead)])
        await store.store(ann, [SlotWrite("name", "secret", ahead)], clock=ahead)
    assert len(caplog.records) == 2
    assert all("clock" in record.getMessage() for record in caplog.records)
    assert "secret" not in caplog.text


async def test_an_erasure_by_a_fast_clock_swallows_nothing_that_comes_after_it(
    store: ProfileStore, ann: ProfileKey
) -> None:
    now = time.time()
    await store.forget(ann, at=now + HOUR, clock=now + HOUR)
    later = await store.store(ann, [SlotWrite("name", "Ann", now + 60)])
    assert dict(later.profile) == {"name": "Ann"}
