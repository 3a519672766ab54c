"""Who may call the action server over HTTP: real servers, right and wrong credentials."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.certificates import Authority
from tests.server.action_server import ActionServer, free_port
from tests.server.test_http import call

ENDPOINTS = """
action_endpoint:
  url: http://localhost:5055/webhook
  token: ${RASAS_TOKEN}
profile_store:
  also_accept:
  - basic_auth: {username: rasa, password: grün}
  - headers: {X-Api-Key: k3y, X-Tenant: bank}
"""
SECRETS = {"RASAS_TOKEN": "r4sas", "ACTION_SERVER_TOKEN": "old-t0ken,new-t0ken"}
KNOWN = {"params": {"token": "r4sas"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionServer]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "endpoints.yml").write_text(ENDPOINTS, encoding="utf-8")
    with ActionServer(folder, env=SECRETS) as running:
        yield running


def send(server: ActionServer, method: str, path: str, **options: Any) -> httpx.Response:
    return httpx.request(method, f"{server.url}{path}", timeout=30, **options)


def assert_refused(response: httpx.Response) -> None:
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == (
        'Basic realm="action server", Bearer realm="action server"'
    )
    if response.request.method != "HEAD":
        assert set(response.json()) == {"error", "action_name"}
        assert response.json()["action_name"] == ""


@pytest.mark.parametrize(
    "credential",
    [
        {"params": {"token": "r4sas"}},
        {"params": {"token": "old-t0ken"}},
        {"params": {"token": "new-t0ken"}},
        {"headers": {"Authorization": "Bearer r4sas"}},
        {"headers": {"Authorization": "Bearer new-t0ken"}},
        {"auth": httpx.BasicAuth(b"rasa", "grün".encode("latin-1"))},
        {"auth": ("rasa", "grün")},
        {"headers": {"X-Api-Key": "k3y", "X-Tenant": "bank"}},
    ],
)  # fmt: skip
def test_each_credential_lets_in(server: ActionServer, credential: dict[str, Any]) -> None:
    answer = server.post(call("action_fetch_profile"), **credential)
    assert answer.status_code == 200
    assert server.get("/ready", **credential).json() == {"status": "ready"}


@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"params": {"token": ""}},
        {"params": {"token": "wrong"}},
        {"params": {"token": "r4sa"}},
        {"params": {"token": "r4sasr4sas"}},
        {"params": {"token": "old-t0ken,new-t0ken"}},
        {"params": {"token": ["wrong", "r4sas"]}},
        {"params": {"token": ["r4sas", "r4sas"]}},
        {"params": {"token": "\u202e€😀"}},
        {"params": {"Token": "r4sas"}},
        {"headers": {"token": "r4sas"}},
        {"headers": {"Authorization": "r4sas"}},
        {"headers": {"Authorization": "Bearer"}},
        {"headers": {"Authorization": b"Bearer \xff\xfe"}},
        {"headers": [("Authorization", "Bearer wrong"), ("Authorization", "Bearer r4sas")]},
        {"auth": ("rasa", "wrong")},
        {"auth": ("", "")},
        {"headers": {"Authorization": "Basic =="}},
        {"headers": {"X-Api-Key": "k3y"}},
        {"headers": {"X-Tenant": "bank"}},
        {"headers": {"X-Api-Key": "bank", "X-Tenant": "k3y"}},
        {"cookies": {"token": "r4sas"}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/webhook", "/ready"])
def test_nothing_else_does(server: ActionServer, path: str, credential: dict[str, Any]) -> None:
    if path == "/ready":
        assert_refused(server.get(path, **credential))
        return
    body = json.dumps(call("action_fetch_profile", token="r4sas"))
    assert_refused(send(server, "POST", path, content=body, **credential))


PATHS = [("GET", "/actions", 200), ("GET", "/ready", 200), ("GET", "/nowhere", 404),
         ("PUT", "/webhook", 405), ("GET", "/", 404), ("HEAD", "/webhook", 405),
         ("POST", "/webhook", 400), ("POST", "/webhook/", 400), ("GET", "//health", 404),
         ("GET", "/health/x", 404), ("GET", "/webhook/health", 404), ("DELETE", "/ready", 405),
         ("GET", "/Health", 404)]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_every_path_and_method_wants_one(
    server: ActionServer, method: str, path: str, status: int
) -> None:
    assert_refused(send(server, method, path))
    assert send(server, method, path, **KNOWN).status_code == status


@pytest.mark.parametrize("path", ["/health", "/health/", "/health?token=wrong"])
def test_health_is_open(server: ActionServer, path: str) -> None:
    assert server.get(path).json() == {"status": "ok"}
    assert send(server, "POST", path, content=b"x").status_code == 405


def test_a_refusal_tells_nothing_of_what_was_sent_and_nothing_is_logged(
    server: ActionServer,
) -> None:
    refused = send(server, "POST", "/webhook?token=S3CRET", content=b"S3CRET",
                   headers={"Authorization": "Bearer S3CRET"})  # fmt: skip
    assert_refused(refused)
    assert "S3CRET" not in refused.text + str(refused.headers) + server.log
    for secret in ("r4sas", "t0ken", "k3y", "grün"):
        assert secret not in server.log


def spoken_to(server: ActionServer, request: bytes) -> bytes:
    """Send bytes over a connection of their own; return the first bytes of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request)
        return connection.recv(65_536)


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 30000000", b"Transfer-Encoding: chunked"],
    ids=["sized", "chunked"],
)
def test_a_refused_body_is_not_waited_for(server: ActionServer, framing: bytes) -> None:
    head = b"POST /webhook%s HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n"
    assert spoken_to(server, head % b"?token=wrong").startswith(b"HTTP/1.1 401 ")
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection:
        connection.sendall(head % b"?token=r4sas")
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_large_refused_body_ends_its_connection_and_no_other(server: ActionServer) -> None:
    head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head)
        answer = connection.recv(65_536)
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(65_536):
                answer += more
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert server.get("/ready", **KNOWN).status_code == 200


