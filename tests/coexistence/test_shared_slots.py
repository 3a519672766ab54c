"""Which slots of a domain are shared, and which values they take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coexistence.shared_slots import DomainCache, DomainSlots, SlotSpec


def shared(slots: dict[str, Any], **options: Any) -> set[str]:
    return set(DomainSlots({"slots": slots}, **options).shared)


FLAGGED = {"type": "text", "shared_for_coexistence": True}


def test_flagged_slots_are_shared_and_an_absent_flag_means_false() -> None:
    assert shared({"a": FLAGGED, "b": {"type": "text"}}) == {"a"}


@pytest.mark.parametrize("flag", [False, None, "true", 1])
def test_only_a_true_flag_shares(flag: Any) -> None:
    assert shared({"a": {"type": "text", "shared_for_coexistence": flag}}) == set()


def test_settings_include_and_exclude() -> None:
    slots = {"a": FLAGGED, "b": {"type": "text"}}
    assert shared(slots, include=["b"], exclude=["a"]) == {"b"}


def test_an_included_slot_that_the_domain_lacks_is_not_shared() -> None:
    assert shared({"a": FLAGGED}, include=["z"]) == {"a"}


@pytest.mark.parametrize(
    "name", ["route_session_to_calm", "requested_slot", "session_started_metadata", "flow_hashes"]
)
def test_the_routing_slot_and_rasas_own_are_never_shared(name: str) -> None:
    assert shared({name: FLAGGED}, include=[name]) == set()


def test_the_real_domain_of_rasa_pro_is_read() -> None:
    body = json.loads(Path("tests/payloads/calm-rasa-pro-3.21.json").read_text())
    slots = DomainSlots(body["domain"])
    assert set(slots.shared) == {"customer_name", "loyalty_tier", "prefs"}
    assert slots["scratch"].initial_value == "init"
    assert slots.carries_over


@pytest.mark.parametrize("domain", [{}, {"slots": None}, {"slots": []}, {"slots": {"a": None}}])
def test_odd_domains_share_nothing(domain: dict[str, Any]) -> None:
    assert DomainSlots(domain).shared == {}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", ["", "x"], [1, True, ["x"], {"a": 1}]),
        ("bool", [True, False], [1, "true"]),
        ("float", [1, 1.5, -2], [True, "1", float("nan"), float("inf")]),
        ("list", [[], [1]], ["x", {"a": 1}]),
        ("categorical", ["gold", "other", 3], [["gold"], {"a": 1}]),
        ("strict_categorical", ["gold", "GOLD"], ["other", ["gold"]]),
        ("any", ["x", 1, True, [1], {"a": None}], []),
        ("my_package.MySlot", ["x", {"a": 1}], []),
    ],
)
def test_each_type_takes_its_values_and_null(kind: str, good: list[Any], bad: list[Any]) -> None:
    spec = SlotSpec("s", kind, choices=("silver", "gold"))
    assert [spec.refusal(value) for value in [None, *good]] == [None] * (len(good) + 1)
    for value in bad:
        assert spec.refusal(value) is not None


@pytest.mark.parametrize(
    ("mapping", "filled"),
    [
        ({"type": "from_entity", "entity": "city"}, True),
        ({"type": "from_entity", "entity": "name"}, False),
        ({"type": "from_intent", "intent": "inform", "value": 1}, True),
        ({"type": "from_intent", "intent": ["greet", "inform"], "value": 1}, True),
        ({"type": "from_intent", "intent": "greet", "value": 1}, False),
        ({"type": "from_text"}, True),
        ({"type": "from_text", "conditions": [{"active_loop": "form"}]}, False),
        ({"type": "from_llm"}, False),
        ({"type": "controlled"}, False),
    ],
)
def test_mappings_tell_whether_a_message_fills_the_slot(
    mapping: dict[str, Any], filled: bool
) -> None:
    message = {"intent": {"name": "inform"}, "entities": [{"entity": "city", "value": "Rome"}]}
    assert SlotSpec("s", mappings=(mapping,)).filled_by(message, in_loop=False) is filled


def test_the_cache_reads_a_changed_domain_again_and_an_equal_one_not() -> None:
    cache = DomainCache()
    first = cache.read({"slots": {"a": FLAGGED}})
    assert cache.read({"slots": {"a": dict(FLAGGED)}}) is first
    assert set(cache.read({"slots": {"b": FLAGGED}}).shared) == {"b"}
