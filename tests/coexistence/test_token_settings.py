"""Settings of the rule `jwt`, and that what is impossible is found when the server starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import coexistence
from coexistence import runtime, settings
from coexistence.settings import Settings
from profile_store import InvalidSettings
from tests.coexistence.tokens import SECRET, claims, public_pem, rsa_key, token, write_jwks

LISTED = "The settings are listed in docs/settings.md."


pytestmark = pytest.mark.usefixtures("bare_place")


def write(jwt: str, identity: str = "[jwt, sender_id]") -> None:
    Path("endpoints.yml").write_text(
        f"profile_store:\n  identity: {identity}\n  jwt: {jwt}\n", encoding="utf-8"
    )


def load(jwt: str, identity: str = "[jwt, sender_id]") -> Settings:
    write(jwt, identity)
    return settings.load()


def refusal(jwt: str, identity: str = "[jwt, sender_id]") -> str:
    with pytest.raises(InvalidSettings) as refused:
        load(jwt, identity)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_there_is_a_default_for_all_but_the_key() -> None:
    jwt = load("{key_file: issuer.pem}").jwt
    assert jwt is not None
    assert jwt.model_dump() == {
        "metadata_key": "token", "algorithms": ["RS256"], "key": None,
        "key_file": Path("issuer.pem"), "jwks_file": None, "audience": [], "issuer": None,
        "claim": "sub", "leeway": 30.0,
    }  # fmt: skip


def test_one_algorithm_or_audience_needs_no_list() -> None:
    jwt = load("{jwks_file: keys.json, algorithms: ES256, audience: assistant}").jwt
    assert jwt is not None
    assert (jwt.algorithms, jwt.audience) == (["ES256"], ["assistant"])


@pytest.mark.parametrize(
    ("jwt", "message"),
    [
        ("{}", "jwt: give one of key, key_file and jwks_file, and only one"),
        ("{key: a, key_file: b}", "jwt: give one of key, key_file and jwks_file, and only one"),
        ("{key: a, jwks_file: b}", "jwt: give one of key, key_file and jwks_file, and only one"),
        ("{key_file: a, jwks_file: b}", "jwt: give one of key, key_file and jwks_file, and only"),
        ("{key: s3cret, algorithms: [none]}", "jwt.algorithms.0: Input should be 'RS256', 'ES256'"),
        ("{key: s3cret, algorithms: [RS256, HS512]}", "jwt.algorithms.1: Input should be 'RS256'"),
        ("{key: s3cret, algorithms: rs256}", "jwt.algorithms.0: Input should be 'RS256', 'ES256'"),
        ("{key: s3cret, algorithms: []}", "jwt.algorithms: "),
        ("{key: s3cret, algorithms: [HS256, RS256]}", "jwt: HS256 goes with no other of the algor"),
        ("{key: s3cret, algorithms: [ES256, HS256]}", "jwt: HS256 goes with no other of the algor"),
        ("{key: s3cret, metadata_key: ''}", "jwt.metadata_key: "),
        ("{key: s3cret, claim: ''}", "jwt.claim: "),
        ("{key: s3cret, issuer: ''}", "jwt.issuer: "),
        ("{key: s3cret, audience: ['']}", "jwt.audience.0: "),
        ("{key: s3cret, leeway: -1}", "jwt.leeway: "),
        ("{key: s3cret, leeway: 301}", "jwt.leeway: "),
        ("{key: s3cret, leeway: a while}", "jwt.leeway: "),
        ("{key: s3cret, secret: s3cret}", "jwt.secret: no such setting"),
        ("{key: [s3cret]}", "jwt.key: "),
        ("s3cret", "jwt: "),
        ("null", "jwt: the rule jwt in identity needs it; give its key and algorithms"),
    ],
)
def test_an_impossible_setting_is_named_and_not_repeated(jwt: str, message: str) -> None:
    shown = refusal(jwt)
    assert shown.startswith(f"profile_store.{message}")
    assert shown.endswith(LISTED)
    assert "s3cret" not in shown


def test_the_rule_needs_the_section() -> None:
    Path("endpoints.yml").write_text("profile_store:\n  identity: [jwt]\n")
    with pytest.raises(InvalidSettings) as refused:
        settings.load()
    assert str(refused.value) == (
        "profile_store.jwt: the rule jwt in identity needs it; give its key and algorithms. "
        f"{LISTED}"
    )


def test_the_section_without_the_rule_is_refused(tmp_path: Path) -> None:
    # whoever writes keys wants tokens, and would be served by what the client may write
    assert "list the rule jwt in identity" in refusal("{key_file: key.pem}", "[user_id]")


def test_a_secret_comes_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", SECRET)
    made = runtime.Runtime(load("{key: '${JWT_SECRET}', algorithms: HS256}"))
    assert made.tokens is not None
    assert made.tokens.verify(token(claims("ann"), SECRET, "HS256")) == "ann"
    assert SECRET not in repr(made.settings)


def test_a_key_of_several_lines_comes_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUER_KEY", public_pem(rsa_key()))
    made = runtime.Runtime(load("{key: '${ISSUER_KEY}'}"))
    assert made.tokens is not None
    assert made.tokens.verify(token()) == "ann"


def test_the_environment_wins_over_the_file_key_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_JWT", '{"algorithms": ["ES256"], "leeway": 5}')
    jwt = load("{key_file: issuer.pem, leeway: 60}").jwt
    assert jwt is not None
    assert (jwt.algorithms, jwt.leeway, jwt.key_file) == (["ES256"], 5.0, Path("issuer.pem"))
    monkeypatch.setenv("PROFILE_STORE_JWT", '{"leeway": "s3cret"}')
    message = refusal("{key_file: issuer.pem}")
    assert message.startswith("PROFILE_STORE_JWT.leeway: ")
    assert "s3cret" not in message


# At the start


def test_a_bad_key_ends_the_start_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    write("{key: s3cret, algorithms: HS256}")
    runtime.use(None)
    with pytest.raises(SystemExit) as ended:
        coexistence.install()
    assert str(ended.value) == (
        "rasa-coexistence: profile_store.jwt.key: a secret of 6 bytes can be guessed; HS256 takes "
        f"at least 32, made at random. {LISTED}"
    )


@pytest.mark.parametrize("absent", ["jwt", "cryptography"])
def test_without_the_extra_the_rule_ends_the_start_with_one_line(
    absent: str, tmp_path: Path
) -> None:
    write(f"{{jwks_file: {write_jwks(tmp_path / 'keys.json')}}}")
    script = (
        "import sys\n"
        f"sys.modules[{absent!r}] = None\n"  # what makes an import fail
        "import coexistence\n"
        "coexistence.install()\n"
        "print('started')\n"
    )
    ended = run(script)
    assert (ended.stdout, ended.stderr, ended.returncode) == (
        "",
        "rasa-coexistence: profile_store.identity: the rule jwt needs PyJWT and cryptography; "
        "run: pip install 'rasa-coexistence[jwt]'\n",
        1,
    )


def test_the_library_is_left_alone_without_the_rule() -> None:
    Path("endpoints.yml").write_text("profile_store: {identity: [sender_id]}", encoding="utf-8")
    shown = run(
        "import sys, coexistence\ncoexistence.install()\n"
        "print('jwt' in sys.modules, 'coexistence.signed_tokens' in sys.modules)\n"
    )
    assert shown.stdout == "False False\n", shown.stderr


def run(script: str) -> subprocess.CompletedProcess[Any]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