def test_a_refused_body_of_usual_size_keeps_the_connection(server: ActionServer) -> None:
    body = json.dumps(call("action_fetch_profile")).encode() + b" " * 900_000
    with httpx.Client(timeout=30) as client:
        assert_refused(client.post(f"{server.url}/webhook", content=body))
        answer = client.post(f"{server.url}/webhook", content=body, **KNOWN)
        assert answer.status_code == 200


@pytest.mark.parametrize("request_", [b"NONSENSE\r\n\r\n", b"GET / HTTP/9\r\n\r\n"])
def test_what_is_not_http_is_a_client_error(server: ActionServer, request_: bytes) -> None:
    assert spoken_to(server, request_).split()[1] in {b"400", b"401"}
    assert "Traceback" not in server.log


# Other websites

PREFLIGHT = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}


@pytest.mark.parametrize("path", ["/webhook", "/ready", "/nowhere"])
def test_browsers_of_other_sites_are_not_let_in(server: ActionServer, path: str) -> None:
    asked = send(server, "OPTIONS", path, headers=PREFLIGHT)
    assert_refused(asked)
    allowed = send(server, "OPTIONS", path, headers=PREFLIGHT, **KNOWN)
    answered = send(server, "POST", "/webhook", headers=PREFLIGHT, json=call("action_x"), **KNOWN)
    for response in (asked, allowed, answered):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_they_are_when_the_server_is_told_so_and_still_need_a_credential(tmp_path: Path) -> None:
    arguments = ("--cors", "https://other.example")
    with ActionServer(tmp_path, env=SECRETS, arguments=arguments) as open_to_one:
        asked = send(open_to_one, "OPTIONS", "/webhook", headers=PREFLIGHT)
        assert asked.status_code == 200
        assert asked.headers["Access-Control-Allow-Origin"] == "https://other.example"
        assert send(open_to_one, "POST", "/webhook", headers=PREFLIGHT).status_code == 401


