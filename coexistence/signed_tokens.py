"""Signed tokens (JWS) in the message metadata: whose they are, once all of each was checked.

Importing this needs the extra `jwt`; the settings' rule of that name is what asks for it.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections import OrderedDict
from typing import Any, NamedTuple

import jwt

from coexistence import token_keys
from coexistence.errors import TokenRefused
from coexistence.identity import as_id
from coexistence.settings import JwtSettings

MAX_TOKEN = 8192
"""Characters of the longest token that is looked at: what HTTP servers take in a header."""

REMEMBERED = 10_000
"""Tokens whose check is remembered, by their hash: a turn comes with those of its session."""

_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
"""RFC 7515, section 7.1; PyJWT's older releases skip letters that are not of this alphabet."""

_NO_TOKEN = "it is no signed token (JWS)"  # noqa: S105 - a sentence

_REASONS: list[tuple[type[Exception], str]] = [
    (jwt.InvalidSignatureError, "its signature is wrong"),
    (jwt.ImmatureSignatureError, "it is from a time to come; look at the clocks, or at leeway"),
    (jwt.InvalidAudienceError, "it is for somebody else (aud)"),
    (jwt.InvalidIssuerError, "somebody else issued it (iss)"),
]


class _Verified(NamedTuple):
    user_id: str
    expires_at: float


class SignedTokens:
    """Tells whose a token is, as the settings under `profile_store.jwt` say.

    `metadata_key` is where the message metadata holds it. Checks are remembered by the token's
    hash until a key changes; that it has not expired is looked at every time.

    Raises:
        profile_store.InvalidSettings: when there is no key to check with.
    """

    def __init__(self, config: JwtSettings) -> None:
        self.metadata_key = config.metadata_key
        self._config = config
        self._keys = token_keys.of(config)
        self._generation = self._keys.generation
        self._known: OrderedDict[bytes, _Verified] = OrderedDict()

    def verify(self, token: object) -> str:
        """Return whose a token is that is valid now.

        Raises:
            TokenRefused: when it is not.
        """
        self._keys.refresh()
        if self._generation != self._keys.generation:
            self._generation = self._keys.generation
            self._known = OrderedDict()
        found = self._verified(token)
        if found.expires_at <= time.time() - self._config.leeway:
            raise TokenRefused("it has expired")
        return found.user_id

    def whose(self, token: object) -> str | None:
        """Return whose an earlier token was, expired or not; None for one that never was valid."""
        try:
            return self._verified(token).user_id
        except TokenRefused:
            return None

    def _verified(self, token: object) -> _Verified:
        if not isinstance(token, str):
            raise TokenRefused("it is not text")
        if len(token) > MAX_TOKEN:
            raise TokenRefused(f"it is longer than {MAX_TOKEN} characters")
        if not _COMPACT.fullmatch(token):
            raise TokenRefused(_NO_TOKEN)
        known, digest = self._known, hashlib.sha256(token.encode()).digest()
        found = known.get(digest)
        if found is None:
            found = known[digest] = self._check(token)
            if len(known) > REMEMBERED:
                known.popitem(last=False)
        return found

    def _check(self, token: str) -> _Verified:
        """Check all of a token but that it has not expired.

        Nothing that an exception says is passed on: it may quote the token or its claims.
        """
        key = self._key(token)
        config = self._config
        try:
            claims = jwt.decode(
                token,
                key.material,
                algorithms=[key.algorithm],
                audience=config.audience or None,
                issuer=config.issuer,
                leeway=config.leeway,
                options={"require": ["exp"], "verify_exp": False, "verify_sub": False},
            )
        except jwt.MissingRequiredClaimError as error:
            raise TokenRefused(f"it has no claim {error.claim}") from None
        except Exception as error:  # noqa: BLE001 - whatever the library trips over, it is no token
            reasons = (reason for kind, reason in _REASONS if isinstance(error, kind))
            raise TokenRefused(next(reasons, _NO_TOKEN)) from None
        user_id = as_id(claims.get(config.claim))
        if user_id is None:
            raise TokenRefused(
                f"its claim {config.claim} is missing, or neither text nor a whole number"
            )
        return _Verified(user_id, _expiry(claims["exp"]))

    def _key(self, token: str) -> token_keys.TokenKey:
        """Return the key that a token's header asks for, if it is one that may be asked for."""
        try:
            header = jwt.get_unverified_header(token)
        except Exception:  # noqa: BLE001 - as above
            raise TokenRefused(_NO_TOKEN) from None
        if "crit" in header:
            # it demands an extension (RFC 7515, section 4.1.11): older PyJWT does not look
            raise TokenRefused(_NO_TOKEN)
        if header.get("alg") not in self._config.algorithms:
            raise TokenRefused("its algorithm is none of profile_store.jwt.algorithms")
        key = self._keys.find(header["alg"], header.get("kid"))
        if key is None:
            raise TokenRefused("there is no key for its algorithm and its kid")
        return key


def _expiry(claim: Any) -> float:
    """Return when a token expires, in seconds since 1970 on the issuer's clock."""
    if isinstance(claim, int | float) and not isinstance(claim, bool):
        try:
            at = float(claim)
        except OverflowError:
            at = math.inf
        if math.isfinite(at):
            return at
    raise TokenRefused("its claim exp is no number of seconds")
