"""Sealed values: what is opened is what was sealed, in the same place, to the last bit."""

from __future__ import annotations

import base64
import sys
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import profile_store
from profile_store import InvalidSettings, ProfileKey, StoreSettings, ValueUnreadable, settings
from profile_store.keys import parse
from profile_store.sealing import MARK, OVERHEAD, Sealed, Unsealed, make
from profile_store.xaes import XAES256GCM
from tests.profile_store.sealed import NEW, OLD

SECRETS = parse(f"{OLD},{NEW}")
SEALED = Sealed(SECRETS)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
KEYS = st.builds(ProfileKey, TEXTS.filter(lambda text: len(text) <= 64), TEXTS)
PLACES = st.tuples(KEYS, TEXTS)
VALUES = st.binary(min_size=1).filter(lambda value: value[:1] != MARK)

ANN = ProfileKey("bank", "ann")
SECRET = b'"a secret"'


@given(PLACES, VALUES)
def test_what_is_opened_is_what_was_sealed(place: tuple[ProfileKey, str], value: bytes) -> None:
    sealed = SEALED.seal(*place, value)
    assert SEALED.open(*place, sealed) == value
    assert len(sealed) == len(value) + OVERHEAD


@given(PLACES, PLACES, VALUES)
def test_a_value_moved_to_another_place_is_refused(
    place: tuple[ProfileKey, str], other: tuple[ProfileKey, str], value: bytes
) -> None:
    assume(place != other)
    with pytest.raises(ValueUnreadable):
        SEALED.open(*other, SEALED.seal(*place, value))


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        pytest.param(ProfileKey("shop", "ann"), "name", id="namespace"),
        pytest.param(ProfileKey("bank", "bob"), "name", id="user"),
        pytest.param(ANN, "city", id="slot"),
        pytest.param(ProfileKey("bankann", "a"), "name", id="parts run together"),
    ],
)
def test_a_value_is_bound_to_each_part_of_its_place(key: ProfileKey, slot: str) -> None:
    with pytest.raises(ValueUnreadable, match=f"Slot {slot} .* damaged, or moved here"):
        SEALED.open(key, slot, SEALED.seal(ANN, "name", SECRET))


@given(VALUES, st.data())
def test_a_flipped_bit_is_noticed(value: bytes, data: st.DataObject) -> None:
    sealed = bytearray(SEALED.seal(ANN, "name", value))
    bit = data.draw(st.integers(8, len(sealed) * 8 - 1))  # all but the mark
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueUnreadable):
        SEALED.open(ANN, "name", bytes(sealed))


@given(VALUES, st.data())
def test_a_value_cut_short_is_noticed(value: bytes, data: st.DataObject) -> None:
    sealed = SEALED.seal(ANN, "name", value)
    with pytest.raises(ValueUnreadable):
        SEALED.open(ANN, "name", sealed[: data.draw(st.integers(1, len(sealed) - 1))])


@given(VALUES)
def test_a_value_is_never_sealed_twice_alike(value: bytes) -> None:
    one, other = (SEALED.seal(ANN, "name", value) for _ in range(2))
    assert one != other
    assert one[:5] == other[:5]


def test_the_first_key_seals_and_all_of_them_open() -> None:
    sealed = SEALED.seal(ANN, "name", SECRET)
    assert Sealed(SECRETS[:1]).open(ANN, "name", sealed) == SECRET
    assert Sealed(SECRETS[::-1]).open(ANN, "name", sealed) == SECRET
    with pytest.raises(ValueUnreadable, match="Slot name cannot be read: none of"):
        Sealed(SECRETS[1:]).open(ANN, "name", sealed)


def test_a_key_with_the_fingerprint_of_another_does_not_open() -> None:
    sealed = SEALED.seal(ANN, "name", SECRET)
    head = Sealed(SECRETS[1:]).head
    with pytest.raises(ValueUnreadable):
        SEALED.open(ANN, "name", head + sealed[len(head) :])


def test_what_was_stored_before_there_were_keys_stays_readable() -> None:
    assert SEALED.open(ANN, "name", SECRET) == SECRET


