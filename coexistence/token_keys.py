"""The keys that signed tokens are checked with, each for one algorithm: its kind decides which.

A token's header says how it was signed and with which key, and whoever made the token wrote it:
it only ever chooses among keys that the settings allow.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from coexistence.settings import JwtSettings
from profile_store import InvalidSettings
from profile_store.endpoints import SECTION
from profile_store.settings import LISTED

logger = logging.getLogger(__name__)

LEAST_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a secret is at least as long as what SHA-256 makes of it."""

LEAST_RSA_BITS = 2048
"""RFC 7518, section 3.3."""

_SETTLED_SECONDS = 2.0
"""A file written later than this before it was read may be written again under the same time."""

_PRIVATE = "it is a private key; give the public one, and keep the private with the issuer"


class TokenKey(NamedTuple):
    """A key, and the one algorithm that it is for."""

    algorithm: str
    material: Any


class NoKey(Exception):
    """What was given is no key that tokens can be checked with; the message says why."""


class OneKey:
    """The one key of the settings, whatever a token calls it."""

    def __init__(self, key: TokenKey) -> None:
        self._key = key
        self.generation = 0

    def refresh(self) -> None:
        """Do nothing: the key stays as long as the process."""

    def find(self, algorithm: str, kid: str | None) -> TokenKey | None:
        """Return the key when it is for an algorithm."""
        return self._key if self._key.algorithm == algorithm else None


class JwksFile:
    """A file with a JSON Web Key Set, read again when it changes; `generation` counts how often.

    A new file that is broken or gone changes nothing, and is logged once.

    Raises:
        NoKey: when the first file cannot be read, or holds no key for the algorithms.
    """

    def __init__(self, path: Path, algorithms: Collection[str]) -> None:
        self._path = path
        self._algorithms = algorithms
        self.generation = 0
        self._mark, self._content = self._read()
        self._keys = read_jwks(self._content, algorithms)
        self._trouble: str | None = None

    def refresh(self) -> None:
        """Read the file again if it has changed; never raises."""
        try:
            if self._mark is not None and _mark(self._path) == self._mark:
                return
            self._mark, content = self._read()
            if content != self._content:
                self._content = content
                self._keys = read_jwks(content, self._algorithms)
                self.generation += 1
                logger.info("%s was read again: %d keys.", self._path, len(self._keys))
        except (NoKey, OSError) as error:
            reason = str(error) if isinstance(error, NoKey) else _unreadable(error)
            if reason != self._trouble:
                logger.error(
                    "%s: %s; the keys read before stay in use. Correct the file.",
                    self._path,
                    reason,
                )
            self._trouble = reason
        else:
            self._trouble = None

    def find(self, algorithm: str, kid: str | None) -> TokenKey | None:
        """Return the key of a name; without a name the only one there is."""
        if kid is None:
            (only, *others) = self._keys.values()
            return only if not others and only.algorithm == algorithm else None
        return self._keys.get((algorithm, kid))

    def _read(self) -> tuple[tuple[int, ...] | None, bytes]:
        """Return the file's content, and its mark; None for one that was written only just now."""
        try:
            mark = _mark(self._path)
            content = self._path.read_bytes()
        except OSError as error:
            raise NoKey(_unreadable(error)) from None
        settled = time.time() - mark[0] / 1e9 > _SETTLED_SECONDS
        return mark if settled else None, content


TokenKeys = OneKey | JwksFile


def of(config: JwtSettings) -> TokenKeys:
    """Return the keys that the settings name.

    Raises:
        profile_store.InvalidSettings: naming the setting, when what it gives is no key.
    """
    setting = "key"
    try:
        if config.jwks_file is not None:
            setting = f"jwks_file: {config.jwks_file}"
            return JwksFile(config.jwks_file, config.algorithms)
        if config.key_file is not None:
            setting = f"key_file: {config.key_file}"
            content = config.key_file.read_bytes().removesuffix(b"\n").removesuffix(b"\r")
        else:
            given = config.key.get_secret_value() if config.key is not None else ""
            content = given.encode(errors="surrogateescape")
        return OneKey(read_key(content, config.algorithms))
    except (NoKey, OSError) as error:
        reason = str(error) if isinstance(error, NoKey) else _unreadable(error)
        raise InvalidSettings(f"{SECTION}.jwt.{setting}: {reason}. {LISTED}") from None


