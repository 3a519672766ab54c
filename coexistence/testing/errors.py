"""What can go wrong in a test: the test's own mistakes, and what Rasa would not take."""

from __future__ import annotations

from coexistence.errors import CoexistenceError


class ImpossibleTurn(CoexistenceError):
    """A test asks for what Rasa would never do; the message says what, and what to do instead."""


class ActionFailed(CoexistenceError, AssertionError):
    """An action was answered with another HTTP status than the test expects (200 unless told)."""


class ResponseRefused(CoexistenceError, AssertionError):
    """Rasa refuses a response, or ignores a part of it; each reason is one sentence."""


class MessageAborted(CoexistenceError, AssertionError):
    """An every-turn action failed in a way for which Rasa drops the user's whole message."""


class ServerFailed(CoexistenceError):
    """An action server that was started for a test or the demo did not start, or did not answer."""
