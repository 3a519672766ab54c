"""User and conversation ids as a keyed hash: whoever reads the database cannot tell whose rows.

The key is not one of those that seal values: those are replaced, and a profile would not be found
again under another hash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Protocol

import msgspec

from profile_store import keys
from profile_store.profile import ProfileKey, Source
from profile_store.settings import StoreSettings

PREFIX = "hashed:"
"""What a hash begins with in the database, so that people can tell one from an id."""


class Identities(Protocol):
    """How profiles' keys and sources are stored."""

    def stored(self, key: ProfileKey) -> ProfileKey:
        """Return the key under which a profile is stored."""

    def source(self, source: Source) -> Source:
        """Return a source as it is stored."""


class Plain:
    """Stores ids as they are."""

    def stored(self, key: ProfileKey) -> ProfileKey:
        return key

    def source(self, source: Source) -> Source:
        return source


class Hashed:
    """Stores HMAC-SHA256 of ids; a conversation's too, which for anonymous users is their id."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def stored(self, key: ProfileKey) -> ProfileKey:
        return ProfileKey(key.namespace, self._hash(f"user\0{key.namespace}\0{key.user_id}"))

    def source(self, source: Source) -> Source:
        if source.conversation is None:
            return source
        hashed = self._hash(f"conversation\0{source.conversation}")
        return msgspec.structs.replace(source, conversation=hashed)

    def _hash(self, text: str) -> str:
        # a conversation's id is Rasa's, and may hold half a surrogate pair
        digest = hmac.digest(self._secret, text.encode(errors="surrogatepass"), hashlib.sha256)
        return PREFIX + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def fingerprint(config: StoreSettings) -> str | None:
    """Return what tells the key of some settings from others, and nothing about it; None if none.

    An export carries it, so that hashes are not taken for those of another key.
    """
    if config.user_id_key is None:
        return None
    (secret,) = keys.parse(config.user_id_key.get_secret_value())
    return keys.fingerprint(secret).hex()


def make(config: StoreSettings) -> Identities:
    """Return how some settings want ids to be stored."""
    if config.user_id_key is None:
        return Plain()
    (secret,) = keys.parse(config.user_id_key.get_secret_value())
    return Hashed(secret)
