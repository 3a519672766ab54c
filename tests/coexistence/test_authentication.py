"""What is accepted, as it is configured, and where the server listens without it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from coexistence import settings
from coexistence.authentication import address, configuration
from profile_store import InvalidSettings
from tests.coexistence.test_credentials import Call, authorization, basic, with_headers

LISTED = "docs/security.md shows how it is written."


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in list(os.environ):
        if variable.startswith(("PROFILE_STORE_", "ACTION_SERVER_", "SANIC_")):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rasa_sdk"])


def load(text: str, file: str = "endpoints.yml") -> Any:
    Path(file).write_text(text, encoding="utf-8")
    return configuration.load(settings.load())


def refusal(text: str) -> str:
    with pytest.raises(InvalidSettings) as refused:
        load(text)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def token(value: str, name: str = "token") -> Call:
    return Call((name, value.encode()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "profile_store: {db: my.db}",
        "action_endpoint:",
        "action_endpoint: {url: 'http://localhost:5055/webhook'}",
        "action_endpoint: {actions_module: actions}",
        "action_endpoint: {token: , basic_auth: , headers: }",
        "action_endpoint: {headers: {}, basic_auth: {}}",
        "action_endpoint: {headers: {Content-Type: application/json, user-agent: rasa}}",
        "action_endpoint: http://localhost:5055/webhook",
        "action_endpoint: [http://localhost:5055/webhook]",
        "action_endpoint: {url: 'http://localhost:5055/webhook?token=x', params: {token: x}}",
        "action_endpoint: {url: '${NOT_SET}', cafile: '${NOT_SET}'}",
    ],
)
def test_without_a_secret_there_is_nothing_to_ask_for(text: str) -> None:
    assert len(load(text)) == 0


def test_what_rasa_sends_is_read_from_the_file_that_rasa_reads() -> None:
    assert load("action_endpoint: {token: abc}").let_in(token("abc"))
    assert load("action_endpoint: {token: abc, token_name: key}").let_in(token("abc", "key"))
    rasa = {"username": "rasa", "password": "abc"}
    assert load(f"action_endpoint: {{basic_auth: {rasa}}}").let_in(basic(b"rasa:abc"))
    keyed = load("action_endpoint: {headers: {X-Api-Key: abc, Accept: '*/*'}}")
    assert keyed.let_in(with_headers(("x-api-key", b"abc")))


def test_it_is_read_from_the_file_that_the_server_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("endpoints.yml").write_text("action_endpoint: {token: here}")
    monkeypatch.setattr(sys, "argv", ["rasa_sdk", "--endpoints", "other.yml"])
    accepted = load("action_endpoint: {token: there}", "other.yml")
    assert (accepted.let_in(token("there")), accepted.let_in(token("here"))) == (True, False)
    monkeypatch.setenv("PROFILE_STORE_ENDPOINTS", "variable.yml")
    assert load("action_endpoint: {token: x}", "variable.yml").let_in(token("x"))


def test_variables_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTION_TOKEN", "from the environment")
    accepted = load("action_endpoint: {token: '${ACTION_TOKEN}'}")
    assert accepted.let_in(token("from the environment"))
    assert not accepted.let_in(token("${ACTION_TOKEN}"))


def test_digits_are_taken_as_they_are_written() -> None:
    assert load("action_endpoint: {token: 0123}").let_in(token("0123"))


def test_each_entry_of_a_list_is_accepted() -> None:
    accepted = load("action_endpoint: [{url: a, token: one}, {url: b, token: two}, {url: c}]")
    assert [accepted.let_in(token(name)) for name in ("one", "two", "c")] == [True, True, False]


def test_tokens_of_the_environment_are_accepted_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTION_SERVER_TOKEN", "old, new ,,")
    accepted = load("action_endpoint: {token: rasas, token_name: key}")
    assert accepted.let_in(token("rasas", "key"))
    for further in ("old", "new"):
        assert accepted.let_in(token(further))
        assert accepted.let_in(token(further, "key")), "where Rasa would send it"
        assert accepted.let_in(authorization(f"Bearer {further}".encode()))
    for no_token in ("", ",", "old,new", "old, new ,,"):
        assert not accepted.let_in(token(no_token))


@pytest.mark.parametrize("nothing", ["", " ", ",", " , "])
def test_an_empty_variable_is_no_token(nothing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTION_SERVER_TOKEN", nothing)
    assert len(load("")) == 0


def test_further_secrets_of_any_kind_are_settings() -> None:
    accepted = load(
        "action_endpoint: {token: new}\n"
        "profile_store:\n"
        "  also_accept:\n"
        "  - token: old\n"
        "  - basic_auth: {username: rasa, password: old}\n"
        "  - headers: {X-Api-Key: old}\n"
    )
    old = (token("old"), basic(b"rasa:old"), with_headers(("x-api-key", b"old")))
    for call in (token("new"), *old):
        assert accepted.let_in(call)
    assert not accepted.let_in(Call())


def test_the_environment_may_say_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_ALSO_ACCEPT", '[{"token": "old"}]')
    assert load("").let_in(token("old"))


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("token: ''", "token: it is empty; give it a value or remove it"),
        ("token: '  '", "token: it is empty; give it a value or remove it"),
        ("token: '${EMPTY}'", "token: it is empty; give it a value or remove it"),
        ("token: [S3CRET]", "token: "),
        ("basic_auth: {username: rasa}", "basic_auth.password: "),
        ("basic_auth: {username: rasa, password: ''}", "basic_auth.password: it is empty"),
        ("basic_auth: S3CRET", "basic_auth: "),
        ("headers: {x-api-key: ''}", "headers.x-api-key: it is empty"),
        ("headers: [S3CRET]", "headers: "),
    ],
)
def test_an_impossible_secret_stops_the_start_and_is_named(
    entry: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPTY", "")
    message = refusal(f"action_endpoint:\n  url: x\n  {entry}\n")
    assert message.startswith(f"action_endpoint.{named}")
    assert message.endswith(LISTED)
    assert "S3CRET" not in message
    listed = refusal(f"action_endpoint:\n- url: x\n- {entry}\n")
    assert listed.startswith(f"action_endpoint.1.{named}")


def test_a_variable_that_is_not_set_stops_the_start() -> None:
    assert refusal("action_endpoint: {token: '${NOT_SET}'}").startswith(
        "action_endpoint.token: the environment variable NOT_SET is not set"
    )


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("{}", "also_accept.0: write a token, basic_auth or headers"),
        ("{headers: {accept: '*/*'}}", "also_accept.0: write a token, basic_auth or headers"),
        ("{token: ''}", "also_accept.0.token: it is empty"),
        ("{tokn: S3CRET}", "also_accept.0.tokn: no such setting"),
    ],
)
def test_an_impossible_further_secret_is_named(entry: str, named: str) -> None:
    message = refusal(f"profile_store: {{also_accept: [{entry}]}}")
    assert message.startswith(f"profile_store.{named}")
    assert "S3CRET" not in message


def test_settings_do_not_show_what_is_accepted() -> None:
    load("profile_store: {also_accept: [{token: S3CRET}]}")
    assert "S3CRET" not in repr(settings.load())


# Where to listen

EVERYWHERE = ["0.0.0.0", "::", "203.0.113.1", "no.such.host.invalid"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_secret(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANIC_HOST", host)
    assert address.settle(guarded=False, serve_without_secret=False) == host


@pytest.mark.parametrize("host", [None, ""])
def test_without_a_secret_and_an_address_it_is_loopback_and_says_so(
    host: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if host is not None:
        monkeypatch.setenv("SANIC_HOST", host)
    assert address.settle(guarded=False, serve_without_secret=False) == "127.0.0.1"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "ACTION_SERVER_TOKEN" in record.getMessage()


@pytest.mark.parametrize("host", EVERYWHERE)
def test_another_address_without_a_secret_ends_the_process_with_one_line(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANIC_HOST", host)
    with pytest.raises(SystemExit) as ended:
        address.settle(guarded=False, serve_without_secret=False)
    message = str(ended.value.code)
    assert message.startswith("rasa-coexistence: SANIC_HOST")
    assert "\n" not in message
    for way_out in ("action_endpoint.token", "ACTION_SERVER_TOKEN", "serve_without_secret"):
        assert way_out in message


@pytest.mark.parametrize("host", [None, *EVERYWHERE])
@pytest.mark.parametrize("guarded", [True, False])
def test_with_a_secret_or_the_setting_it_listens_where_it_is_told(
    host: str | None, guarded: bool, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    if host is not None:
        monkeypatch.setenv("SANIC_HOST", host)
    assert address.settle(guarded=guarded, serve_without_secret=not guarded) == host
    assert ["No secret is set" in record.getMessage() for record in caplog.records] == (
        [] if guarded else [True]
    )
