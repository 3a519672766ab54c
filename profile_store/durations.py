"""Durations as settings give them: a whole number and its unit, such as `10m` or `365d`."""

from __future__ import annotations

import re
from typing import Any

FOREVER = "forever"

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_WRITTEN = re.compile(rf"([0-9]{{1,9}})\s*([{''.join(_SECONDS)}])")


def seconds(value: Any) -> float | None:
    """Return a duration in seconds; None for one without an end.

    Raises:
        ValueError: when it is none; it tells how one is written.
    """
    if value == FOREVER:
        return None
    written = _WRITTEN.fullmatch(value.strip()) if isinstance(value, str) else None
    if written is None:
        raise ValueError(f"write a number and one of s, m, h, d, w, such as 10m; or {FOREVER}")
    duration = int(written[1]) * _SECONDS[written[2]]
    if not duration:
        raise ValueError("nothing can be kept for no time; leave the slot out of those shared")
    return float(duration)
