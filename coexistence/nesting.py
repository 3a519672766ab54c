"""How deep JSON nests, told before it is decoded: what reads it later recurses."""

from __future__ import annotations

import re

from coexistence.errors import BadRequest

MAX_DEPTH = 200
"""How deep lists and objects of a body may nest; Rasa's own stay below 20."""

_SHORT = 4_096
"""Bytes up to which a part is likely to have few brackets in all, which are counted faster."""

_MOST_PASSES = 10
"""How often as many bytes as a body has may be looked at to find how deep it nests."""

_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b'{}[]"')
_STRING = re.compile(rb'"[^"]*"')


def check_depth(encoded: bytes | memoryview) -> None:
    """Return when JSON, a body or a part of one, nests within the limit.

    Raises:
        BadRequest: when it is deeper.
    """
    if len(encoded) <= MAX_DEPTH:
        return
    body = bytes(encoded)
    few = len(body) < _SHORT and body.count(b"{") + body.count(b"[") <= MAX_DEPTH
    if not few and _is_deeper(body, MAX_DEPTH):
        raise BadRequest(f"The body is nested deeper than {MAX_DEPTH}.")


def _is_deeper(body: bytes, limit: int) -> bool:
    """Return whether brackets nest deeper than a limit, without decoding anything."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Taking out two neighbouring quotes leaves every bracket inside or outside of its string.
    brackets = body.translate(None, _NOT_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:
        brackets = _STRING.sub(b"", brackets)
    budget = max(_MOST_PASSES * len(body), 2 * limit * limit)
    for _ in range(limit):
        budget -= len(brackets)
        if budget < 0:
            return True  # thousands of deep nests side by side: made to keep us busy
        inner = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(inner) == len(brackets):
            # nothing closes any more: not JSON, or nothing is left; the decoder will tell
            return len(inner) > limit
        brackets = inner
    return bool(brackets)
