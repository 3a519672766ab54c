"""Which calls carry what is accepted, and which only nearly do."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from coexistence.authentication.credentials import Credentials
from coexistence.authentication.sent import Sent

TOKEN: dict[str, Any] = {"token": "right"}
BASIC: dict[str, Any] = {"basic_auth": {"username": "rasa", "password": "right"}}
HEADERS: dict[str, Any] = {"headers": {"X-Api-Key": "right", "x-tenant": "bank"}}


class Call:
    """A call with these query parameters and headers, as bytes."""

    def __init__(
        self, *parameters: tuple[str, bytes], headers: tuple[tuple[str, bytes], ...] = ()
    ) -> None:
        self._parameters = parameters
        self._headers = headers

    def parameters(self, name: str) -> list[bytes]:
        return [value for key, value in self._parameters if key == name]

    def headers(self, name: str) -> list[bytes]:
        return [value for key, value in self._headers if key == name]


def with_headers(*headers: tuple[str, bytes]) -> Call:
    return Call(headers=headers)


def authorization(value: bytes) -> Call:
    return with_headers(("authorization", value))


def basic(pair: bytes) -> Call:
    return authorization(b"Basic " + base64.b64encode(pair))


def let_in(call: Call, *accepted: dict[str, Any]) -> bool:
    return Credentials([Sent(**sent) for sent in accepted]).let_in(call)


@pytest.mark.parametrize(
    ("sent", "call"),
    [
        (TOKEN, Call(("token", b"right"))),
        (TOKEN, Call(("other", b"x"), ("token", b"right"))),
        (TOKEN, authorization(b"Bearer right")),
        (TOKEN, authorization(b"bearer   right ")),
        ({"token": "right", "token_name": "key"}, Call(("key", b"right"))),
        ({"token": " right\n"}, Call(("token", b"right"))),
        ({"token": "grün €"}, Call(("token", "grün €".encode()))),
        (BASIC, basic(b"rasa:right")),
        (BASIC, authorization(b"basic " + base64.b64encode(b"rasa:right"))),
        ({"basic_auth": {"username": "rasa", "password": "a:b"}}, basic(b"rasa:a:b")),
        ({"basic_auth": {"username": "r", "password": "grün"}}, basic("r:grün".encode())),
        ({"basic_auth": {"username": "r", "password": "grün"}}, basic("r:grün".encode("latin-1"))),
        ({"basic_auth": {"username": "r", "password": "€"}}, basic("r:€".encode())),
        (HEADERS, with_headers(("x-api-key", b"right"), ("x-tenant", b"bank"))),
        ({"headers": {"Authorization": "Bearer right"}}, authorization(b"Bearer right")),
        ({**TOKEN, **HEADERS}, Call(
            ("token", b"right"), headers=(("x-api-key", b"right"), ("x-tenant", b"bank")))),
        ({**TOKEN, "headers": {"Content-Type": "application/json"}}, Call(("token", b"right"))),
    ],
)  # fmt: skip
def test_who_carries_all_of_it_is_let_in(sent: dict[str, Any], call: Call) -> None:
    assert let_in(call, sent)


@pytest.mark.parametrize("sent", [TOKEN, BASIC, HEADERS])
@pytest.mark.parametrize(
    "call",
    [
        Call(),
        Call(("token", b"")),
        Call(("token", b"wrong")),
        Call(("token", b"righ")),
        Call(("token", b"right!")),
        Call(("token", b"RIGHT")),
        Call(("token", "r\u0456ght".encode())),  # with a Cyrillic letter
        Call(("token", b"\xff\xfe")),
        Call(("TOKEN", b"right")),
        Call(("token", b"right"), ("token", b"right")),
        Call(("token", b"wrong"), ("token", b"right")),
        authorization(b""),
        authorization(b"Bearer"),
        authorization(b"Bearer "),
        authorization(b"right"),
        authorization(b"Basic right"),
        authorization(b"Basic \xff\xff"),
        authorization(b"Basic ===="),
        authorization(b"Basic"),
        authorization(b"Bearer " + base64.b64encode(b"rasa:right")),
        with_headers(("authorization", b"Bearer wrong"), ("authorization", b"Bearer right")),
        with_headers(("token", b"right")),
        basic(b"rasa:wrong"),
        basic(b"other:right"),
        basic(b"rasa:"),
        basic(b":right"),
        basic(b"rasa"),
        basic(b"rasaright:"),
        with_headers(("x-api-key", b"right")),
        with_headers(("x-tenant", b"bank")),
        with_headers(("x-api-key", b"bank"), ("x-tenant", b"right")),
        with_headers(("x-api-key", b"right"), ("x-tenant", b"")),
        with_headers(("x-api-key", b"right"), ("x-tenant", b"bank"), ("x-tenant", b"bank")),
    ],
)
def test_who_does_not_is_refused(sent: dict[str, Any], call: Call) -> None:
    assert not let_in(call, sent)


def test_nobody_is_let_in_where_nothing_is_accepted() -> None:
    assert not let_in(Call(("token", b"")))


def test_all_that_rasa_sends_at_once_is_asked_for() -> None:
    both = {**TOKEN, "headers": {"x-tenant": "bank"}}
    assert not let_in(Call(("token", b"right")), both)
    assert not let_in(with_headers(("x-tenant", b"bank")), both)


def test_secrets_are_changed_without_a_moment_in_which_neither_is_accepted() -> None:
    old, new = Call(("token", b"old")), Call(("token", b"new"))
    one, other = {"token": "old"}, {"token": "new"}
    assert (let_in(old, one), let_in(new, one)) == (True, False)
    assert (let_in(old, one, other), let_in(new, one, other)) == (True, True)
    assert (let_in(old, other), let_in(new, other)) == (False, True)


def test_parts_of_two_credentials_make_none() -> None:
    one = {"headers": {"x-user": "ann", "x-key": "of ann"}}
    other = {"headers": {"x-user": "bob", "x-key": "of bob"}}
    assert let_in(with_headers(("x-user", b"bob"), ("x-key", b"of bob")), one, other)
    assert not let_in(with_headers(("x-user", b"ann"), ("x-key", b"of bob")), one, other)


@pytest.mark.parametrize("place", range(3))
def test_every_credential_is_compared_whichever_it_is(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []
    from coexistence.authentication import credentials

    def compare(value: bytes, digest: bytes) -> bool:
        compared.append(digest)
        return value == digest

    tokens = ["a", "bb", "ccc"]
    accepted = Credentials([Sent(token=token) for token in tokens])  # type: ignore[arg-type]
    monkeypatch.setattr(credentials.hmac, "compare_digest", compare)
    assert accepted.let_in(Call(("token", tokens[place].encode())))
    assert len(set(compared)) == len(tokens)
    assert {len(digest) for digest in compared} == {32}, "of one length, whatever the secrets'"


@pytest.mark.parametrize(
    ("accepted", "challenges"),
    [
        ([TOKEN], 'Bearer realm="action server"'),
        ([BASIC], 'Basic realm="action server"'),
        ([BASIC, TOKEN, TOKEN], 'Basic realm="action server", Bearer realm="action server"'),
        ([HEADERS], ""),
    ],
)
def test_the_refused_are_told_which_schemes_there_are(
    accepted: list[dict[str, Any]], challenges: str
) -> None:
    assert Credentials([Sent(**sent) for sent in accepted]).challenges == challenges


def test_no_secret_can_be_seen_where_it_is_kept() -> None:
    sent = Sent(**TOKEN, **BASIC, headers={"x-key": "right"})
    kept = Credentials([sent])
    assert "right" not in repr(sent)
    assert "right" not in repr([vars(one) for one in kept._accepted])
