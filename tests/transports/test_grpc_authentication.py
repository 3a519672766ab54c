"""Who may call the action server over gRPC: what Rasa sends as metadata, or a certificate."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rasa_sdk.grpc_py import action_webhook_pb2 as messages

from tests.certificates import Authority, Files
from tests.transports.calls import call, someone
from tests.transports.ways import GRPC, STREAMS, _message, going

SERVICE = messages.DESCRIPTOR.services_by_name["ActionService"]
METHODS = [f"/{SERVICE.full_name}/{method.name}" for method in SERVICE.methods]
UNKNOWN = ["/no.such.Service/Method", f"/{SERVICE.full_name}/NoSuchMethod"]
ENDPOINTS = """
action_endpoint:
  url: grpc://localhost:5055
  headers:
    x-api-key: ${RASAS_KEY}
    x-tenant: bank
profile_store:
  also_accept:
  - basic_auth: {username: rasa, password: s3same}
"""
SECRETS = {"RASAS_KEY": "r4sas", "ACTION_SERVER_TOKEN": "old-t0ken,new-t0ken"}
KNOWN = {"x-api-key": "r4sas", "x-tenant": "bank"}
NOTHING_ELSE = "Over gRPC Rasa sends nothing of action_endpoint but headers"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GRPC]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "endpoints.yml").write_text(ENDPOINTS)
    with going("grpc", folder, **SECRETS) as running:
        yield running


def status(
    server: GRPC, path: str, request: bytes, *metadata: tuple[str, str | bytes]
) -> grpc.StatusCode:
    """Send bytes to a method; return how it ended, and see that what is said is one line."""
    try:
        # a stream of answers, of which there may be one
        list(server.channel.unary_stream(path)(request, timeout=30, metadata=metadata))
    except grpc.RpcError as error:
        ended, said = error.code(), error.details()
    else:
        return grpc.StatusCode.OK
    assert "\n" not in said
    assert "S3CRET" not in said
    return ended


@pytest.mark.parametrize(
    "headers",
    [
        KNOWN,
        {"authorization": "Bearer old-t0ken"},
        {"authorization": "Bearer new-t0ken"},
        {"token": "new-t0ken"},
        {"authorization": "Basic cmFzYTpzM3NhbWU="},
    ],
)
@pytest.mark.parametrize("way", ["grpc", pytest.param("streaming", marks=pytest.mark.skipif(
    not STREAMS, reason="this rasa-sdk has no WebhookStream"))])  # fmt: skip
def test_each_credential_lets_in(
    server: GRPC, headers: dict[str, str], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "headers", headers)
    method = "Webhook" if way == "grpc" else "WebhookStream"
    request = _message(call("action_reads", someone())).SerializeToString()
    path = f"/{SERVICE.full_name}/{method}"
    assert status(server, path, request, *headers.items()) is grpc.StatusCode.OK
    assert server.call(call("action_reads", someone())).outcome == "done"


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("x-api-key", "r4sas"),),
        (("x-tenant", "bank"),),
        (("x-api-key", "wrong"), ("x-tenant", "bank")),
        (("x-api-key", "r4sas"), ("x-api-key", "r4sas"), ("x-tenant", "bank")),
        (("x-api-key-bin", b"r4sas"), ("x-tenant", "bank")),
        (("authorization", "Bearer S3CRET"),),
        (("authorization", "old-t0ken"),),
        (("token", ""),),
        (("token-bin", b"\xff\xfe"),),
    ],
)
@pytest.mark.parametrize("path", [*METHODS, *UNKNOWN])
def test_nothing_else_does_whatever_the_method_and_before_the_request_is_read(
    server: GRPC, path: str, metadata: tuple[tuple[str, str | bytes], ...]
) -> None:
    for request in (b"", b"S3CRET", b"\xff" * 100_000):
        assert status(server, path, request, *metadata) is grpc.StatusCode.UNAUTHENTICATED
    assert "S3CRET" not in server.log


def test_a_known_caller_hears_what_is_wrong_with_a_method_or_a_request(server: GRPC) -> None:
    known = tuple(KNOWN.items())
    assert status(server, UNKNOWN[0], b"", *known) is grpc.StatusCode.UNIMPLEMENTED
    assert status(server, METHODS[0], b"", *known) is grpc.StatusCode.INVALID_ARGUMENT
    assert status(server, METHODS[0], b"\xff", *known) is grpc.StatusCode.UNKNOWN


def is_serving(channel: grpc.Channel) -> bool:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service="ActionServer"), timeout=30)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_health_is_open(server: GRPC) -> None:
    assert is_serving(server.channel)


def test_what_rasa_sends_is_enough_and_no_warning_is_logged(server: GRPC) -> None:
    assert NOTHING_ELSE not in server.log


@pytest.mark.parametrize(
    "secret", ["token: t0ken", "basic_auth: {username: r, password: p}", "headers: {X-Key: k3y}"]
)
def test_the_log_tells_when_rasa_will_not_send_the_secret(tmp_path: Path, secret: str) -> None:
    (tmp_path / "endpoints.yml").write_text(f"action_endpoint: {{{secret}}}")
    with going("grpc", tmp_path) as running:
        assert NOTHING_ELSE in running.log
        assert running.call(call("action_reads", someone())).outcome == "refused"


# Where it listens


def accepts_on(port: int, host: str) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    ("env", "everywhere", "said"),
    [
        ({"SANIC_HOST": ""}, False, "listens on 127.0.0.1 only"),
        ({"SANIC_HOST": "", "ACTION_SERVER_TOKEN": "t0ken"}, True, ""),
        ({"SANIC_HOST": "127.0.0.1", "ACTION_SERVER_TOKEN": "t0ken"}, False, ""),
        ({"SANIC_HOST": "0.0.0.0", "PROFILE_STORE_SERVE_WITHOUT_SECRET": "yes"}, True,
         "whoever reaches the action server"),
    ],
)  # fmt: skip
def test_it_listens_where_the_http_server_would(
    tmp_path: Path, env: dict[str, str], everywhere: bool, said: str
) -> None:
    with going("grpc", tmp_path, **env) as running:
        assert accepts_on(running.port, "127.0.0.1")
        assert accepts_on(running.port, "127.0.0.2") == everywhere
        assert said in running.log
        assert ("No secret is set" in running.log) == bool(said)


# TLS


class OverTLS(GRPC):
    """The gRPC server with a certificate, called by who has one or has none."""

    def __init__(self, folder: Path, authority: Authority, own: Files | None, **env: str) -> None:
        served = authority.sign("server")
        arguments = (
            "--ssl-certificate", str(served.certificate), "--ssl-keyfile", str(served.key),
            "--ssl-ca-file", str(authority.file),
        )  # fmt: skip
        super().__init__(folder, env, arguments)
        self._credentials = grpc.ssl_channel_credentials(
            authority.file.read_bytes(),
            *((own.key.read_bytes(), own.certificate.read_bytes()) if own else ()),
        )

    def _connect(self, address: str) -> grpc.Channel:
        return grpc.secure_channel(address, self._credentials)


def test_a_certificate_of_the_callers_own_is_a_secret(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.sign("rasa")
    with OverTLS(tmp_path, authority, own, SANIC_HOST="0.0.0.0") as running:
        assert running.call(call("action_reads", someone())).outcome == "done"
        assert "No secret is set" not in running.log
        for credentials in (
            grpc.ssl_channel_credentials(authority.file.read_bytes()),
            _signed_by_another(tmp_path, authority),
        ):
            with (
                grpc.secure_channel(f"127.0.0.1:{running.port}", credentials) as channel,
                pytest.raises(grpc.FutureTimeoutError),
            ):
                grpc.channel_ready_future(channel).result(2)


def _signed_by_another(folder: Path, authority: Authority) -> Any:
    other = Authority(folder, "other").sign("stranger")
    return grpc.ssl_channel_credentials(
        authority.file.read_bytes(), other.key.read_bytes(), other.certificate.read_bytes()
    )


def test_with_a_certificate_and_a_token_both_are_asked_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.sign("rasa")
    with OverTLS(tmp_path, authority, own, ACTION_SERVER_TOKEN="t0ken") as running:
        assert running.call(call("action_reads", someone())).outcome == "refused"
        running.headers = {"authorization": "Bearer t0ken"}
        assert running.call(call("action_reads", someone())).outcome == "done"