def test_a_value_that_is_not_sealed_can_be_refused() -> None:
    strict = Sealed(SECRETS, refuse_unsealed=True)
    with pytest.raises(ValueUnreadable, match="Slot name cannot be read: it is not sealed"):
        strict.open(ANN, "name", SECRET)
    assert strict.open(ANN, "name", SEALED.seal(ANN, "name", SECRET)) == SECRET


def test_a_sealed_value_without_a_key_is_an_error() -> None:
    with pytest.raises(ValueUnreadable, match=r"Slot name .* set profile_store.encryption_keys"):
        Unsealed().open(ANN, "name", SEALED.seal(ANN, "name", SECRET))


@pytest.mark.parametrize("stored", [SECRET, b"\1", b"\1abcd", b"\1" + bytes(60)])
def test_an_error_tells_neither_the_value_nor_the_user(stored: bytes) -> None:
    with pytest.raises(ValueUnreadable) as raised:
        Sealed(SECRETS, refuse_unsealed=True).open(ProfileKey("bank", "anna-lena"), "name", stored)
    assert "secret" not in str(raised.value)
    assert "anna-lena" not in str(raised.value)
    assert raised.value.__cause__ is None


# The specification's own: https://c2sp.org/XAES-256-GCM
NONCE = b"ABCDEFGHIJKLMNOPQRSTUVWX"
MESSAGE = b"XAES-256-GCM"


@pytest.mark.parametrize(
    ("key", "associated", "encrypted"),
    [
        (1, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (
            3,
            b"c2sp.org/XAES-256-GCM",
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
        ),
    ],
)
def test_the_cipher_is_the_one_that_is_specified(
    key: int, associated: bytes, encrypted: str
) -> None:
    cipher = XAES256GCM(bytes([key]) * 32)
    assert cipher.encrypt(NONCE, MESSAGE, associated).hex() == encrypted
    assert cipher.decrypt(NONCE, bytes.fromhex(encrypted), associated) == MESSAGE


# Settings


def test_keys_may_be_text_or_a_list() -> None:
    assert StoreSettings(encryption_keys=f"{OLD}, {NEW}").secret_keys() == SECRETS
    in_yaml: dict[str, Any] = {"encryption_keys": [OLD, NEW]}
    assert settings.make(StoreSettings, in_yaml).secret_keys() == SECRETS


def test_a_key_needs_no_padding() -> None:
    assert parse(OLD.rstrip("=")) == SECRETS[:1]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"encryption_keys": "abc"}, r"encryption_keys: key 1 is not 32 bytes in URL-safe base64"),
        ({"encryption_keys": f"{OLD},"}, r"encryption_keys: key 2 is not 32 bytes"),
        ({"encryption_keys": f"{OLD},{OLD}"}, r"encryption_keys: one key is there twice"),
        ({"encryption_keys": base64.b64encode(bytes(31)).decode()}, r"key 1 is not 32 bytes"),
        ({"encryption_keys": 5}, r"encryption_keys: "),
        ({"refuse_unsealed": "true"}, r"refuse_unsealed: nothing could be read without"),
        ({"user_id_key": "abc"}, r"user_id_key: key 1 is not 32 bytes in URL-safe base64"),
        (
            {"user_id_key": OLD, "encryption_keys": f"{NEW},{OLD}"},
            r"user_id_key: it is one of encryption_keys",
        ),
        ({"user_id_key": f"{OLD},{NEW}"}, r"user_id_key: there is one key for user ids"),
    ],
)
def test_an_impossible_key_is_named_and_not_shown(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidSettings, match=complaint) as raised:
        settings.make(StoreSettings, given)
    for key in (OLD, NEW, "abc"):
        assert key not in str(raised.value)


def test_settings_do_not_show_their_keys() -> None:
    shown = repr(StoreSettings(encryption_keys=OLD, user_id_key=NEW))
    assert OLD not in shown
    assert NEW not in shown


def test_keys_without_the_library_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    # as if it were imported for the first time
    monkeypatch.delattr(profile_store, "xaes")
    monkeypatch.delitem(sys.modules, "profile_store.xaes")
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    assert not make(StoreSettings()).seals
    with pytest.raises(InvalidSettings, match=r"pip install 'rasa-coexistence\[encryption\]'"):
        make(StoreSettings(encryption_keys=OLD))
