"""A tracker whose events are decoded when they are first read: to an action, the same tracker."""

from __future__ import annotations

import copy
import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasa_sdk import Tracker

from coexistence import events
from coexistence.errors import BadRequest
from coexistence.events import UndecodedEvents
from coexistence.webhook import read_call

LIMIT = 1_000_000
BODIES = [
    Path(f"tests/payloads/{name}.json").read_bytes()
    for name in ("calm-rasa-pro-3.21", "nlu-rasa-open-source-3.6")
]
Kind = type[Tracker]


class PlainTracker(Tracker):
    """The SDK's own tracker: its events are what it was given."""

    events = None


@pytest.fixture(autouse=True)
def lazily() -> None:
    events.decode_lazily()
    events.decode_lazily()  # as a second server in one process does


def both(body: bytes = BODIES[0], encoding: str | None = None) -> tuple[Tracker, Tracker]:
    """Return the tracker that an action gets, and the one that a bare SDK would give it."""
    call = read_call(body if encoding is None else zlib.compress(body), encoding, LIMIT)
    assert isinstance(call["tracker"]["events"], UndecodedEvents)
    return Tracker.from_dict(call["tracker"]), PlainTracker.from_dict(json.loads(body)["tracker"])


@pytest.mark.parametrize("body", BODIES, ids=["calm", "nlu"])
@pytest.mark.parametrize("encoding", [None, "deflate"])
@pytest.mark.parametrize(
    "use",
    [
        lambda t: t.events,
        lambda t: t.events[0],
        lambda t: t.events[-1]["timestamp"],
        lambda t: t.events[1:-1:2],
        lambda t: len(t.events),
        lambda t: [event["event"] for event in t.events],
        lambda t: list(reversed(t.events)),
        lambda t: t.events.copy(),
        lambda t: copy.deepcopy(t.events),
        lambda t: [*t.events, {"event": "x"}],
        lambda t: t.events.__add__([{"event": "x"}]),
        lambda t: json.dumps(t.events),
        lambda t: isinstance(t.events, list),
        lambda t: type(t.events),
        lambda t: t.events.index(t.events[2]),
        lambda t: t.events[3] in t.events,
        lambda t: sorted(t.events, key=lambda event: -event["timestamp"]),
        lambda t: bool(t.events),
        lambda t: t.current_state(),
        lambda t: t.copy().events,
        lambda t: copy.copy(t).events,
        lambda t: copy.deepcopy(t).events,
        lambda t: pickle.loads(pickle.dumps(t)).events,
        lambda t: t.get_latest_input_channel(),
        lambda t: t.events_after_latest_restart(),
        lambda t: t.get_last_event_for("slot"),
        lambda t: t.last_executed_action_has("action_listen"),
        lambda t: list(t.applied_events()),
        lambda t: t.slots_to_validate(),
    ],
)  # fmt: skip
def test_whatever_an_action_does_with_events_gives_what_a_list_gives(
    body: bytes, encoding: str | None, use: Callable[[Tracker], Any]
) -> None:
    ours, plain = both(body, encoding)
    # pickled by the class that a test made, so not by equality of trackers
    assert use(ours) == use(plain)


def test_events_can_be_changed_and_replaced() -> None:
    tracker, _ = both()
    tracker.events.append({"event": "added"})
    assert tracker.events[-1] == {"event": "added"}
    assert events.of(tracker)[-1].kind == "added", "we see what the action left there"
    tracker.events = [{"event": "alone"}]
    assert tracker.events == [{"event": "alone"}]
    assert [event.kind for event in events.of(tracker)] == ["alone"]


def test_our_own_reading_decodes_nothing() -> None:
    tracker, plain = both()
    assert events.of(tracker) == events.read(plain.events)
    assert isinstance(vars(tracker)["events"], UndecodedEvents)


def test_what_a_scan_skips_and_msgspec_has_no_number_for_is_read_as_python_does() -> None:
    body = BODIES[0].replace(b'"timestamp"', b'"odd": 1e999, "timestamp"', 1)
    tracker, plain = both(body)
    assert tracker.events[0]["odd"] == float("inf")
    assert tracker.events == plain.events


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_events_that_were_taken_can_be_decoded_later(data: st.DataObject) -> None:
    """A damaged body is refused when it comes, and never fails an action that reads it."""
    damaged = bytearray(data.draw(st.sampled_from(BODIES)))
    begin = damaged.index(b'"events"')
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(begin, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b"\xff", b"\n", b"0", b"1e999", b'"', b"\\", b"NaN", b"\\ud800"])
        )
    try:
        given_events = read_call(bytes(damaged), None, LIMIT)["tracker"].get("events")
    except BadRequest:
        return
    if isinstance(given_events, UndecodedEvents):
        assert len(given_events.decode()) == len(given_events.scanned)


DEEP = b"[" * 300 + b"]" * 300


def test_events_that_nest_too_deep_are_refused_when_they_are_read() -> None:
    tracker, _ = both(BODIES[0].replace(b'"timestamp"', b'"odd": ' + DEEP + b', "timestamp"', 1))
    assert [event.kind for event in events.of(tracker)], "what nobody decodes does not recurse"
    with pytest.raises(BadRequest, match="nested deeper than 200"):
        _ = tracker.events


@pytest.mark.parametrize("field", ["slots", "latest_message", "stack", "active_loop", "domain"])
def test_any_other_part_that_nests_too_deep_is_refused_at_once(field: str) -> None:
    body = json.loads(BODIES[0])
    (body if field == "domain" else body["tracker"])[field] = "HERE"
    deep = b'[{"deep": %s}]' if field == "stack" else b'{"deep": %s}'
    with pytest.raises(BadRequest, match="nested deeper than 200"):
        read_call(json.dumps(body).encode().replace(b'"HERE"', deep % DEEP), None, LIMIT)


@pytest.mark.parametrize("depth", [2_000, 100_000])
@pytest.mark.parametrize("where", [b'"odd": ', b'"value": '])
def test_events_that_nest_very_deep_are_refused_or_scanned(depth: int, where: bytes) -> None:
    """Which of both is up to the interpreter's own limit; neither ends the process."""
    deep = b"[" * depth + b"]" * depth
    body = BODIES[0].replace(b'"timestamp"', where + deep + b', "timestamp"', 1)
    with pytest.raises(BadRequest, match="nested"):
        _ = Tracker.from_dict(read_call(body, None, LIMIT)["tracker"]).events


def test_a_number_that_nobody_can_read_is_refused_when_the_events_are_read() -> None:
    digits = b'"odd": ' + b"9" * 5_000
    body = BODIES[0].replace(b'"timestamp"', digits + b', "timestamp"', 1)
    with pytest.raises(BadRequest, match="not JSON"):
        _ = Tracker.from_dict(read_call(body, None, LIMIT)["tracker"]).events


@pytest.mark.parametrize("where", ["call", "tracker"])
def test_what_a_newer_rasa_adds_is_kept(where: str) -> None:
    body = json.loads(BODIES[0])
    (body if where == "call" else body["tracker"])["of_tomorrow"] = {"new": [1, None]}
    assert read_call(json.dumps(body).encode(), None, LIMIT) == body


def test_bad_utf8_inside_of_what_is_skipped_is_refused() -> None:
    body = BODIES[0].replace(b'"timestamp"', b'"odd": "\xff", "timestamp"', 1)
    with pytest.raises(BadRequest):
        read_call(body, None, LIMIT)
