"""gRPC alone: malformed requests, silent errors, and a server that ends as it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasa_sdk.grpc_py import action_webhook_pb2 as messages

from tests.transports.calls import call, said, someone
from tests.transports.conftest import needs_streams
from tests.transports.ways import GRPC, _message, going

UNARY, STREAM = "Webhook", pytest.param("WebhookStream", marks=needs_streams)
NO_MESSAGE = "google.protobuf.message.DecodeError"
"""What grpc itself says of bytes that are no message."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GRPC]:
    with going("grpc", tmp_path_factory.mktemp("grpc")) as running:
        yield running


def refused(server: GRPC, method: str, request: bytes) -> tuple[grpc.StatusCode, str]:
    """Send bytes as a request; return the status and what it says, which is one line."""
    path = f"/{messages.DESCRIPTOR.services_by_name['ActionService'].full_name}/{method}"
    try:
        if method == UNARY:
            server.channel.unary_unary(path)(request, timeout=30)
        else:
            list(server.channel.unary_stream(path)(request, timeout=30))
    except grpc.RpcError as error:
        said = error.details()
        assert said
        assert "\n" not in said
        assert "SECRET" not in said
        return error.code(), said
    return grpc.StatusCode.OK, ""


def good() -> Any:
    return _message(call("action_reads", someone(), *said({"customer_name": "SECRET"})))


def without_action() -> Any:
    request = good()
    request.next_action = ""
    return request


def with_a_long_action() -> Any:
    request = good()
    request.next_action = "SECRET" * 100
    return request


def with_an_action_of_two_lines() -> Any:
    request = good()
    request.next_action = "x\nSECRET"
    return request


def without_tracker() -> Any:
    request = good()
    request.ClearField("tracker")
    return request


def without_sender() -> Any:
    request = good()
    request.tracker.sender_id = ""
    return request


def with_a_nameless_event() -> Any:
    request = good()
    request.tracker.events[1].fields["event"].number_value = 5
    return request


def with_entities_of_a_wrong_type() -> Any:
    request = good()
    request.tracker.latest_message.fields["entities"].string_value = "SECRET"
    return request


def with_nan() -> Any:
    request = good()
    request.tracker.slots.fields["limit"].number_value = float("nan")
    return request


@pytest.mark.parametrize("method", [UNARY, STREAM])
@pytest.mark.parametrize(
    ("make", "word"),
    [
        (without_action, "next_action"), (with_a_long_action, "next_action"),
        (with_an_action_of_two_lines, "next_action"),
        (without_tracker, "tracker"), (without_sender, "sender_id"),
        (with_a_nameless_event, "events"), (with_entities_of_a_wrong_type, "entities"),
        (with_nan, "number"),
    ],
)  # fmt: skip
def test_a_malformed_request_is_an_invalid_argument_in_one_line(
    server: GRPC, method: str, make: Any, word: str
) -> None:
    status, told = refused(server, method, make().SerializeToString())
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert word in told
    assert refused(server, method, good().SerializeToString())[0] is grpc.StatusCode.OK


def nested(depth: int) -> bytes:
    """Return a request whose slots nest deeper than protobuf reads, and than Python's writes."""

    def part(field: int, content: bytes) -> bytes:
        size, length = len(content), b""
        while size > 0x7F:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        return bytes([field << 3 | 2]) + length + bytes([size]) + content

    value = b""
    for _ in range(depth):
        # Value.struct_value, Struct.fields: an entry with a key and a value
        value = part(5, part(1, part(1, b"a") + part(2, value)))
    slots = part(1, part(1, b"a") + part(2, value))
    return part(1, b"action_reads") + part(3, part(1, b"c") + part(2, slots))


@pytest.mark.parametrize("method", [UNARY, STREAM])
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"SECRET", grpc.StatusCode.UNKNOWN),
        (b"\xff" * 1000, grpc.StatusCode.UNKNOWN),
        (nested(10_000), grpc.StatusCode.UNKNOWN),
        (b"", grpc.StatusCode.INVALID_ARGUMENT),
        (b"\0" * 2**22, grpc.StatusCode.UNKNOWN),
        (b"\0" * (2**22 + 1), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (b"\x0a\x06SECRET" + b"\0" * 50_000_000, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
    ids=["no message", "no bytes of one", "deep", "empty", "4 MiB", "a byte more", "50 MB"],
)
def test_what_is_no_message_is_refused_by_grpc_in_one_line(
    server: GRPC, method: str, request_: bytes, status: grpc.StatusCode
) -> None:
    found, told = refused(server, method, request_)
    assert found is status
    assert (NO_MESSAGE in told) == (status is grpc.StatusCode.UNKNOWN)
    assert refused(server, method, good().SerializeToString())[0] is grpc.StatusCode.OK


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_damage_to_a_request_is_the_servers_own_error(server: GRPC, data: st.DataObject) -> None:
    damaged = bytearray(good().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    status, told = refused(server, UNARY, bytes(damaged))
    assert status is not grpc.StatusCode.UNKNOWN or NO_MESSAGE in told


def test_what_an_action_raises_is_neither_told_nor_logged(server: GRPC) -> None:
    failed = server.call(call("action_raises", someone(), slots={"heard": "SECRET"}))
    assert failed.said == "ValueError in action_raises; the action server's log says where."
    assert "SECRET" not in server.log
    assert "actions/__init__.py" in server.log, "the developer sees where"


@needs_streams
def test_what_a_streaming_action_raises_is_neither_told_nor_logged(server: GRPC) -> None:
    path = f"/{messages.DESCRIPTOR.services_by_name['ActionService'].full_name}/WebhookStream"
    stream = server.channel.unary_stream(
        path, messages.WebhookRequest.SerializeToString, messages.WebhookStreamEvent.FromString
    )(_message(call("action_raises", someone(), slots={"heard": "SECRET"})), timeout=30)
    event = next(stream)
    with pytest.raises(grpc.RpcError):
        next(stream)
    assert "ValueError in action_raises" in event.error.message
    assert stream.code() is grpc.StatusCode.INTERNAL
    assert "SECRET" not in event.error.message + stream.details() + server.log


def test_a_value_that_no_message_holds_is_the_actions_error(server: GRPC) -> None:
    body = call("action_writes", someone(), writes={"heard": 1})
    assert server.call(body).outcome == "done"
    assert server.call(call("action_writes_unsendable", someone())).outcome == "failed"


def test_the_server_ends_cleanly(tmp_path: Path) -> None:
    with going("grpc", tmp_path) as running:
        assert running.call(call("action_store_profile", someone(), *said())).outcome == "done"
    assert "Traceback" not in running.log
    assert not (tmp_path / "profiles.db-wal").exists(), "closing the database empties its WAL"


def test_tables_of_another_version_stop_the_start(tmp_path: Path, postgres_server: Any) -> None:
    url = postgres_server.create_database("grpc_not_migrated")
    server = GRPC(tmp_path, {"PROFILE_STORE_URL": url})
    with pytest.raises(AssertionError, match="coexist db upgrade"), server:
        pass
