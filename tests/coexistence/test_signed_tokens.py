"""Users known by signed tokens: whose profile it is, and that a bad token opens none."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk import Tracker

from coexistence import events as tracker_events
from coexistence import runtime, signed_tokens
from coexistence.identity import Identity, identify
from coexistence.profile_actions import ActionFetchProfile, ActionResetRouting, ActionSyncProfile
from profile_store import ProfileKey, SlotWrite
from tests.coexistence.bad_tokens import BAD, GOOD
from tests.coexistence.calls import fresh, kept, run, said, sets, status
from tests.coexistence.conftest import UseSettings
from tests.coexistence.events import (
    empty_slots,
    listen,
    routing_reset,
    session_start,
    slot,
    tracker,
    user,
)
from tests.coexistence.tokens import (
    SECRET,
    claims,
    ec_key,
    public_pem,
    rsa_key,
    token,
)

IDENTITY = ["jwt", "user_id", "sender_id"]


@pytest.fixture(autouse=True)
def believed(use_settings: UseSettings) -> None:
    use_settings(identity=IDENTITY, jwt={"key": public_pem(rsa_key())})


def brings(brought: Any, **metadata: Any) -> dict[str, Any]:
    """Return a user message that brings a token."""
    return user(metadata={"token": brought, **metadata})


def found(conversation: Tracker) -> Identity | None:
    return identify(
        conversation, tracker_events.of(conversation), IDENTITY, runtime.current().tokens
    )


def who(*events: Any, **options: Any) -> str:
    identity = found(tracker(*events, **options))
    assert identity is not None
    return identity.user_id


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def put(user_id: str, name: str) -> None:
    await runtime.current().store.store(
        ProfileKey("default", user_id), [SlotWrite("name", name, 10.0)]
    )


# Good tokens


@pytest.mark.parametrize(
    ("algorithm", "private", "key"),
    [
        ("RS256", rsa_key(), public_pem(rsa_key())),
        ("ES256", ec_key(), public_pem(ec_key())),
        ("HS256", SECRET, SECRET),
    ],
)
async def test_a_signed_token_names_the_user(
    algorithm: str, private: Any, key: str, use_settings: UseSettings
) -> None:
    use_settings(identity=IDENTITY, jwt={"key": key, "algorithms": [algorithm]})
    signed = token(claims("ann"), private, algorithm)
    await said(brings(signed), slot("name", "Ann"), sender_id="phone")
    events = await run(ActionFetchProfile, fresh(brings(signed), sender_id="web"))
    assert sets(events) == {"name": "Ann"}
    assert status(events) == "loaded"
    assert await kept("ann") == {"name": "Ann"}


def test_a_token_is_known_at_session_start() -> None:
    assert who(slots={"session_started_metadata": {"token": token()}}) == "ann"


@pytest.mark.parametrize("absent", [{}, {"token": None}, {"token": ""}], ids=repr)
def test_without_any_token_the_next_rule_is_tried(absent: dict[str, Any]) -> None:
    assert who(user(metadata=absent), user_id="bob") == "bob"
    assert who(user(metadata=absent)) == "conversation/conversation"


def test_a_message_without_a_token_goes_on_with_the_one_before() -> None:
    assert who(brings(token()), user(), brings(None), brings("")) == "ann"


@pytest.mark.parametrize(("value", "named"), [("7", "7"), (7, "7"), ("conversation/x", None)])
def test_the_claim_is_text_or_a_whole_number(value: Any, named: str | None) -> None:
    assert who(brings(token(claims(value)))) == (named or "user/conversation/x")


def test_another_claim_may_name_the_user(use_settings: UseSettings) -> None:
    use_settings(identity=IDENTITY, jwt={"key": SECRET, "algorithms": "HS256", "claim": "customer"})
    assert who(brings(token(claims("ann", customer="c-1"), SECRET, "HS256"))) == "c-1"


def test_another_key_of_the_metadata_may_hold_the_token(use_settings: UseSettings) -> None:
    use_settings(identity=IDENTITY, jwt={"key": public_pem(rsa_key()), "metadata_key": "id_token"})
    assert who(brings("not looked at", id_token=token())) == "ann"


@pytest.mark.parametrize("audience", ["assistant", ["other", "assistant"]])
@pytest.mark.parametrize("configured", ["assistant", ["web", "assistant"]])
def test_a_token_may_be_for_several(
    audience: Any, configured: Any, use_settings: UseSettings
) -> None:
    use_settings(
        identity=IDENTITY,
        jwt={"key": public_pem(rsa_key()), "audience": configured, "issuer": "https://id"},
    )
    assert who(brings(token(claims(aud=audience, iss="https://id")))) == "ann"


def test_clocks_may_differ_by_the_leeway(use_settings: UseSettings) -> None:
    early = token(claims(nbf=int(time.time()) + 20))
    late = token(claims(lasts=-20))
    assert who(brings(early)) == who(brings(late)) == "ann"
    use_settings(identity=IDENTITY, jwt={"key": public_pem(rsa_key()), "leeway": 0})
    for brought in (early, late):
        with pytest.raises(signed_tokens.TokenRefused):
            who(brings(brought))


# Bad tokens

bad_tokens = pytest.mark.parametrize(("bad", "reason"), list(BAD.values()), ids=list(BAD))


@bad_tokens
async def test_a_bad_token_opens_no_profile_and_the_conversation_goes_on(
    bad: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = {"ann": "Ann", "bob": "Bob", "conversation/conversation": "Anon"}
    for user_id, name in before.items():
        await put(user_id, name)
    events = [*session_start(), brings(bad), slot("tier", "gold")]
    with caplog.at_level(logging.DEBUG):
        state = fresh(*events, user_id="bob", slots={"tier": "gold"})
        fetched = await run(ActionFetchProfile, state)
        await run(ActionSyncProfile, state)
        reset = await run(ActionResetRouting, state)
    assert sets(fetched) == {}
    assert status(fetched) == "unavailable"
    assert {"event": "routing_session_ended", "timestamp": None} in reset
    for user_id, name in before.items():
        assert await kept(user_id) == {"name": name}
    warning = "action_fetch_profile: no profile, for the token in the message metadata is refused: "
    assert f"{warning}{reason}" in caplog.text
    assert {record.levelname for record in caplog.records if record.name != "asyncio"} == {
        "WARNING"
    }
    if isinstance(bad, str) and len(bad.strip()) > 10:
        for piece in (bad, *(piece for piece in bad.split(".") if len(piece) > 4)):
            assert piece not in caplog.text


def test_every_reason_is_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "identity.md"
    told = page.read_text(encoding="utf-8").replace("`", "")
    assert [reason for _, reason in BAD.values() if reason not in told] == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"iss": "https://id"}, "it has no claim aud"),
        ({"aud": "assistant"}, "it has no claim iss"),
        ({"aud": "assistants", "iss": "https://id"}, "it is for somebody else (aud)"),
        ({"aud": ["other"], "iss": "https://id"}, "it is for somebody else (aud)"),
        ({"aud": 7, "iss": "https://id"}, "it is for somebody else (aud)"),
        ({"aud": "assistant", "iss": "https://"}, "somebody else issued it (iss)"),
        ({"aud": "assistant", "iss": "https://id/"}, "somebody else issued it (iss)"),
    ],
    ids=str,
)
def test_audience_and_issuer_must_be_those_of_the_settings(
    content: dict[str, Any], reason: str, use_settings: UseSettings
) -> None:
    use_settings(
        identity=IDENTITY,
        jwt={"key": public_pem(rsa_key()), "audience": "assistant", "issuer": "https://id"},
    )
    with pytest.raises(signed_tokens.TokenRefused) as refused:
        who(brings(token(claims(**content))))
    assert str(refused.value) == reason


def test_the_newest_token_must_be_good_though_the_one_before_was() -> None:
    with pytest.raises(signed_tokens.TokenRefused):
        who(brings(GOOD), brings("garbage"), user())


def test_a_token_that_was_good_expires_though_it_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    brought = token(claims())
    assert who(brings(brought)) == "ann"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_431)
    with pytest.raises(signed_tokens.TokenRefused, match=r"^it has expired$"):
        who(brings(brought))


def test_a_token_is_checked_once_as_long_as_it_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signed_tokens, "REMEMBERED", 2)
    checked = []
    decode = signed_tokens.jwt.decode

    def count(brought: str, *rest: Any, **options: Any) -> Any:
        checked.append(brought)
        return decode(brought, *rest, **options)

    monkeypatch.setattr(signed_tokens.jwt, "decode", count)
    one, two, three = (token(claims(name)) for name in ("ann", "bob", "eve"))
    for brought in (one, two, one, three, two, one):
        who(brings(brought))
    assert checked == [one, two, three, one]


# Whose events were whose


def test_earlier_tokens_of_the_same_user_may_have_expired() -> None:
    old, new = token(claims(lasts=-3600)), token(claims())
    identity = found(tracker(brings(old), slot("name", "Ann"), brings(new)))
    assert identity == Identity("ann")


@bad_tokens
def test_what_came_before_a_bad_token_is_somebody_elses(bad: Any, reason: str) -> None:
    events = [brings(GOOD), slot("name", "A"), brings(bad), slot("tier", "gold"), brings(GOOD)]
    identity = found(tracker(*events))
    expired = reason in {"it has expired"}
    assert identity == (Identity("ann") if expired else Identity("ann", since=4))


async def test_a_user_never_gets_what_another_one_left_in_the_conversation() -> None:
    events = [
        *session_start(), brings(token(claims("ann"))), slot("name", "Ann"), slot("tier", "gold"),
        listen(), brings(token(claims("bob"))), slot("tier", "silver"),
    ]  # fmt: skip
    state = tracker(*events, slots={**empty_slots(), "name": "Ann", "tier": "silver"})
    assert sets(await run(ActionSyncProfile, state)) == {"name": None}
    assert await kept("bob") == {"tier": "silver"}


async def test_a_user_who_comes_back_gets_only_their_own() -> None:
    ann, bob = token(claims("ann")), token(claims("bob"))
    events = [brings(ann), slot("name", "Ann"), brings(bob), slot("tier", "gold"), brings(ann)]
    await said(*events[:2])
    state = tracker(*events, slots={**empty_slots(), "tier": "gold"})
    assert sets(await run(ActionSyncProfile, state)) == {"name": "Ann", "tier": None}
    assert await kept("ann") == {"name": "Ann"}


def test_the_token_of_a_session_s_start_comes_before_its_messages() -> None:
    slots = {"session_started_metadata": {"token": token(claims("ann"))}}
    events = [*session_start(), brings(token(claims("bob")))]
    identity = found(tracker(*events, slots=slots))
    assert identity == Identity("bob", since=3)


# Nothing of a token is kept or told


async def test_neither_the_token_nor_whose_it_is_is_kept_or_logged(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    secret = token(claims("customer-4711", given_name="Annabel"))
    expired = token(claims("customer-4711", lasts=-100))
    start = [*session_start(), user("hi", metadata={})]
    metadata = {"session_started_metadata": {"token": secret}}
    with caplog.at_level(logging.DEBUG):
        await said(*start, slot("name", "A"))
        for events in ([brings(secret)], [brings(secret), *routing_reset()], [brings(expired)]):
            state = fresh(*start, slot("name", "A"), *events, slots=metadata)
            for kind in (ActionSyncProfile, ActionFetchProfile, ActionResetRouting):
                await run(kind, state)
    assert await kept("customer-4711") == {"name": "A"}
    logged = caplog.text + repr([vars(record) for record in caplog.records])
    exported = str(await runtime.current().store.export(ProfileKey("default", "customer-4711")))
    runtime.close()
    stored = everything_in(tmp_path)
    assert b"customer-4711" in stored, "as the key of the profile, and only there"
    for piece in (*secret.split("."), *expired.split(".")[1:], "Annabel"):
        assert piece not in logged
        assert piece not in exported
        assert piece.encode() not in stored
    assert "customer-4711" not in logged
