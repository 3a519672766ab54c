"""What can go wrong on the Rasa side, and what to do about it."""

from __future__ import annotations


class CoexistenceError(Exception):
    """The root of every error that `coexistence` raises."""


class RoutingSlotWritten(CoexistenceError):
    """An action set `route_session_to_calm`; return `reset_routing()` instead.

    Rasa's documentation: the routing slot is never set in isolation, only by
    `action_reset_routing`.
    """


class UnknownSlot(CoexistenceError):
    """`remember` or `forget` named a slot that the domain does not share; flag or include it."""


class InvalidLeaveOut(CoexistenceError):
    """`leave_out` of `install()` holds what is no action, or leaves out of nothing; correct it."""


class ActionRaised(CoexistenceError):
    """Over gRPC: an action raised. Its name and the kind of error are told; the log says where."""


class TokenRefused(CoexistenceError):
    """A signed token in the message metadata names nobody; the message says why, without it."""


class BadRequest(CoexistenceError):
    """A body is not an action call; the message says why and repeats nothing of it."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status
