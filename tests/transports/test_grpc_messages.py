"""gRPC messages: read and written as the SDK does, only sooner."""

from __future__ import annotations

import copy
import json
import math
import pickle
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from rasa_sdk.executor import ActionExecutorRunResult
from rasa_sdk.grpc_py import action_webhook_pb2 as messages

from coexistence import events, grpc_messages
from tests.transports.calls import call, said

BODIES = [
    json.loads(Path(f"tests/payloads/{name}.json").read_text())
    for name in ("calm-rasa-pro-3.21", "nlu-rasa-open-source-3.6")
] + [call("action_x", "ann", *said())]

_json = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip
_objects = st.dictionaries(st.text(), _json, max_size=4)


def request(body: dict[str, Any]) -> Any:
    return ParseDict({"tracker": body["tracker"]}, messages.WebhookRequest(),
                     ignore_unknown_fields=True)  # fmt: skip


def with_events(found: list[dict[str, Any]]) -> grpc_messages.StructEvents:
    structs = []
    for event in found:
        structs.append(Struct())
        ParseDict(event, structs[-1])
    return grpc_messages.StructEvents(structs)


@pytest.mark.parametrize("body", BODIES, ids=["calm", "nlu", "own"])
def test_events_are_taken_off_and_decoded_as_the_sdk_does(body: dict[str, Any]) -> None:
    whole = MessageToDict(request(body), preserving_proto_field_name=True)
    taken_from = request(body)
    taken = grpc_messages.take_events(taken_from)
    rest = MessageToDict(taken_from, preserving_proto_field_name=True)
    assert taken.decode() == whole["tracker"].pop("events")
    assert rest == whole


@pytest.mark.parametrize("body", BODIES, ids=["calm", "nlu", "own"])
def test_events_are_scanned_as_they_are_decoded(body: dict[str, Any]) -> None:
    taken = grpc_messages.take_events(request(body))
    for scanned, decoded in zip(taken.scanned, events.read(taken.decode()), strict=True):
        if decoded.kind not in {"slot", "user"}:
            decoded = events.Event(
                decoded.kind, decoded.timestamp, decoded.name,
                anonymized_at=decoded.anonymized_at,
            )  # fmt: skip
        assert scanned == decoded


@given(_json)
def test_any_value_is_scanned_as_it_is_decoded(value: Any) -> None:
    taken = with_events([{"event": "slot", "name": "x", "value": value, "metadata": {"a": value}}])
    assert taken.scanned == events.read(taken.decode())


def test_scanning_puts_nothing_into_the_events() -> None:
    taken = with_events([{"event": "slot"}])
    assert taken.decode() == [{"event": "slot"}]


def test_numbers_that_json_has_not_are_decoded_as_over_http() -> None:
    taken = with_events([{"event": "slot", "value": 1, "odd": {"a": [2]}}])
    taken._structs[0].fields["value"].number_value = math.inf
    assert taken.decode() == [{"event": "slot", "value": math.inf, "odd": {"a": [2]}}]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy,
                                    lambda taken: pickle.loads(pickle.dumps(taken))])  # fmt: skip
def test_undecoded_events_can_be_copied_with_their_tracker(copied: Any) -> None:
    taken = with_events([{"event": "slot", "name": "x", "value": 1}])
    assert copied(taken).decode() == taken.decode()
    assert copied(taken).scanned == taken.scanned


@given(st.lists(_objects, max_size=3), st.lists(_objects, max_size=2))
def test_an_answer_is_the_message_that_the_sdk_makes(
    returned: list[dict[str, Any]], said: list[dict[str, Any]]
) -> None:
    result = ActionExecutorRunResult(events=returned, responses=said)
    theirs = ParseDict(result.model_dump(), messages.WebhookResponse())
    assert grpc_messages.answer(result) == theirs


@pytest.mark.parametrize(
    "value", [math.nan, -math.inf, date(2026, 1, 1), {1}, b"x", {1: 2}, [{"a": {1}}], (1, 2),
              ActionExecutorRunResult(events=[], responses=[]), 2**2000],
)  # fmt: skip
def test_what_is_not_json_is_left_to_the_sdk(value: Any) -> None:
    for given_events in ([{"event": "slot", "value": value}], [{"event": [value]}]):
        result = ActionExecutorRunResult(events=given_events, responses=[])
        assert grpc_messages.answer(result) is None