# Several processes, and the SDK's own handler


@pytest.mark.parametrize("arguments", [(), ("--auto-reload",)], ids=["as it is", "auto-reload"])
def test_every_worker_asks(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    env = {**SECRETS, "ACTION_SERVER_SANIC_WORKERS": "3"}
    with ActionServer(tmp_path, env=env, arguments=arguments) as running:
        for _ in range(30):
            with httpx.Client() as client:
                assert client.get(f"{running.url}/ready").status_code == 401
                assert client.get(f"{running.url}/ready?token=new-t0ken").status_code == 200


# TLS


def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    served = authority.sign("server")
    arguments = "--ssl-certificate", str(served.certificate), "--ssl-keyfile", str(served.key)
    trusting = ssl.create_default_context(cafile=str(authority.file))
    with ActionServer(tmp_path, env=SECRETS, arguments=arguments, tls=trusting) as running:
        body = call("action_fetch_profile")
        assert running.post(body).status_code == 401
        assert running.post(body, params={"token": "new-t0ken"}).status_code == 200


# Where it listens


def answers_on(server: ActionServer, host: str) -> bool:
    try:
        httpx.get(f"http://{host}:{server.port}/health", timeout=5)
    except httpx.ConnectError:
        return False
    return True


OTHER_LOOPBACK = "127.0.0.2"
"""Reaches who listens on all addresses, and not who listens on 127.0.0.1."""


def test_without_a_secret_it_listens_on_loopback_only_and_says_so(tmp_path: Path) -> None:
    with ActionServer(tmp_path, env={"SANIC_HOST": None}) as running:
        assert not answers_on(running, OTHER_LOOPBACK)
        assert running.post(call("action_fetch_profile")).status_code == 200
        assert "No secret is set: the action server listens on 127.0.0.1 only." in running.log


@pytest.mark.parametrize(
    ("env", "warned"),
    [
        ({"SANIC_HOST": None, "ACTION_SERVER_TOKEN": "t0ken"}, False),
        ({"SANIC_HOST": None, "PROFILE_STORE_SERVE_WITHOUT_SECRET": "true"}, True),
        ({"SANIC_HOST": "0.0.0.0", "PROFILE_STORE_SERVE_WITHOUT_SECRET": "true"}, True),
    ],
)
def test_with_a_secret_or_by_the_setting_it_listens_everywhere(
    tmp_path: Path, env: dict[str, str | None], warned: bool
) -> None:
    with ActionServer(tmp_path, env=env) as running:
        assert answers_on(running, OTHER_LOOPBACK)
        assert ("No secret is set" in running.log) == warned


@pytest.mark.parametrize("arguments", [(), ("--grpc",)], ids=["http", "grpc"])
@pytest.mark.parametrize(
    ("env", "endpoints", "named"),
    [
        ({"SANIC_HOST": "0.0.0.0"}, "", "SANIC_HOST"),
        ({}, "action_endpoint: {token: ''}", "action_endpoint.token: it is empty"),
        ({}, "action_endpoint: {token: '${NOT_SET}'}", "variable NOT_SET is not set"),
    ],
)
def test_it_does_not_start_and_one_line_says_why(
    tmp_path: Path, arguments: tuple[str, ...], env: dict[str, str], endpoints: str, named: str
) -> None:
    (tmp_path / "endpoints.yml").write_text(endpoints)
    server = ActionServer(tmp_path, env=env, arguments=arguments)
    process = server.launch()
    assert process.wait(60) == 1
    (line,) = [line for line in server.log.splitlines() if line.startswith("rasa-coexistence:")]
    assert named in line
    assert "Traceback" not in server.log
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", server.port or free_port()), timeout=5)
