"""Which slots a profile puts back, and which it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from coexistence.hydration import hydrate, same
from coexistence.shared_slots import DomainSlots
from profile_store import Profile, SlotState
from profile_store.values import encode
from tests.coexistence.events import DOMAIN, empty_slots

SHARED = DomainSlots(DOMAIN).shared


def profile(**states: SlotState) -> Profile:
    return Profile(states)


def live(value: Any) -> SlotState:
    return SlotState(encode(value), 10.0)


def asleep(value: Any) -> SlotState:
    return SlotState(encode(value), 10.0, released_at=11.0)


ERASED = SlotState(written_at=10.0, erased=True)


def set_slots(kept: Profile, slots: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    events = hydrate(kept, SHARED, {**empty_slots(), **(slots or {})}, **options)
    return {event["name"]: event["value"] for event in events}


def test_a_value_that_the_tracker_lacks_comes_back() -> None:
    assert set_slots(profile(name=live("Ann"))) == {"name": "Ann"}


def test_a_value_that_the_tracker_has_is_not_set_again() -> None:
    assert set_slots(profile(name=live("Ann")), {"name": "Ann"}) == {}


def test_a_newer_value_replaces_the_tracker_s() -> None:
    assert set_slots(profile(name=live("Bea")), {"name": "Ann"}) == {"name": "Bea"}


def test_a_value_replaces_the_initial_value() -> None:
    assert set_slots(profile(limit=live(50))) == {"limit": 50}


def test_hydration_is_tagged() -> None:
    (event,) = hydrate(profile(name=live("Ann")), SHARED, {})
    assert event["metadata"] == {"profile_store": {"hydrated": True}}


def test_a_released_slot_is_left_alone_by_automatic_hydration() -> None:
    assert set_slots(profile(name=asleep("Ann"))) == {}


def test_an_explicit_fetch_brings_a_released_slot_back() -> None:
    assert set_slots(profile(name=asleep("Ann")), explicit=True) == {"name": "Ann"}


def test_an_erased_slot_is_emptied() -> None:
    assert set_slots(profile(name=ERASED), {"name": "Ann"}) == {"name": None}


def test_an_erased_slot_with_its_initial_value_is_empty_enough() -> None:
    assert set_slots(profile(limit=ERASED)) == {}


def test_an_erased_profile_empties_slots_that_it_never_held() -> None:
    assert set_slots(Profile(erased_at=10.0), {"name": "Ann"}) == {"name": None}


def test_while_a_skill_runs_only_empty_slots_are_filled() -> None:
    kept = profile(name=live("Bea"), tier=live("gold"))
    assert set_slots(kept, {"name": "Ann"}, busy=True) == {"tier": "gold"}


def test_while_a_skill_runs_nothing_is_emptied() -> None:
    assert set_slots(profile(name=ERASED), {"name": "Ann"}, busy=True) == {}


def test_an_explicit_fetch_changes_slots_while_a_skill_runs() -> None:
    assert set_slots(profile(name=live("Bea")), {"name": "Ann"}, busy=True, explicit=True) == {
        "name": "Bea"
    }


def test_slots_to_leave_are_left() -> None:
    assert set_slots(profile(name=live("Ann")), leave={"name"}) == {}


def test_slots_that_the_domain_does_not_share_are_not_set() -> None:
    assert set_slots(profile(recipient=live("x"), gone=live("y"))) == {}


def test_a_stored_value_that_the_slot_takes_no_longer_is_not_set() -> None:
    assert set_slots(profile(name=live(5), tier=live("gold"))) == {"tier": "gold"}


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [(3, 3.0, True), (1, True, False), (0, False, False), ("a", "a", True), (None, None, True),
     ([1], [1.0], True), ({"a": 1}, {"a": 2}, False), ([True], [1], False),
     ({"a": [0]}, {"a": [False]}, False), ({"b": 1, "a": 2}, {"a": 2, "b": 1}, True),
     ([{1, 2}], [], False)],
)  # fmt: skip
def test_json_values_are_compared_as_json(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
