"""What arrives: a refusal says what is wrong with a value, and by how much, without the value."""

from __future__ import annotations

from profile_store import Release, SlotWrite, arrivals


def refusals(*writes: SlotWrite, releases: tuple[Release, ...] = ()) -> dict[str, str]:
    refused: dict[str, str] = {}
    arrivals.states(writes, releases, refused, clock=None, now=100.0, max_value_bytes=100)
    return refused


def test_a_value_that_is_too_large_is_refused_with_its_size_and_the_setting() -> None:
    assert refusals(SlotWrite("a", "x" * 99, 10.0)) == {
        "a": "The value has 101 bytes as JSON, at most 100 are kept "
        "(profile_store.max_value_bytes)."
    }


def test_an_impossible_time_is_refused_for_writes_and_releases_alike() -> None:
    said = "The time is not a number of seconds since 1970; correct it."
    releases = (Release("b", float("nan")),)
    assert refusals(SlotWrite("a", 1, -1.0), releases=releases) == {"a": said, "b": said}


def test_a_slot_without_a_name_is_refused() -> None:
    assert refusals(SlotWrite("", 1, 10.0)) == {
        "": "The slot's name is empty or not text; give every profile one."
    }
