"""Telling what was meant from what merely happened, in a tracker's events.

The rows are those of the table in docs/merging.md.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coexistence import tags
from coexistence.events import read
from coexistence.observation import Observation, observe, refuse
from coexistence.shared_slots import DomainSlots
from coexistence.system import System
from tests.coexistence.events import (
    DOMAIN,
    START,
    action,
    flow_end_reset,
    hydration,
    listen,
    routed,
    routing_reset,
    session_start,
    slot,
    timed,
    user,
)

SHARED = DomainSlots(DOMAIN).shared


def seen(*events: Any, **options: Any) -> Observation:
    return observe(read(timed(*events)), SHARED, **options)


def values(observation: Observation) -> dict[str, Any]:
    return {write.slot: write.value for write in observation.writes}


def released(observation: Observation) -> set[str]:
    written = {write.slot: write.written_at for write in observation.writes}
    return {
        release.slot
        for release in observation.releases
        if release.released_at >= written.get(release.slot, 0)
    }


def test_a_slot_set_by_an_action_the_llm_or_nlu_is_a_write() -> None:
    observation = seen(user(), slot("name", "Ann"), action("action_x"), slot("tier", "gold"))
    assert values(observation) == {"name": "Ann", "tier": "gold"}
    assert released(observation) == set()


def test_a_write_has_the_time_of_its_event() -> None:
    (write,) = seen(user(), slot("name", "Ann")).writes
    assert write.written_at == START + 1


def test_the_last_write_of_a_slot_stays() -> None:
    assert values(seen(slot("name", "Ann"), slot("name", "Bob"))) == {"name": "Bob"}


def test_slots_that_are_not_shared_and_the_routing_slot_are_not_observed() -> None:
    observation = seen(slot("scratch", "x"), slot("unknown", 1), routed(True))
    assert observation.writes == []
    assert observation.releases == []


def test_a_routing_reset_is_neither_a_write_nor_a_release() -> None:
    observation = seen(slot("name", "Ann"), routing_reset())
    assert values(observation) == {"name": "Ann"}
    assert released(observation) == set()


@pytest.mark.parametrize("kind", ["restart", "session_started"])
def test_restarts_and_new_sessions_release_nothing(kind: str) -> None:
    observation = seen(slot("name", "Ann"), {"event": kind}, listen())
    assert values(observation) == {"name": "Ann"}
    assert released(observation) == set()


def test_session_carry_over_is_not_observed() -> None:
    carried = slot("name", "Old")
    assert values(seen(session_start(carried))) == {}


def test_carry_over_ends_with_the_first_listen() -> None:
    assert values(seen(session_start(slot("name", "Old")), user(), slot("name", "New"))) == {
        "name": "New"
    }


def test_our_own_hydration_is_not_observed() -> None:
    observation = seen(user(), hydration("name", "Ann"), hydration("tier", None))
    assert observation.writes == []
    assert observation.releases == []


def test_a_slot_that_a_flow_drops_at_its_end_is_released() -> None:
    observation = seen(slot("name", "Ann"), flow_end_reset("name"))
    assert values(observation) == {"name": "Ann"}
    assert released(observation) == {"name"}


def test_a_flow_end_reset_to_an_initial_value_is_a_release_and_no_write() -> None:
    observation = seen(slot("limit", 50), flow_end_reset("limit", 10))
    assert values(observation) == {"limit": 50}
    assert released(observation) == {"limit"}


def test_a_rejected_or_asked_anew_slot_is_released() -> None:
    observation = seen(slot("name", "Ann"), slot("name", None))
    assert released(observation) == {"name"}


def test_reset_slots_releases_what_held_a_value() -> None:
    observation = seen(slot("name", "Ann"), hydration("tier", "gold"), {"event": "reset_slots"})
    assert released(observation) == {"name", "tier"}


def test_reset_slots_does_not_release_what_was_carried_away_before() -> None:
    observation = seen(slot("name", "Ann"), {"event": "restart"}, {"event": "reset_slots"})
    assert released(observation) == set()


def test_a_write_after_a_release_is_live() -> None:
    observation = seen(slot("name", "Ann"), slot("name", None), slot("name", "Bea"))
    assert values(observation) == {"name": "Bea"}
    assert released(observation) == set()


def test_anonymised_values_are_not_observed() -> None:
    assert seen({**slot("name", "*****"), "anonymized_at": START}).writes == []


def test_what_the_user_took_back_was_not_meant() -> None:
    observation = seen(
        listen(), user(), slot("name", "Ann"), action("x"), listen(), user(), slot("name", "Oops"),
        {"event": "rewind"},
    )  # fmt: skip
    assert values(observation) == {"name": "Ann"}


def test_an_undone_action_was_not_meant() -> None:
    observation = seen(action("a"), slot("name", "Ann"), action("b"), slot("name", "X"),
                       {"event": "undo"})  # fmt: skip
    assert values(observation) == {"name": "Ann"}


def test_an_action_whose_name_is_no_text_is_not_named() -> None:
    (write,) = seen({**action("x"), "name": []}, slot("name", "Ann")).writes
    assert write.source.action is None


def test_a_write_names_its_system_action_and_conversation() -> None:
    observation = seen(
        routed(False), user(), slot("name", "Ann"), action("action_x"), slot("tier", "gold"),
        routing_reset(), user(), routed(True), action("action_y"), slot("prefs", [1]),
        conversation="c1",
    )  # fmt: skip
    sources = {write.slot: write.source for write in observation.writes}
    assert (sources["name"].system, sources["name"].action) == ("nlu", None)
    assert (sources["tier"].system, sources["tier"].action) == ("nlu", "action_x")
    assert (sources["prefs"].system, sources["prefs"].action) == ("calm", "action_y")
    assert {source.conversation for source in sources.values()} == {"c1"}


def test_without_routing_events_a_write_is_put_down_to_the_system_that_has_the_conversation() -> (
    None
):
    (write,) = seen(slot("name", "Ann"), system_now=System.CALM).writes
    assert write.source.system == "calm"


def test_two_writes_at_one_time_keep_their_order() -> None:
    first = {**slot("name", "zzz"), "timestamp": START}
    second = {**slot("name", "aaa"), "timestamp": START}
    (write,) = seen(first, second).writes
    assert write.value == "aaa"
    assert write.written_at > START


def test_a_clock_that_steps_back_does_not_turn_the_order_of_events() -> None:
    observation = seen(
        {**slot("name", "first"), "timestamp": START + 100},
        {**slot("name", None), "timestamp": START + 90},
        {**slot("name", "last"), "timestamp": START + 80},
    )
    assert values(observation) == {"name": "last"}
    assert released(observation) == set()


def test_one_event_far_ahead_of_those_after_it_gets_their_time() -> None:
    (write,) = seen(
        {**slot("name", "Ann"), "timestamp": START + 1e6}, {**user(), "timestamp": START + 5}
    ).writes
    assert write.written_at == START + 5


@pytest.mark.parametrize("timestamp", [None, "soon", True, -5, float("nan")])
def test_an_event_without_a_time_gets_the_newest(timestamp: Any) -> None:
    (write,) = seen(
        {**slot("name", "Ann"), "timestamp": timestamp}, {**user(), "timestamp": START + 5}
    ).writes
    assert write.written_at == START + 5


def test_what_an_action_stored_already_keeps_the_time_it_was_stored_under() -> None:
    marked = tags.written_slot(slot("name", "Ann"), START + 0.5)
    (write,) = seen(user(), marked).writes
    assert write.written_at == START + 0.5


def test_a_value_of_the_wrong_type_is_refused_by_name_and_the_others_are_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuse.cache_clear()
    with caplog.at_level(logging.WARNING):
        observation = seen(slot("name", "Ann"), slot("name", 42424242), slot("tier", "gold"))
    assert values(observation) == {"name": "Ann", "tier": "gold"}
    assert observation.refused == {"name"}
    assert "name" in caplog.text
    assert "42424242" not in caplog.text


def test_a_good_value_after_a_refused_one_is_a_write() -> None:
    observation = seen(slot("name", 1), slot("name", "Ann"))
    assert values(observation) == {"name": "Ann"}
    assert observation.refused == frozenset()


def test_observing_the_same_session_again_says_the_same() -> None:
    events = timed(user(), slot("name", "Ann"), slot("name", None), slot("tier", "gold"))
    longer = [*events, {**user(), "timestamp": START + 60}]
    assert observe(read(events), SHARED).writes == observe(read(longer), SHARED).writes
    assert observe(read(events), SHARED).releases == observe(read(longer), SHARED).releases


def test_the_real_body_of_rasa_pro_is_read() -> None:
    body = json.loads(Path("tests/payloads/calm-rasa-pro-3.21.json").read_text())
    domain = DomainSlots(body["domain"])
    observation = observe(read(body["tracker"]["events"]), domain.shared, conversation="conv-1")
    assert values(observation) == {
        "customer_name": "Ann",
        "loyalty_tier": "gold",
        "prefs": {"a": [1, 2, None]},
    }
    assert {write.source.action for write in observation.writes} == {"action_ping"}


_names = st.sampled_from(["name", "tier", "prefs", "limit", "scratch", "route_session_to_calm"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "text"]) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)
_events = st.fixed_dictionaries(
    {
        "event": st.sampled_from(
            [
                "slot",
                "user",
                "action",
                "session_started",
                "routing_session_ended",
                "restart",
                "reset_slots",
                "rewind",
                "undo",
                "bot",
                "unheard_of",
            ]
        )
    },
    optional={
        "name": _names | _json,
        "value": _json,
        "timestamp": _json | st.floats(START, START + 100),
        "metadata": _json | st.just({"reset": True}),
        "anonymized_at": _json,
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_events, max_size=12))
def test_no_list_of_events_breaks_observation(events: list[dict[str, Any]]) -> None:
    observation = observe(read(events), SHARED)
    assert {write.slot for write in observation.writes} <= set(SHARED)
    for write in observation.writes:
        assert SHARED[write.slot].refusal(write.value) is None
        assert write.written_at >= 0
