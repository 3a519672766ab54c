"""The call at hand: which action, for which conversation, and what came of it.

Every way in which Rasa calls an action ends in the action itself, so that it is measured there.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Iterator
from types import TracebackType

from rasa_sdk.interfaces import ActionExecutionRejection, ActionMissingDomainException

from coexistence import metrics, runtime

DONE = "done"
WITHOUT_PROFILE = "without_profile"
REJECTED = "rejected"
NO_DOMAIN = "no_domain"
FAILED = "failed"
CANCELLED = "cancelled"
OUTCOMES = (DONE, WITHOUT_PROFILE, REJECTED, NO_DOMAIN, FAILED, CANCELLED)


class Call:
    """One call of an action, for as long as the block lasts; what is logged in it names both."""

    __slots__ = ("_began", "_token", "action", "conversation", "outcome")

    def __init__(self, action: str, conversation: str) -> None:
        self.action = action
        self.conversation = conversation
        self.outcome = DONE

    def __enter__(self) -> Call:
        self._token = _current.set(self)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        _current.reset(self._token)
        made = runtime.made()
        if made is None or made.meter is None:
            return
        outcome = self.outcome if error is None else _outcome(error)
        made.meter.called(self.action, outcome, time.perf_counter() - self._began)
        if outcome is FAILED and error is not None:
            made.meter.failed(metrics.ACTION_RAISED)


@contextlib.contextmanager
def mentioned(action: str, conversation: str) -> Iterator[None]:
    """Let what is logged in a block name a call that is over, without measuring it again."""
    token = _current.set(Call(action, conversation))
    try:
        yield
    finally:
        _current.reset(token)


_current: contextvars.ContextVar[Call | None] = contextvars.ContextVar("_current", default=None)


def current() -> Call | None:
    """Return the call at hand; None between calls, and in the store's worker thread."""
    return _current.get()


def went(outcome: str, failure: str | None = None) -> None:
    """Note what came of the call at hand, and count why."""
    call = _current.get()
    if call is not None:
        call.outcome = outcome
    made = runtime.made()
    if failure is not None and made is not None and made.meter is not None:
        made.meter.failed(failure)


def _outcome(error: BaseException) -> str:
    if isinstance(error, ActionMissingDomainException):
        return NO_DOMAIN
    if isinstance(error, ActionExecutionRejection):
        return REJECTED
    return FAILED if isinstance(error, Exception) else CANCELLED
