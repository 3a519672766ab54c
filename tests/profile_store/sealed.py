"""Keys for stores that seal, in tests."""

from __future__ import annotations

import base64
import hashlib


def key(name: str) -> str:
    """Return a key as settings take it, always the same one for a name."""
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode()


OLD, NEW = key("old"), key("new")
