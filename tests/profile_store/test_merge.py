"""The merge rule by itself: any order, grouping and repetition ends in the same state."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from profile_store import Profile, SlotState, merge

# Few times and values, so that they meet.
TIMES = st.sampled_from([1.0, 2.0, 3.0])
VALUES = st.sampled_from([b"1", b'"a"', b'"b"', b"[]"])
RELEASES = st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0])


def held(encoded: bytes, written_at: float, released_at: float) -> SlotState:
    return SlotState(encoded, written_at, released_at=released_at)


def erased(written_at: float, released_at: float) -> SlotState:
    return SlotState(written_at=written_at, erased=True, released_at=released_at)


STATES = st.one_of(
    st.builds(held, VALUES, TIMES, RELEASES),
    st.builds(erased, TIMES, RELEASES),
    st.builds(lambda released_at: SlotState(released_at=released_at), RELEASES),
)
NEWS = st.dictionaries(st.sampled_from(["a", "b", "c"]), STATES)


@given(STATES, STATES)
def test_merging_is_commutative(one: SlotState, other: SlotState) -> None:
    assert merge.merge(one, other) == merge.merge(other, one)


@given(STATES, STATES, STATES)
def test_merging_is_associative(one: SlotState, two: SlotState, three: SlotState) -> None:
    left = merge.merge(merge.merge(one, two), three)
    assert left == merge.merge(one, merge.merge(two, three))


@given(STATES, STATES)
def test_merging_is_idempotent(one: SlotState, other: SlotState) -> None:
    merged = merge.merge(one, other)
    assert merge.merge(one, one) == one
    assert merge.merge(merged, one) == merged
    assert merge.merge(merged, other) == merged


@given(st.lists(STATES, min_size=1).flatmap(lambda states: st.tuples(
    st.just(states), st.permutations(states), st.lists(st.sampled_from(states)))
))  # fmt: skip
def test_any_order_with_any_repetitions_ends_the_same(
    drawn: tuple[list[SlotState], list[SlotState], list[SlotState]],
) -> None:
    states, permuted, repeated = drawn
    assert functools.reduce(merge.merge, states) == functools.reduce(
        merge.merge, [*permuted, *repeated]
    )


@given(TIMES, TIMES, VALUES, VALUES, RELEASES)
def test_the_newer_value_wins(
    at: float, later: float, one: bytes, other: bytes, released: float
) -> None:
    merged = merge.merge(held(one, at, released), held(other, at + later, 0.0))
    assert (merged.encoded, merged.written_at) == (other, at + later)


@given(TIMES, VALUES, RELEASES)
def test_an_erasure_wins_over_a_value_of_the_same_time(
    at: float, value: bytes, released: float
) -> None:
    merged = merge.merge(held(value, at, released), erased(at, 0.0))
    assert (merged.erased, merged.encoded) == (True, b"")


@given(STATES, STATES)
def test_the_newest_release_is_kept_whatever_wins(one: SlotState, other: SlotState) -> None:
    assert merge.merge(one, other).released_at == max(one.released_at, other.released_at)


@given(STATES, STATES)
def test_no_value_is_made_up(one: SlotState, other: SlotState) -> None:
    merged = merge.merge(one, other)
    assert any(
        msgspec.structs.replace(state, released_at=merged.released_at) == merged
        for state in (one, other)
    )


@given(NEWS, NEWS, st.sampled_from([0.0, 2.0]))
def test_merging_into_a_profile_is_commutative(
    one: Mapping[str, SlotState], other: Mapping[str, SlotState], erased_at: float
) -> None:
    profile = Profile({}, erased_at)
    left = merge.merge_profile(merge.merge_profile(profile, one), other)
    right = merge.merge_profile(merge.merge_profile(profile, other), one)
    assert left.states == right.states


@given(NEWS, TIMES)
def test_what_an_erasure_of_the_profile_covers_stays_out(
    news: Mapping[str, SlotState], erased_at: float
) -> None:
    profile = merge.merge_profile(Profile({}, erased_at), news)
    assert all(profile.state(slot).written_at > erased_at for slot in profile)


@given(NEWS, NEWS, st.sampled_from([0.0, 2.0]))
def test_changes_are_what_merging_changes(
    before: Mapping[str, SlotState], news: Mapping[str, SlotState], erased_at: float
) -> None:
    profile = merge.merge_profile(Profile({}, erased_at), before)
    changed = merge.changes(profile, news)
    merged = merge.merge_profile(profile, news)
    assert merge.merge_profile(profile, changed).states.items() >= changed.items()
    for slot in news:
        assert merged.state(slot) == changed.get(slot, profile.state(slot))
