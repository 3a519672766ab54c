"""Logging what went wrong without telling what users said."""

from __future__ import annotations

import logging
import traceback

from coexistence.errors import CoexistenceError
from profile_store import InvalidSettings


def log(logger: logging.Logger, what: str, error: BaseException) -> None:
    """Log an unexpected error: its type and where it arose.

    The message of an exception may hold a user's data (`KeyError: 'Ann'`); its type and the
    lines of code that it passed do not.
    """
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s: %s\n%s", what, type(error).__name__, where.rstrip())


def log_action(logger: logging.Logger, action: str, error: BaseException) -> None:
    """Log what an action raised; our own words to its developer are given in full."""
    if isinstance(error, CoexistenceError | InvalidSettings):
        logger.error("%s: %s", type(error).__name__, error)
    else:
        log(logger, f"Action {action or '(none)'} failed", error)
