"""Request bodies: what is answered with what, and what never reaches an action."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coexistence.errors import BadRequest
from coexistence.events import UndecodedEvents
from coexistence.webhook import read_call

LIMIT = 1_000_000
GOOD: dict[str, Any] = {
    "next_action": "action_x",
    "sender_id": "c",
    "version": "3.21.0",
    "tracker": {"sender_id": "c", "slots": {}, "events": [], "latest_message": {}},
}


def read(body: Any, encoding: str | None = None, limit: int = LIMIT) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_call(raw, encoding, limit)


def decoded(body: Any, encoding: str | None = None) -> dict[str, Any]:
    """Return a body as an action sees it that reads everything."""
    call = read(body, encoding)
    given = call["tracker"]["events"]
    if isinstance(given, UndecodedEvents):
        call["tracker"]["events"] = given.decode()
    return call


def refused(body: Any, **options: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read(body, **options)
    return caught.value


@pytest.mark.parametrize("name", ["calm-rasa-pro-3.21", "nlu-rasa-open-source-3.6"])
def test_real_bodies_are_read_as_they_are(name: str) -> None:
    raw = Path(f"tests/payloads/{name}.json").read_bytes()
    assert isinstance(read(raw)["tracker"]["events"], UndecodedEvents)
    assert decoded(raw) == json.loads(raw)
    assert decoded(zlib.compress(raw), "deflate") == json.loads(raw)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"not json", 400),
        ([], 422),
        (1, 422),
        (None, 422),
        ({}, 422),
        ({"next_action": "x"}, 422),
        ({"next_action": 5, "tracker": GOOD["tracker"]}, 422),
        ({"next_action": "", "tracker": GOOD["tracker"]}, 422),
        ({"next_action": "a" * 300, "tracker": GOOD["tracker"]}, 422),
        ({"next_action": "x\nFORGED LOG LINE", "tracker": GOOD["tracker"]}, 422),
        ({"next_action": "x\x1b[31m", "tracker": GOOD["tracker"]}, 422),
        ({"next_action": "x", "tracker": []}, 422),
        ({"next_action": "x", "tracker": {}}, 422),
        ({"next_action": "x", "tracker": {"sender_id": 5}}, 422),
        (b"[" * 10_000, 422),
        (b'{"a":' * 10_000, 422),
        (b'{"next_action":"x","tracker":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 422),
        (b" " * (LIMIT + 1), 413),
    ],
)
def test_what_is_no_action_call_is_a_client_error(body: Any, status: int) -> None:
    assert refused(body).status == status


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("version", 3.6), ("sender_id", 5), ("domain", []), ("domain", "x"), ("domain_digest", 1),
        ("tracker.slots", []), ("tracker.events", {}), ("tracker.events", [1]),
        ("tracker.events", [{"event": 5}]), ("tracker.events", [{}]), ("tracker.paused", "no"),
        ("tracker.latest_message", []), ("tracker.latest_message", {"entities": 1}),
        ("tracker.active_loop", "form"), ("tracker.stack", {}), ("tracker.stack", ["x"]),
        ("tracker.user_id", 5), ("tracker.followup_action", {}),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named_and_its_value_is_not(field: str, wrong: Any) -> None:
    body = json.loads(json.dumps(GOOD))
    inside = body
    *path, last = field.split(".")
    for step in path:
        inside = inside[step]
    inside[last] = wrong
    error = refused(body)
    assert error.status == 422
    assert last.split(".")[0] in str(error)
    assert repr(wrong) not in str(error)


def test_a_deflated_body_that_inflates_beyond_the_limit_is_refused() -> None:
    assert refused(zlib.compress(b" " * 50_000_000), encoding="deflate").status == 413


@pytest.mark.parametrize("body", [b"not deflated", zlib.compress(b"{}" * 100)[:-10], b""])
def test_a_body_that_is_not_deflated_is_refused(body: bytes) -> None:
    assert refused(body, encoding="deflate").status == 422


def test_brackets_inside_text_do_not_nest() -> None:
    text = '[{"\\' * 500
    assert read({**GOOD, "text": text})["text"] == text


@pytest.mark.parametrize("depth", [50, 98])
def test_nesting_within_the_limit_is_read(depth: int) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    assert read({**GOOD, "nested": nested})["nested"] == nested


def test_what_pythons_json_writes_beyond_the_standard_is_read_as_a_bare_sdk_does() -> None:
    raw = json.dumps({**GOOD, "odd": [float("nan"), "half \ud800 pair"]}).encode()
    assert read(raw)["odd"][1] == "half \ud800 pair"


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*GOOD, *GOOD["tracker"]]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=50), _json.map(lambda found: json.dumps(found).encode())))
def test_no_body_is_anything_but_read_or_refused(raw: bytes) -> None:
    status = 200
    try:
        assert isinstance(read_call(raw, None, LIMIT)["tracker"], dict)
    except BadRequest as error:
        status = error.status
    assert 200 <= status < 500


def test_many_deep_nests_side_by_side_are_refused_before_they_cost_anything() -> None:
    nest = "[" * 190 + "]" * 190
    raw = json.dumps({**GOOD, "odd": 0}).replace('"odd": 0', f'"odd": [{",".join([nest] * 3000)}]')
    with pytest.raises(BadRequest, match="nested"):
        read_call(raw.encode(), None, 10_000_000)
