"""Streamed answers: chunks first, then the events; barge-in, and clients that leave."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from rasa_sdk.grpc_py import action_webhook_pb2 as messages

from tests.coexistence.events import START, user
from tests.transports.calls import call, said, someone
from tests.transports.conftest import needs_streams
from tests.transports.ways import Streaming, _message, going

pytestmark = needs_streams


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streaming]:
    with going("streaming", tmp_path_factory.mktemp("streaming")) as running:
        yield running


def name_of(server: Streaming, user_id: str) -> Any:
    slots = server.call(call("action_fetch_profile", user_id, sender_id="elsewhere")).slots
    return slots.get("customer_name")


def test_chunks_come_first_and_the_profile_with_the_result(server: Streaming) -> None:
    ann = someone()
    server.call(call("action_store_profile", ann, *said({"customer_name": "Ann"})))
    later = {**user(), "timestamp": START + 60}
    streamed = server.call(call("action_streams", ann, later, sender_id="elsewhere"))
    assert streamed.chunks == ["Hello ", "Ann"]
    assert [e["value"] for e in streamed.events if e["name"] == "customer_name"] == ["Ann", "Bea"]
    assert name_of(server, ann) == "Bea"


def test_a_user_who_barges_in_hears_no_more_and_loses_nothing(server: Streaming) -> None:
    ann = someone()
    heard = []
    for event in server.stub.WebhookStream(_message(call("action_streams_for_long", ann))):
        heard.append(event)
        if event.WhichOneof("event") == "chunk" and len(heard) == 3:
            server.stub.AckStreamChunks(
                messages.StreamChunkAck(response_id=event.chunk.response_id)
            )
    assert len(heard) < 40
    assert heard[-1].WhichOneof("event") == "final_result"
    assert name_of(server, ann) == "Bea"


def test_of_a_client_that_leaves_nothing_is_half_stored(server: Streaming) -> None:
    ann = someone()
    stream = server.stub.WebhookStream(_message(call("action_streams_for_long", ann)))
    assert next(stream).WhichOneof("event") == "chunk_start"
    stream.cancel()
    time.sleep(3)
    assert name_of(server, ann) is None
    assert server.call(call("action_streams", ann)).outcome == "done", "the server is alive"
