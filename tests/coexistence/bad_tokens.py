"""Tokens that name nobody where `RS256` is asked for, each with how the refusal of it begins."""

from __future__ import annotations

import math
import time
from typing import Any

import jwt

from tests.coexistence.tokens import claims, ec_key, forged, part, public_pem, rsa_key, token

MANY_DIGITS = part(b'{"alg": 1' + b"0" * 5000 + b"}")
DEEP = part(b"[" * 5000)
GOOD = token()
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")
BAD: dict[str, tuple[Any, str]] = {
    "a number": (4711, "it is not text"),
    "a list": ([GOOD], "it is not text"),
    "an object": ({"token": GOOD}, "it is not text"),
    "true": (True, "it is not text"),
    "false": (False, "it is not text"),
    "zero": (0, "it is not text"),
    "huge": ("x" * 8193, "it is longer than 8192 characters"),
    "huge and signed": (token(claims(more="x" * 8192)), "it is longer than 8192 characters"),
    "a word": ("token", "it is no signed token (JWS)"),
    "a space": (" ", "it is no signed token (JWS)"),
    "dots": ("..", "it is no signed token (JWS)"),
    "no base64": ("%.%.%", "it is no signed token (JWS)"),
    "no json": (f"{part(b'{')}.{PAYLOAD}.{SIGNATURE}", "it is no signed token (JWS)"),
    "a header that is a list": (f"{part([])}.{PAYLOAD}.{SIGNATURE}", "it is no signed token (JWS)"),
    "a deep header": (f"{DEEP}.{PAYLOAD}.{SIGNATURE}", "it is no signed token (JWS)"),
    "a number of many digits": (
        f"{MANY_DIGITS}.{PAYLOAD}.{SIGNATURE}", "it is no signed token (JWS)",
    ),
    "an algorithm that is a list": (
        f"{part({'alg': ['RS256']})}.{PAYLOAD}.{SIGNATURE}",
        "its algorithm is none of profile_store.jwt.algorithms",
    ),
    "half a surrogate pair": (f"\ud800{GOOD}", "it is no signed token (JWS)"),
    "other letters": (f"ü{GOOD}", "it is no signed token (JWS)"),
    "a line break at its end": (f"{GOOD}\n", "it is no signed token (JWS)"),
    "another word before it": (f"Bearer {GOOD}", "it is no signed token (JWS)"),
    "padded": (f"{GOOD}==", "it is no signed token (JWS)"),
    "encrypted": (
        ".".join([part({"alg": "RSA-OAEP", "enc": "A256GCM"}), *"abcd"]),
        "it is no signed token (JWS)",
    ),
    "cut": (GOOD[:-2], "its signature is wrong"),
    "without a signature": (f"{HEADER}.{PAYLOAD}.", "its signature is wrong"),
    "other claims": (f"{HEADER}.{part(claims('bob'))}.{SIGNATURE}", "its signature is wrong"),
    "another key": (token(key=rsa_key("a thief's")), "its signature is wrong"),
    "none": (
        f"{part({'alg': 'none'})}.{PAYLOAD}.",
        "its algorithm is none of profile_store.jwt.algorithms",
    ),
    "none, as written oddly": (
        f"{part({'alg': 'nOnE'})}.{PAYLOAD}.",
        "its algorithm is none of profile_store.jwt.algorithms",
    ),
    "signed with the public key": (
        forged(public_pem(rsa_key())),
        "its algorithm is none of profile_store.jwt.algorithms",
    ),
    "signed with the public key, under a false name": (
        forged(public_pem(rsa_key()), {"alg": "RS256"}),
        "its signature is wrong",
    ),
    "of an algorithm that is not listed": (
        token(key=ec_key(), algorithm="ES256"),
        "its algorithm is none of profile_store.jwt.algorithms",
    ),
    "with an extension": (token(crit=["exp"], exp=1), "it is no signed token (JWS)"),
    "expired": (token(claims(lasts=-31)), "it has expired"),
    "without an end": (token(claims(exp=None)), "it has no claim exp"),
    "an end that is text": (token(claims(exp="9999999999")), "its claim exp is no number of secon"),
    "an end that is true": (token(claims(exp=True)), "its claim exp is no number of seconds"),
    "an end that never comes": (token(claims(exp=math.inf)), "its claim exp is no number of secon"),
    "an end that is no number": (token(claims(exp=math.nan)), "its claim exp is no number of sec"),
    "an end too far": (token(claims(exp=10**400)), "its claim exp is no number of seconds"),
    "not valid yet": (
        token(claims(nbf=int(time.time()) + 864_000)),
        "it is from a time to come; look at the clocks, or at leeway",
    ),
    "issued later": (
        token(claims(iat=int(time.time()) + 864_000)),
        "it is from a time to come; look at the clocks, or at leeway",
    ),
    "for somebody": (token(claims(aud="another-service")), "it is for somebody else (aud)"),
    "without a subject": (token(claims(None)), "its claim sub is missing, or neither text nor"),
    "an empty subject": (token(claims("")), "its claim sub is missing, or neither text nor"),
    "a subject that is a list": (token(claims(["ann"])), "its claim sub is missing, or neither"),
    "claims that are a list": (
        # signed by the issuer all the same
        jwt.PyJWS().encode(b'["ann"]', rsa_key(), "RS256"),
        "it is no signed token (JWS)",
    ),
}  # fmt: skip
