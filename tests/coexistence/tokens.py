"""Keys and tokens as an issuer makes them, for tests to sign with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

SECRET = "correct horse battery staple, and more"


@lru_cache
def rsa_key(name: str = "the issuer's", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a private key: the same one for the same name."""
    return rsa.generate_private_key(65537, bits)


@lru_cache
def ec_key(name: str = "the issuer's", curve: type[ec.EllipticCurve] = ec.SECP256R1) -> Any:
    return ec.generate_private_key(curve())


def public_pem(key: Any) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def private_pem(key: Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def claims(sub: Any = "ann", *, lasts: float = 86_400, **more: Any) -> dict[str, Any]:
    """Return claims that last some seconds; one that is given as None is left out.

    A day by default: tokens are made when tests are collected, and used when they run.
    """
    made = {"sub": sub, "exp": int(time.time() + lasts), **more}
    return {name: value for name, value in made.items() if value is not None}


def token(
    content: Mapping[str, Any] | None = None,
    key: Any = None,
    algorithm: str = "RS256",
    **header: Any,
) -> str:
    """Return a token as PyJWT signs it."""
    return jwt.encode(
        dict(claims() if content is None else content),
        rsa_key() if key is None else key,
        algorithm,
        header or None,
    )


def part(content: Any) -> str:
    """Return one part of a token: JSON, or bytes, in URL-safe base64."""
    encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(encoded).rstrip(b"=").decode()


def forged(secret: str, header: Mapping[str, Any] | None = None) -> str:
    """Return a token that is signed with HMAC, which PyJWT would refuse to do with a public key."""
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', **(header or {})})}.{part(claims())}"
    return f"{signed}.{part(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def jwk(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return a public key as a JSON Web Key."""
    public = key.public_key()
    kind = jwt.algorithms.RSAAlgorithm
    if isinstance(public, ec.EllipticCurvePublicKey):
        kind = jwt.algorithms.ECAlgorithm  # type: ignore[assignment]
    written: dict[str, Any] = json.loads(kind.to_jwk(public))
    written.pop("key_ops", None)
    return {**written, **({} if kid is None else {"kid": kid}), **more}


def write_jwks(path: Path, *keys: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps({"keys": keys}), encoding="utf-8")
    return path
