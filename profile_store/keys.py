"""Secret keys as settings give them: 32 bytes in URL-safe base64, several with commas between."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import Counter

KEY_BYTES = 32
FINGERPRINT_BYTES = 4

GENERATE = (
    'make one with: python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32))'
    '.decode())"'
)


def parse(text: str) -> tuple[bytes, ...]:
    """Return the keys of a setting, the one that writes first.

    Raises:
        ValueError: when one is not 32 bytes in URL-safe base64, or is there twice; it tells which,
            and never shows it.
    """
    keys = tuple(
        _parsed(part.strip(), number) for number, part in enumerate(text.split(","), start=1)
    )
    twice = [count for count in Counter(map(fingerprint, keys)).values() if count > 1]
    if twice:
        raise ValueError("one key is there twice; remove it once")
    return keys


def _parsed(text: str, number: int) -> bytes:
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        # without its cause, which might quote the text
        raise ValueError(f"key {number} is not 32 bytes in URL-safe base64; {GENERATE}") from None
    return key


def fingerprint(key: bytes) -> bytes:
    """Return four bytes that tell a key from others, and nothing about it."""
    return hmac.digest(key, b"profile_store fingerprint", hashlib.sha256)[:FINGERPRINT_BYTES]
