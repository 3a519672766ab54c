"""The clock of a test's Rasa: it stands still unless something happens or the test moves it."""

from __future__ import annotations

import math
import time

from coexistence.testing.errors import ImpossibleTurn

TICK_SECONDS = 0.01
"""How far the clock goes from one event to the next."""

DAY_SECONDS = 86_400.0
_START_DAYS = 30.0


class Clock:
    """Rasa's clock, in seconds since 1970; it starts 30 days ago, so that time can go by.

    It goes forward only, as every later event of a conversation has a later time.
    It cannot get ahead of the real clock: the profile store takes events of the future for a wrong
    clock, and sets their times back.
    """

    def __init__(self, start: float | None = None) -> None:
        """Start at a time in seconds.

        Raises:
            ImpossibleTurn: when that is in the future.
        """
        self.now = -math.inf
        self.set(time.time() - _START_DAYS * DAY_SECONDS if start is None else start)

    def set(self, now: float) -> None:
        """Set it to a time in seconds.

        Raises:
            ImpossibleTurn: when that is in the future, or before what the clock shows.
        """
        if now < self.now:
            raise ImpossibleTurn(
                "The clock of a test goes forward only; for something that happened earlier, "
                "start it earlier, with Clock(start), and let it happen first."
            )
        if now > time.time():
            raise ImpossibleTurn(
                "The clock of a test cannot be ahead of the real one, which the database has; "
                "start it earlier, with Clock(start)."
            )
        self.now = now

    def advance(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
    ) -> None:
        """Let time go by.

        Raises:
            ImpossibleTurn: when that leads into the future, or back.
        """
        self.set(self.now + seconds + minutes * 60 + hours * 3600 + days * DAY_SECONDS)

    def tick(self) -> float:
        """Go on by a hundredth of a second, and return the time."""
        self.now += TICK_SECONDS
        return self.now
