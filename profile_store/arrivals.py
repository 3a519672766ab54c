"""What arrives to be merged: writes and releases as states, checked, encoded and set right in time.

Every store takes them the same way, whatever it keeps them in.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from functools import lru_cache

from profile_store import errors, merge, values
from profile_store.profile import (
    MAX_SLOT_NAME,
    NEVER,
    Release,
    SlotState,
    SlotWrite,
    Source,
    check_key_part,
)

logger = logging.getLogger(__name__)

CLOCK_TOLERANCE = 300.0
"""Seconds that a write may be ahead of the database's clock: a bad clock must not freeze a slot."""


def _as_it_is(source: Source) -> Source:
    return source


def states(
    writes: Iterable[SlotWrite],
    releases: Iterable[Release],
    refused: dict[str, str],
    *,
    clock: float | None,
    now: float,
    max_value_bytes: int,
    stored_source: Callable[[Source], Source] = _as_it_is,
) -> dict[str, SlotState]:
    """Return writes and releases as states to merge, and note the refused slots with reasons.

    `stored_source` is how a source is stored; `clock` is what the writer's clock showed, None if
    that is not known, and `now` the time on the database's, both in seconds.
    """
    shift = _ahead(clock, now)
    latest = now + CLOCK_TOLERANCE
    news: dict[str, SlotState] = {}
    given = source = None
    for write in writes:
        try:
            _check(write.slot, write.written_at)
            encoded = values.encode(write.value)
        except (errors.InvalidKey, errors.InvalidValue) as error:
            refused[write.slot] = str(error)
            continue
        if len(encoded) > max_value_bytes:
            refused[write.slot] = (
                f"The value has {len(encoded)} bytes as JSON, at most "
                f"{max_value_bytes} are kept (profile_store.max_value_bytes)."
            )
            continue
        written_at = write.written_at - shift
        if written_at > latest:
            logger.warning(
                "A write of slot %s is %.0f seconds ahead of the database's clock; its time "
                "is set back. Look at the clocks.",
                write.slot,
                written_at - now,
            )
            written_at = latest
        if source is None or write.source is not given:
            given = write.source
            source = stored_source(given).keepable()
        state = SlotState(encoded, written_at, source=source)
        news[write.slot] = merge.merge(news[write.slot], state) if write.slot in news else state
    for release in releases:
        try:
            _check(release.slot, release.released_at)
        except (errors.InvalidKey, errors.InvalidValue) as error:
            refused[release.slot] = str(error)
            continue
        state = SlotState(released_at=min(release.released_at - shift, latest))
        before = news.get(release.slot)
        news[release.slot] = state if before is None else merge.merge(before, state)
    return news


def erased_at(at: float, *, clock: float | None, now: float) -> float:
    """Return the time of an erasure in seconds, set right as the times of writes are."""
    return min(at - _ahead(clock, now), now + CLOCK_TOLERANCE)


@lru_cache(maxsize=4096)
def check_slot(slot: str) -> None:
    """Return when a text can be the name of a slot.

    Raises:
        InvalidKey: when it is empty or longer than 255 characters, or holds a NUL or an unpaired
            surrogate.
    """
    check_key_part("slot's name", slot, MAX_SLOT_NAME)


def _ahead(clock: float | None, now: float) -> float:
    """Return by how many seconds a writer's clock must be set back: 0 for one that is right."""
    ahead = 0.0 if clock is None else clock - now
    if not ahead > CLOCK_TOLERANCE:
        return 0.0
    logger.warning(
        "A writer's clock is %.0f seconds ahead of the database's; its times are set back. "
        "Look at the clocks.",
        ahead,
    )
    return ahead


def _check(slot: str, at: float) -> None:
    check_slot(slot)
    if not NEVER < at < math.inf:
        raise errors.InvalidValue("The time is not a number of seconds since 1970; correct it.")
