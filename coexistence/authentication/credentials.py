"""Comparing what a call carries with what is accepted, in a time that tells nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from coexistence.authentication.sent import Sent

_AUTHORIZATION = "authorization"
_NOTHING = bytes(32)
"""The digest of no secret."""


class Call(Protocol):
    """What a call carries, whichever way it came."""

    def parameters(self, name: str) -> Sequence[bytes]:
        """Return the values of a query parameter."""

    def headers(self, name: str) -> Sequence[bytes]:
        """Return the values of a header; its name is in lower case."""


class Credential:
    """What one caller sends. Digests of it are kept, not the secrets."""

    def __init__(self, sent: Sent) -> None:
        self._token_name = sent.token_name
        self._token = _digest(_encoded(sent.token.get_secret_value())) if sent.token else None
        self._basic: tuple[bytes, ...] = ()
        if sent.basic_auth:
            pair = f"{sent.basic_auth.username}:{sent.basic_auth.password.get_secret_value()}"
            self._basic = tuple(_digest(pair.encode(encoding)) for encoding in _encodings(pair))
        self._headers = {
            name: _digest(_encoded(value)) for name, value in sent.secret_headers.items()
        }

    @property
    def schemes(self) -> set[str]:
        """The schemes of the `Authorization` header that could let a call in."""
        used = {"Basic": bool(self._basic), "Bearer": self._token is not None}
        return {scheme for scheme in used if used[scheme]}

    def is_carried_by(self, carried: Carried) -> bool:
        """Return whether a call carries all of it; every part is compared, whatever came before."""
        alike = True
        if self._token is not None:
            as_parameter = hmac.compare_digest(carried.parameter(self._token_name), self._token)
            as_header = hmac.compare_digest(carried.authorization(b"bearer"), self._token)
            alike &= as_parameter | as_header
        if self._basic:
            pair, in_any_encoding = carried.authorization(b"basic"), False
            for digest in self._basic:
                in_any_encoding |= hmac.compare_digest(pair, digest)
            alike &= in_any_encoding
        for name, digest in self._headers.items():
            alike &= hmac.compare_digest(carried.header(name), digest)
        return alike


class Carried:
    """Digests of what a call carries, each made once; `_NOTHING` for what it does not."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._made: dict[tuple[str, str], bytes] = {}
        said, _, rest = (_only(call.headers(_AUTHORIZATION)) or b"").partition(b" ")
        self._scheme = said.lower()
        self._credentials = rest.strip()

    def parameter(self, name: str) -> bytes:
        return self._digest("parameter", name, self._call.parameters)

    def header(self, name: str) -> bytes:
        return self._digest("header", name, self._call.headers)

    def authorization(self, scheme: bytes) -> bytes:
        if scheme != self._scheme:
            return _NOTHING
        given = _decoded(self._credentials) if scheme == b"basic" else self._credentials
        return _digest(given) if given else _NOTHING

    def _digest(self, kind: str, name: str, read: Callable[[str], Sequence[bytes]]) -> bytes:
        digest = self._made.get((kind, name))
        if digest is None:
            value = _only(read(name))
            digest = self._made[kind, name] = _digest(value) if value else _NOTHING
        return digest


class Credentials:
    """All that are accepted, each by itself."""

    def __init__(self, accepted: Iterable[Sent]) -> None:
        self._accepted = [Credential(sent) for sent in accepted]

    def __len__(self) -> int:
        return len(self._accepted)

    @property
    def challenges(self) -> str:
        """What `WWW-Authenticate` tells those who are refused; empty for headers alone."""
        schemes: set[str] = set()
        schemes.update(*(credential.schemes for credential in self._accepted))
        return ", ".join(f'{scheme} realm="action server"' for scheme in sorted(schemes))

    def let_in(self, call: Call) -> bool:
        """Return whether a call carries any of them; all are compared, whichever it is."""
        carried = Carried(call)
        known = False
        for credential in self._accepted:
            known |= credential.is_carried_by(carried)
        return known


def _encoded(text: str) -> bytes:
    return text.strip().encode("utf-8", "surrogatepass")


def _encodings(pair: str) -> list[str]:
    # aiohttp, and so Rasa, sends Latin-1 where it can; RFC 7617 prefers UTF-8
    return ["utf-8", "latin-1"] if max(map(ord, pair)) in range(0x80, 0x100) else ["utf-8"]


def _digest(value: bytes) -> bytes:
    # of one length, so that comparing does not tell how long the secret is
    return hashlib.sha256(value).digest()


def _only(values: Sequence[bytes]) -> bytes | None:
    """Return what was said once; of two, a proxy before us may have looked at the other."""
    return values[0].strip() if len(values) == 1 else None


def _decoded(pair: bytes) -> bytes | None:
    try:
        return base64.b64decode(pair, validate=True)
    except binascii.Error:
        return None
