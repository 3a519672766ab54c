"""What others would log of a request, taken out of their logs: the SDK's, and Sanic's.

Ours hold none of it by themselves. Filters stand at the loggers, so that no handler sees it.
"""

from __future__ import annotations

import logging
import re

from rasa_sdk.interfaces import ActionExecutionRejection

_SANIC = ("sanic.access", "sanic.error", "sanic.root", "sanic.server")
_SDK = ("rasa_sdk.endpoint", "rasa_sdk.executor", "rasa_sdk.grpc_server")

_IGNORED_EVENT = "Contents of ignored event"
_QUERY = re.compile(r"\?[^\s'\">]+")


class _WithoutQuery(logging.Filter):
    """Cuts the query off the addresses that Sanic logs: Rasa sends its token there."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)  # of the access log
        if isinstance(request, str):
            record.request = request.partition("?")[0]
        message = record.getMessage()
        if "?" in message:
            record.msg, record.args = _QUERY.sub("", message), ()
        return True


class _WithoutValues(logging.Filter):
    """Leaves out the values that an action returned or gave as its reason (`--debug`)."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, ActionExecutionRejection):
            record.msg = f"Action {record.msg.action_name} rejected its execution."
        return not str(record.msg).startswith(_IGNORED_EVENT)


_without_query = _WithoutQuery()
_without_values = _WithoutValues()


def install() -> None:
    """Filter what Sanic and the SDK log; a second call does nothing."""
    for name in _SANIC:
        logging.getLogger(name).addFilter(_without_query)
    for name in _SDK:
        logging.getLogger(name).addFilter(_without_values)
