"""The keys that tokens are checked with: which are taken, and how they are rotated."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from coexistence import token_keys
from coexistence.errors import TokenRefused
from coexistence.settings import JwtSettings
from coexistence.signed_tokens import SignedTokens
from profile_store import InvalidSettings
from tests.coexistence.bad_tokens import BAD
from tests.coexistence.tokens import (
    SECRET,
    claims,
    ec_key,
    forged,
    jwk,
    part,
    private_pem,
    public_pem,
    rsa_key,
    token,
    write_jwks,
)

BOTH = ["RS256", "ES256"]
OCT = {"kty": "oct", "k": part(SECRET.encode())}


def believe(**options: Any) -> SignedTokens:
    return SignedTokens(JwtSettings(**options))


def refusal(**options: Any) -> str:
    with pytest.raises(InvalidSettings) as refused:
        believe(**options)
    assert "\n" not in str(refused.value)
    assert refused.value.__cause__ is None
    return str(refused.value)


def refused(tokens: SignedTokens, brought: Any) -> str:
    with pytest.raises(TokenRefused) as error:
        tokens.verify(brought)
    return str(error.value)


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    return write_jwks(tmp_path / "jwks.json", jwk(rsa_key(), "one"), jwk(ec_key(), "two"))


# One key


@pytest.mark.parametrize(
    ("algorithm", "private", "content"),
    [
        ("RS256", rsa_key(), public_pem(rsa_key())),
        ("ES256", ec_key(), public_pem(ec_key())),
        ("HS256", SECRET, SECRET),
        ("HS256", SECRET, SECRET + "\n"),
        ("HS256", SECRET, SECRET + "\r\n"),
    ],
)
def test_a_key_may_be_in_a_file(algorithm: str, private: Any, content: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(content, newline="")
    tokens = believe(key_file=file, algorithms=[algorithm])
    assert tokens.verify(token(key=private, algorithm=algorithm, kid="any")) == "ann"


def test_a_key_is_for_the_algorithm_of_its_kind_only() -> None:
    tokens = believe(key=public_pem(rsa_key()), algorithms=BOTH)
    assert tokens.verify(token()) == "ann"
    assert refused(tokens, token(key=ec_key(), algorithm="ES256")) == (
        "there is no key for its algorithm and its kid"
    )


@pytest.mark.parametrize(
    ("key", "algorithms", "reason"),
    [
        ("", ["RS256"], "it is no public key in PEM"),
        ("words", ["RS256"], "it is no public key in PEM"),
        (SECRET, ["RS256"], "it is no public key in PEM"),
        (public_pem(rsa_key())[:200], ["RS256"], "it is no public key in PEM"),
        (private_pem(rsa_key()), ["RS256"], "it is a private key; give the public one"),
        (private_pem(ec_key()), ["ES256"], "it is a private key; give the public one"),
        (public_pem(rsa_key()), ["ES256"], "it is a key for RS256, which algorithms does not list"),
        (public_pem(ec_key()), ["RS256"], "it is a key for ES256, which algorithms does not list"),
        (public_pem(rsa_key("weak", 1024)), ["RS256"], "an RSA key of 1024 bits is too weak"),
        (public_pem(ec_key("odd", ec.SECP256K1)), ["ES256"], "it is neither an RSA key"),
        (public_pem(ec_key("large", ec.SECP384R1)), ["ES256"], "it is neither an RSA key (RS256)"),
        ("", ["HS256"], "a secret of 0 bytes can be guessed; HS256 takes at least 32"),
        ("x" * 31, ["HS256"], "a secret of 31 bytes can be guessed; HS256 takes at least 32"),
        (public_pem(rsa_key()), ["HS256"], "it is a public key, which everybody may read"),
        (public_pem(ec_key()), ["HS256"], "it is a public key, which everybody may read"),
        (private_pem(rsa_key()), ["HS256"], "it is a public key, which everybody may read"),
        ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ", ["HS256"], "it is a public key"),
        (json.dumps(jwk(rsa_key(), "one")), ["HS256"], "it is a public key, which everybody may"),
    ],
)  # fmt: skip
def test_what_is_no_safe_key_is_refused_and_not_repeated(
    key: str, algorithms: list[str], reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(key)
    messages = [
        (refusal(key=key, algorithms=algorithms), f"profile_store.jwt.key: {reason}"),
        (
            refusal(key_file=file, algorithms=algorithms),
            f"profile_store.jwt.key_file: {file}: {reason}",
        ),
    ]
    for message, start in messages:
        assert message.startswith(start)
        assert message.endswith(". The settings are listed in docs/settings.md.")
        assert not any(line in message for line in key.splitlines() if len(line) > 8)


@pytest.mark.parametrize("setting", ["key_file", "jwks_file"])
def test_a_file_that_cannot_be_read_is_named(setting: str, tmp_path: Path) -> None:
    file = tmp_path / "nowhere"
    assert refusal(**{setting: file}) == (
        f"profile_store.jwt.{setting}: {file}: it cannot be read (No such file or directory). "
        "The settings are listed in docs/settings.md."
    )
    assert "it cannot be read (Is a directory)" in refusal(**{setting: tmp_path})


# A key set


def test_the_kid_chooses_the_key(jwks: Path) -> None:
    tokens = believe(jwks_file=jwks, algorithms=BOTH)
    assert tokens.verify(token(kid="one")) == "ann"
    assert tokens.verify(token(key=ec_key(), algorithm="ES256", kid="two")) == "ann"
    assert refused(tokens, token(key=rsa_key("a thief's"), kid="one")) == "its signature is wrong"


@pytest.mark.parametrize(
    "brought",
    [
        token(kid="three"),
        token(kid="two"),
        token(kid=""),
        token(),
        token(key=ec_key(), algorithm="ES256", kid="one"),
    ],
    ids=["unknown", "of another algorithm", "empty", "none where there are two", "exchanged"],
)
def test_a_token_whose_kid_leads_to_no_key_is_refused(brought: str, jwks: Path) -> None:
    tokens = believe(jwks_file=jwks, algorithms=BOTH)
    assert refused(tokens, brought) == "there is no key for its algorithm and its kid"


@pytest.mark.parametrize("kid", ["one", None])
def test_a_token_needs_no_kid_where_there_is_but_one_key(kid: str | None, tmp_path: Path) -> None:
    file = write_jwks(tmp_path / "jwks.json", jwk(rsa_key(), kid))
    assert believe(jwks_file=file).verify(token()) == "ann"


def test_a_public_key_of_the_set_is_no_secret(jwks: Path) -> None:
    tokens = believe(jwks_file=jwks, algorithms=BOTH)
    for header in ({"kid": "one"}, {"kid": "one", "alg": "RS256"}, {"kid": "two", "alg": "ES256"}):
        assert refused(tokens, forged(public_pem(rsa_key()), header)) in {
            "its algorithm is none of profile_store.jwt.algorithms",
            "its signature is wrong",
        }


@pytest.mark.parametrize("kid", [["one"], 7, {"a": 1}, None], ids=repr)
def test_a_kid_that_is_no_text_is_refused(kid: Any, jwks: Path) -> None:
    _, payload, signature = token(kid="one").split(".")
    brought = f"{part({'alg': 'RS256', 'kid': kid})}.{payload}.{signature}"
    assert refused(believe(jwks_file=jwks), brought) == "it is no signed token (JWS)"


def test_secrets_may_be_in_a_set(tmp_path: Path) -> None:
    file = write_jwks(tmp_path / "jwks.json", {**OCT, "kid": "one"}, jwk(rsa_key(), "two"))
    tokens = believe(jwks_file=file, algorithms=["HS256"])
    assert tokens.verify(token(key=SECRET, algorithm="HS256", kid="one")) == "ann"


def test_keys_for_something_else_are_left_out(tmp_path: Path) -> None:
    file = write_jwks(
        tmp_path / "jwks.json",
        jwk(rsa_key(), "one"),
        jwk(rsa_key("encrypts"), "one", use="enc"),
        jwk(rsa_key("signs otherwise"), "one", alg="PS256"),
        jwk(ec_key("large", ec.SECP384R1), "one"),
        {"kty": "OKP", "crv": "Ed25519", "x": "x", "kid": "one"},
        {"kty": ["RSA"], "kid": "two"},
        {**OCT, "kid": "one"},
        {"kty": "RSA", "kid": 7},
    )
    assert believe(jwks_file=file).verify(token(kid="one")) == "ann"


BROKEN: dict[str, tuple[str, str]] = {
    "empty": ("", "it is not JSON"),
    "cut": ('{"keys": [', "it is not JSON"),
    "no text": ("\udcff", "it is not JSON"),
    "deep": ("[" * 100_000, "it is not JSON"),
    "a list": ("[]", "it is no JSON Web Key Set, for it has no list of keys"),
    "one key": (json.dumps(jwk(rsa_key(), "a")), "it is no JSON Web Key Set, for it has no list"),
    "keys by name": ('{"keys": {"a": {}}}', "it is no JSON Web Key Set, for it has no list of"),
    "no keys": ('{"keys": []}', "it holds no key for the algorithms"),
    "no objects": ('{"keys": [1, null]}', "it holds no key for the algorithms"),
    "secrets": (json.dumps({"keys": [OCT]}), "it holds no key for the algorithms"),
    "no numbers": ('{"keys": [{"kty": "RSA"}]}', "one of its keys for RS256 cannot be read"),
    "odd numbers": (
        '{"keys": [{"kty": "RSA", "n": 7, "e": []}]}', "one of its keys for RS256 cannot be read"
    ),
    "no point": (
        '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
        "one of its keys for ES256 cannot be read",
    ),
    "a weak one": (
        json.dumps({"keys": [jwk(rsa_key("weak", 1024), "a")]}), "an RSA key of 1024 bits is too"
    ),
    "a private one": (
        json.dumps({"keys": [jwk(rsa_key(), "a", d="AA")]}),
        "of one of its keys: it is a private key; give the public one",
    ),
    "two of one name": (
        json.dumps({"keys": [jwk(rsa_key(), "a"), jwk(rsa_key("other"), "a")]}),
        "two of its keys for one algorithm have the same kid, or none",
    ),
    "two of no name": (
        json.dumps({"keys": [jwk(rsa_key(), None), jwk(rsa_key("other"), None)]}),
        "two of its keys for one algorithm have the same kid, or none",
    ),
}  # fmt: skip
broken_sets = pytest.mark.parametrize(
    ("content", "reason"), list(BROKEN.values()), ids=list(BROKEN)
)


@broken_sets
def test_a_broken_set_is_refused_at_the_start(content: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    message = refusal(jwks_file=file, algorithms=BOTH)
    assert message.startswith(f"profile_store.jwt.jwks_file: {file}: {reason}")


# Rotation


NEW = token(key=rsa_key("the next"), kid="next")
OLD = token(kid="one")


def in_place(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def by_replacing(file: Path, content: bytes) -> None:
    aside = file.with_suffix(".new")
    aside.write_bytes(content)
    aside.replace(file)


def by_link(file: Path, content: bytes) -> None:
    """As Kubernetes mounts a secret: the file is a link into a folder that is exchanged."""
    aside = file.with_name(f"data {len(list(file.parent.iterdir()))}")
    aside.write_bytes(content)
    link = file.with_suffix(".link")
    link.symlink_to(aside)
    link.replace(file)


ways = pytest.mark.parametrize("write", [in_place, by_replacing, by_link])


@ways
@pytest.mark.parametrize("age", [0, 3600], ids=["fresh", "old"])
def test_a_new_set_is_believed_without_a_restart(
    write: Callable[[Path, bytes], None], age: int, jwks: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settled(jwks, age)
    tokens = believe(jwks_file=jwks)
    assert tokens.verify(OLD) == "ann"
    assert refused(tokens, NEW) == "there is no key for its algorithm and its kid"
    both = [jwk(rsa_key(), "one"), jwk(rsa_key("the next"), "next")]
    with caplog.at_level(logging.DEBUG):
        write(jwks, json.dumps({"keys": both}).encode())
        settled(jwks, age - 10)
        assert tokens.verify(NEW) == tokens.verify(OLD) == "ann"
        write(jwks, json.dumps({"keys": both[1:]}).encode())
        settled(jwks, age - 20)
        assert tokens.verify(NEW) == "ann"
        assert refused(tokens, OLD) == "there is no key for its algorithm and its kid"
    assert tokens.whose(OLD) is None, "what was remembered went with its key"
    assert [record.getMessage() for record in caplog.records] == [
        f"{jwks} was read again: 2 keys.", f"{jwks} was read again: 1 keys.",
    ]  # fmt: skip


def settled(file: Path, age: float) -> None:
    """Let a file be as old as that, in seconds; leave one alone that is to be fresh."""
    if age > 0:
        found = file.stat()
        os.utime(file, ns=(found.st_atime_ns, int(found.st_mtime_ns - age * 1e9)))


def test_a_set_of_the_same_size_and_time_is_noticed_while_it_is_fresh(tmp_path: Path) -> None:
    file = write_jwks(tmp_path / "jwks.json", jwk(rsa_key(), "next"))
    tokens = believe(jwks_file=file)
    before = file.stat()
    file.write_text(json.dumps({"keys": [jwk(rsa_key("the next"), "next")]}))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert tokens.verify(NEW) == "ann"


def test_a_set_that_stays_is_not_read_again(jwks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(jwks, 3600)
    tokens = believe(jwks_file=jwks)
    monkeypatch.setattr(Path, "read_bytes", None)
    assert tokens.verify(OLD) == "ann"


@broken_sets
def test_a_broken_new_set_keeps_the_old_keys_and_is_logged_once(
    content: str, reason: str, jwks: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = jwks.read_bytes()
    tokens = believe(jwks_file=jwks, algorithms=BOTH)
    for round_ in range(2):
        caplog.clear()
        jwks.write_bytes(content.encode(errors="surrogateescape"))
        for _ in range(3):
            assert tokens.verify(OLD) == "ann"
            assert refused(tokens, NEW) == "there is no key for its algorithm and its kid"
        (record,) = caplog.records
        assert record.levelname == "ERROR"
        assert record.getMessage().startswith(f"{jwks}: {reason}")
        assert "the keys read before stay in use. Correct the file." in record.getMessage()
        jwks.write_bytes(good)
        assert tokens.verify(OLD) == "ann", f"round {round_}"


def test_a_set_that_is_gone_keeps_the_old_keys_and_is_logged_once(
    jwks: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = believe(jwks_file=jwks)
    good = jwks.read_bytes()
    for _ in range(2):
        caplog.clear()
        jwks.unlink()
        assert tokens.verify(OLD) == tokens.verify(OLD) == "ann"
        assert [record.getMessage() for record in caplog.records] == [
            f"{jwks}: it cannot be read (No such file or directory); the keys read before stay in "
            "use. Correct the file."
        ]
        jwks.write_bytes(good)
        assert tokens.verify(OLD) == "ann"


def test_a_set_is_taken_again_after_it_was_broken(jwks: Path) -> None:
    tokens = believe(jwks_file=jwks)
    jwks.write_text("{")
    assert tokens.verify(OLD) == "ann"
    write_jwks(jwks, jwk(rsa_key("the next"), "next"))
    assert tokens.verify(NEW) == "ann"
    refused(tokens, OLD)


@pytest.mark.parametrize(("bad", "reason"), list(BAD.values()), ids=list(BAD))
def test_a_bad_token_is_bad_for_a_set_too(bad: Any, reason: str, tmp_path: Path) -> None:
    file = write_jwks(tmp_path / "jwks.json", jwk(rsa_key(), "one"))
    assert refused(believe(jwks_file=file), bad).startswith(reason)


def test_the_least_lengths_are_those_of_the_standard() -> None:
    assert (token_keys.LEAST_SECRET_BYTES, token_keys.LEAST_RSA_BITS) == (32, 2048)
    assert believe(key="x" * 32, algorithms="HS256").verify(
        token(claims("ann"), "x" * 32, "HS256")
    ) == "ann"  # fmt: skip