def read_key(content: bytes, algorithms: Collection[str]) -> TokenKey:
    """Return a public key that is written in PEM, or a secret where `HS256` is the algorithm.

    Raises:
        NoKey: when it is none, too weak, or for none of the algorithms.
    """
    if "HS256" in algorithms:
        return _secret(content)
    if b"PRIVATE KEY-----" in content:
        raise NoKey(_PRIVATE)
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise NoKey("it is no public key in PEM") from None
    found = _public(key)
    if found.algorithm not in algorithms:
        raise NoKey(f"it is a key for {found.algorithm}, which algorithms does not list")
    return found


def read_jwks(
    content: bytes, algorithms: Collection[str]
) -> dict[tuple[str, str | None], TokenKey]:
    """Return a set's keys for some algorithms, by algorithm and name (`kid`); others are left out.

    Raises:
        NoKey: when it is no JSON Web Key Set (RFC 7517), or holds none for the algorithms, one
            that is too weak or private, or two of one name.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise NoKey("it is not JSON") from None
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise NoKey("it is no JSON Web Key Set, for it has no list of keys")
    keys: dict[tuple[str, str | None], TokenKey] = {}
    for jwk in listed:
        algorithm = _algorithm(jwk)
        if algorithm is None or algorithm not in algorithms:
            continue
        key = _jwk(jwk, algorithm)
        name = jwk.get("kid")
        if (algorithm, name) in keys:
            raise NoKey("two of its keys for one algorithm have the same kid, or none")
        keys[algorithm, name] = key
    if not keys:
        raise NoKey("it holds no key for the algorithms")
    return keys


def _algorithm(jwk: Any) -> str | None:
    """Return what a key of a set is for; None when it is for nothing that there is here."""
    if not isinstance(jwk, Mapping) or not isinstance(jwk.get("kid"), str | None):
        return None
    kind = jwk.get("kty")
    found = "ES256" if kind == "EC" and jwk.get("crv") == "P-256" else None
    if kind in ("RSA", "oct"):
        found = "RS256" if kind == "RSA" else "HS256"
    fits = jwk.get("use") in (None, "sig") and jwk.get("alg") in (None, found)
    return found if fits else None


def _jwk(jwk: Mapping[str, Any], algorithm: str) -> TokenKey:
    if algorithm != "HS256" and "d" in jwk:
        raise NoKey(f"of one of its keys: {_PRIVATE}")
    try:
        key = jwt.PyJWK(dict(jwk), algorithm).key
    except Exception:  # noqa: BLE001 - whatever the library trips over, it is no key
        raise NoKey(f"one of its keys for {algorithm} cannot be read") from None
    return _secret(key) if algorithm == "HS256" else _public(key)


def _secret(secret: bytes) -> TokenKey:
    if len(secret) < LEAST_SECRET_BYTES:
        raise NoKey(
            f"a secret of {len(secret)} bytes can be guessed; "
            f"HS256 takes at least {LEAST_SECRET_BYTES}, made at random"
        )
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(secret)
        public = b'"kty"' in secret
    except jwt.InvalidKeyError:
        public = True
    if public:
        raise NoKey("it is a public key, which everybody may read, and no secret for HS256")
    return TokenKey("HS256", secret)


def _public(key: object) -> TokenKey:
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < LEAST_RSA_BITS:
            raise NoKey(
                f"an RSA key of {key.key_size} bits is too weak; give one of {LEAST_RSA_BITS}"
            )
        return TokenKey("RS256", key)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return TokenKey("ES256", key)
    raise NoKey("it is neither an RSA key (RS256) nor one of the curve P-256 (ES256)")


def _mark(path: Path) -> tuple[int, ...]:
    """Return what changes whenever a file is written or replaced; its time, in ns, first."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unreadable(error: OSError) -> str:
    return f"it cannot be read ({error.strerror or type(error).__name__})"
