"""Which hydrated slots had been taken by a reset: the table of docs/operations.md."""

from __future__ import annotations

from typing import Any

import pytest

from coexistence import events
from coexistence.recovery import recovered
from tests.coexistence.events import (
    Event,
    flow_end_reset,
    hydration,
    listen,
    routing_reset,
    session_start,
    slot,
    timed,
    user,
)

RESTART: Event = {"event": "restart"}
ALL_RESET: Event = {"event": "reset_slots"}


def count(*spelt: Event | list[Event], before: Any = None, after: Any = None) -> int:
    """Return whether a slot that is hydrated now was recovered."""
    return recovered(events.read(timed(*spelt)), ["name"], {"name": before}, {"name": after})


@pytest.mark.parametrize("reset", [routing_reset(), [RESTART], session_start()])
def test_a_value_that_a_reset_took_is_recovered(reset: list[Event]) -> None:
    assert count(user(), slot("name", "Ann"), reset, user()) == 1


def test_a_value_that_was_itself_hydrated_is_recovered() -> None:
    assert count(hydration("name", "Ann"), routing_reset()) == 1


def test_a_value_that_a_carry_over_brought_and_a_reset_took_is_recovered() -> None:
    assert count(session_start(slot("name", "Ann")), user(), routing_reset()) == 1


def test_a_slot_that_a_reset_set_to_its_initial_value_is_recovered() -> None:
    assert count(slot("name", "Ann"), routing_reset(), before="initial", after="initial") == 1


def test_what_the_action_itself_resets_is_recovered() -> None:
    assert count(slot("name", "Ann"), before="Ann", after=None) == 1


def test_what_was_never_set_here_is_filled_and_not_recovered() -> None:
    assert count(user(), routing_reset(), user()) == 0


def test_what_another_device_wrote_is_not_recovered() -> None:
    assert count(slot("name", "Ann"), user(), before="Ann", after="Ann") == 0


def test_a_flagged_slot_that_the_reset_left_alone_is_not_recovered() -> None:
    assert count(slot("name", "Ann"), routing_reset(), before="Ann", after="Ann") == 0


@pytest.mark.parametrize("let_go", [[slot("name", None)], [flow_end_reset("name")], [ALL_RESET]])
def test_what_was_let_go_of_on_purpose_is_not_recovered(let_go: list[Event]) -> None:
    assert count(slot("name", "Ann"), let_go, listen(), user()) == 0
    if let_go != [ALL_RESET]:
        assert count(slot("name", "Ann"), let_go, routing_reset(), user()) == 0
