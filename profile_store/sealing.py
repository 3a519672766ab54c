"""Values at rest: sealed with AES-256-GCM, each bound to its namespace, user and slot.

A sealed value is a mark, the fingerprint of its key, a random nonce, and what the cipher makes of
the value: ``01 | fingerprint (4) | nonce (24) | encrypted value | tag (16)``. No JSON begins with
the mark, so what was stored before there were keys stays readable beside it.

A seal is never made twice alike, so the database cannot compare sealed values: who writes decides
on plain values, under the profile's lock (`committing`).
"""

from __future__ import annotations

import os
from typing import Protocol

import sqlalchemy as sa

from profile_store import errors, keys
from profile_store.endpoints import SECTION
from profile_store.profile import ProfileKey
from profile_store.settings import StoreSettings

MARK = b"\x01"
"""The first byte of a sealed value, and the version of its form."""

_HEAD = len(MARK) + keys.FINGERPRINT_BYTES
_NONCE_BYTES = 24
_TAG_BYTES = 16
OVERHEAD = _HEAD + _NONCE_BYTES + _TAG_BYTES
"""Bytes by which a sealed value is longer."""

_INFO = "sealing"


class Sealing(Protocol):
    """How values become what is stored, and back."""

    @property
    def seals(self) -> bool:
        """Whether what is stored is sealed, and so never twice alike."""

    def seal(self, key: ProfileKey, slot: str, encoded: bytes) -> bytes:
        """Return a value as it is to be stored for a slot of a profile."""

    def open(self, key: ProfileKey, slot: str, stored: bytes) -> bytes:
        """Return the value that is stored for a slot of a profile.

        Raises:
            ValueUnreadable: naming the slot, and what to do.
        """


class Unsealed:
    """Stores values as they are, for there are no keys."""

    seals = False

    def seal(self, key: ProfileKey, slot: str, encoded: bytes) -> bytes:
        return encoded

    def open(self, key: ProfileKey, slot: str, stored: bytes) -> bytes:
        if stored[:1] == MARK:
            raise errors.ValueUnreadable(
                f"Slot {slot} cannot be read: it is sealed, and there is no key; "
                f"set {SECTION}.encryption_keys."
            )
        return stored


class Sealed:
    """Seals under the first of some keys, and reads what is sealed under any of them."""

    seals = True

    def __init__(self, secrets: tuple[bytes, ...], *, refuse_unsealed: bool = False) -> None:
        from profile_store import xaes  # needs the extra `encryption`

        self._ciphers = {keys.fingerprint(key): xaes.XAES256GCM(key) for key in secrets}
        self._invalid = xaes.InvalidTag
        first = keys.fingerprint(secrets[0])
        self.head = MARK + first
        self._first = self._ciphers[first]
        self._refuse_unsealed = refuse_unsealed

    def seal(self, key: ProfileKey, slot: str, encoded: bytes) -> bytes:
        # The only place that makes a nonce: no caller can give one, and so none can repeat one.
        nonce = os.urandom(_NONCE_BYTES)
        head = self.head
        return head + nonce + self._first.encrypt(nonce, encoded, _place(head, key, slot))

    def open(self, key: ProfileKey, slot: str, stored: bytes) -> bytes:
        if stored[:1] != MARK:
            if self._refuse_unsealed:
                raise errors.ValueUnreadable(
                    f"Slot {slot} cannot be read: it is not sealed, and {SECTION}.refuse_unsealed "
                    "is set; find out who wrote it."
                )
            return stored
        head = stored[:_HEAD]
        cipher = self._ciphers.get(head[1:])
        if cipher is None:
            raise errors.ValueUnreadable(
                f"Slot {slot} cannot be read: none of {SECTION}.encryption_keys has sealed it; "
                "add the key that did, behind the first."
            )
        nonce, encrypted = stored[_HEAD : _HEAD + _NONCE_BYTES], stored[_HEAD + _NONCE_BYTES :]
        try:
            if len(encrypted) < _TAG_BYTES:
                raise self._invalid
            return cipher.decrypt(nonce, encrypted, _place(head, key, slot))
        except self._invalid:
            raise errors.ValueUnreadable(
                f"Slot {slot} cannot be read: it was damaged, or moved here from another slot, "
                "user or namespace; find out who wrote it."
            ) from None


def _place(head: bytes, key: ProfileKey, slot: str) -> bytes:
    """Return what a seal is bound to; no part of a key holds a NUL, so no two places are alike."""
    return head + f"{key.namespace}\0{key.user_id}\0{slot}".encode()


def make(config: StoreSettings) -> Sealing:
    """Return how some settings want values to be stored.

    Raises:
        InvalidSettings: when there are keys, and the extra `encryption` is not installed.
    """
    secrets = config.secret_keys()
    if not secrets:
        return Unsealed()
    try:
        return Sealed(secrets, refuse_unsealed=config.refuse_unsealed)
    except ImportError as error:
        raise errors.InvalidSettings(
            f"{SECTION}.encryption_keys: the library that seals is not installed; "
            "run: pip install 'rasa-coexistence[encryption]'"
        ) from error


def use(connection: sa.Connection, sealing: Sealing) -> None:
    """Let values go through a connection sealed in one way."""
    connection.info[_INFO] = sealing


def of(connection: sa.Connection) -> Sealing:
    """Return how values go through a connection.

    Raises:
        KeyError: when nobody said; then it is not to be guessed.
    """
    sealing: Sealing = connection.info[_INFO]
    return sealing
