"""The assistant beside, in processes that log whatever anybody has to say, requests included.

Sanic's workers log nothing of their own accord: nobody sets logging up there.
"""

from __future__ import annotations

import logging
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import ActionExecutionRejection

from tests.transports.assistant import actions as _the_assistant  # noqa: F401

FORMAT = "%(levelname)s %(name)s %(request)s %(message)s"


class _Everything(logging.Formatter):
    """Shows what Sanic's access log shows, too."""

    def format(self, record: logging.LogRecord) -> str:
        record.request = getattr(record, "request", "")
        return super().format(record)


def _log_everything() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Everything(FORMAT))
    logging.basicConfig(level=logging.DEBUG, handlers=[handler], force=True)
    # those that are quiet unless they are told otherwise
    for name in ("sanic.root", "sanic.error", "sanic.access", "sanic.server", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).propagate = True


_log_everything()


class RejectsWithValues(Action):
    def name(self) -> str:
        return "action_rejects_with_values"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Any:
        raise ActionExecutionRejection(self.name(), f"not for {tracker.slots}")


class ReturnsNoEvents(Action):
    def name(self) -> str:
        return "action_returns_no_events"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any) -> Any:
        return [{"no": tracker.slots}, str(tracker.slots)]
