"""How long values are kept: what is older than its slot allows is not there any more.

A value's age counts from when it was written, so it is the same wherever and whenever it is looked
at. All writes of a slot grow old alike: a write that is too old when it arrives has lost to every
newer one already, and to drop it changes no outcome of a merge. Expiry commutes with merging.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import pydantic
import sqlalchemy as sa

from profile_store import durations
from profile_store.profile import ABSENT, NEVER, Profile, SlotState, SlotWrite

News = Mapping[str, SlotState]


def _optional(value: Any) -> float | None:
    return None if value is None else durations.seconds(value)


_Duration = Annotated[float | None, pydantic.BeforeValidator(durations.seconds)]
_OptionalDuration = Annotated[float | None, pydantic.BeforeValidator(_optional)]


class RetentionSettings(pydantic.BaseModel):
    """How long values and the marks of erasures are kept, in seconds; None is for ever."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    default: _OptionalDuration = pydantic.Field(
        default=None,
        description="How long values are kept: a number and one of `s`, `m`, `h`, `d`, `w`, such "
        "as `365d`; or `forever`, as they are without it ([privacy.md](privacy.md#retention)).",
    )
    slots: dict[str, _Duration] = pydantic.Field(
        default_factory=dict,
        description="The same for single slots: `otp: 10m`.",
    )
    erasures: _OptionalDuration = pydantic.Field(
        default=None,
        description="How long the marks of erasures are kept, `forever` without it; not shorter "
        "than any value: they keep old conversations from bringing back what was erased.",
    )

    @pydantic.model_validator(mode="after")
    def _possible(self) -> RetentionSettings:
        if self.erasures is not None:
            longest = max(math.inf if kept is None else kept for kept in self._all())
            if self.erasures < longest:
                raise ValueError(
                    "erasures must be kept as long as the values that are kept longest; else what "
                    "was erased could come back"
                )
        return self

    def _all(self) -> Iterable[float | None]:
        return self.default, *self.slots.values()


class Retention:
    """Tells which values are past their time; without settings none ever is.

    Times are seconds on the database's clock. `limits` tells whether there is anything to ask for.
    """

    def __init__(self, settings: RetentionSettings) -> None:
        self._default = math.inf if settings.default is None else settings.default
        self._slots = {
            slot: math.inf if kept is None else kept for slot, kept in settings.slots.items()
        }
        self._erasures = math.inf if settings.erasures is None else settings.erasures
        self.limits = any(kept < math.inf for kept in (self._default, *self._slots.values()))

    def limits_slot(self, slot: str) -> bool:
        """Return whether values of a slot are kept for a time only."""
        return self._slots.get(slot, self._default) < math.inf

    def is_past(self, slot: str, at: float, now: float) -> bool:
        """Return whether what a slot was given at a time is not kept any more."""
        return at <= now - self._slots.get(slot, self._default)

    def is_erasure_past(self, at: float, now: float) -> bool:
        """Return whether the mark of an erasure at a time is not kept any more."""
        return at <= now - self._erasures

    def arriving(self, news: News, now: float) -> tuple[News, News]:
        """Return what of some news is to be merged, and the writes that come too late for it.

        Of a late write only a release that still counts for others is merged.
        """
        kept, late = {}, {}
        for slot, state in news.items():
            if not self.is_past(slot, state.written_at, now):
                kept[slot] = state
                continue
            if state.held:
                late[slot] = state
            if not self.is_past(slot, state.released_at, now):
                kept[slot] = SlotState(released_at=state.released_at)
        return kept, late

    def seen(self, profile: Profile, now: float, late: News | None = None) -> Profile:
        """Return a profile without the values that are past their time.

        A slot that a `late` write gave a value after its erasure is not told to be erased: what its
        writer holds is no longer kept, and nobody asked for it to go.
        """
        left: dict[str, SlotState] | None = None
        for slot, state in profile.states.items():
            if state.encoded and self.is_past(slot, state.written_at, now):
                left = dict(profile.states) if left is None else left
                if self.is_past(slot, state.released_at, now):
                    del left[slot]
                else:
                    left[slot] = SlotState(released_at=state.released_at)
        for slot, state in (late or {}).items():
            there = profile.state(slot)
            if there.erased and there.written_at < state.written_at:
                left = dict(profile.states) if left is None else left
                left[slot] = ABSENT
        return profile if left is None else Profile(left, profile.erased_at)

    def history(self, past: Iterable[SlotWrite], now: float) -> list[SlotWrite]:
        """Return a history without the writes that are past their time."""
        return [write for write in past if not self.is_past(write.slot, write.written_at, now)]

    def kept(self, columns: Any, now: float) -> tuple[sa.ColumnElement[bool], ...]:
        """Return what tells rows of the history that are kept, given the table's columns."""
        if not self.limits:
            return ()
        since: Any = sa.literal(self._since(self._default, now), sa.Double())
        if self._slots:
            since = sa.case(
                *(
                    (columns.slot == slot, sa.literal(self._since(kept, now), sa.Double()))
                    for slot, kept in self._slots.items()
                ),
                else_=since,
            )
        return (columns.written_at > since,)

    @staticmethod
    def _since(kept: float, now: float) -> float:
        # Not every driver can spell an infinity, and nothing is written before there is time.
        return max(now - kept, NEVER)


class Kept:
    """A `Retention` with the clock that it goes by: what is kept now."""

    def __init__(self, retention: Retention, now: Callable[[], float]) -> None:
        self._retention = retention
        self._now = now

    def arriving(self, news: News) -> tuple[News, News]:
        """Return what of some news is to be merged, and the writes that come too late for it."""
        if not self._retention.limits:
            return news, {}
        return self._retention.arriving(news, self._now())

    def profile(self, profile: Profile, late: News | None = None) -> Profile:
        """Return what is kept of a profile, as `Retention.seen` does."""
        if not self._retention.limits:
            return profile
        return self._retention.seen(profile, self._now(), late)

    def rows(self, columns: Any) -> tuple[sa.ColumnElement[bool], ...]:
        """Return what tells which rows of the history are kept."""
        return self._retention.kept(columns, self._now())
