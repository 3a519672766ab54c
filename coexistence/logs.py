"""Log records that name the call at hand, and records as JSON; never a value of a slot."""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
from typing import Any

from opentelemetry import trace

from coexistence import calls, runtime

_OURS = ("coexistence", "profile_store")
_SDK = "rasa_sdk"

HASHED_CHARACTERS = 16


def name_calls() -> None:
    """Give our records the attributes `action` and `conversation`; a second call does nothing.

    Records of others are left alone: logging refuses one whose caller gives it an attribute that
    it has. Outside of a call both are empty.
    """
    make = logging.getLogRecordFactory()
    if getattr(make, "names_calls", False):
        return

    def record(name: str, *given: Any, **named: Any) -> logging.LogRecord:
        made = make(name, *given, **named)
        if name.partition(".")[0] in _OURS:
            made.action, made.conversation = _call()
        return made

    record.names_calls = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(record)


def _call() -> tuple[str, str]:
    call = calls.current()
    return ("", "") if call is None else (call.action, _named(call.conversation))


def _named(conversation: Any) -> str:
    made = runtime.made()
    how = "none" if made is None else made.settings.log_conversations
    if how == "none" or not isinstance(conversation, str):
        return ""
    return conversation if how == "plain" else hashed(conversation)


def hashed(conversation: str) -> str:
    """Return what stands for a conversation in logs: the beginning of its id's SHA-256."""
    digest = hashlib.sha256(conversation.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:HASHED_CHARACTERS]


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and of the call what is known.

    Records of any logger are given the action and the conversation in which they were logged, and
    the ids of the span, where one is recorded.
    """

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        told: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        action, conversation = (
            (record.action, record.conversation)
            if hasattr(record, "conversation") and hasattr(record, "action")
            else _call()
        )
        if action:
            told["action"] = action
        if conversation:
            told["conversation"] = conversation
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            told["trace_id"] = trace.format_trace_id(span.trace_id)
            told["span_id"] = trace.format_span_id(span.span_id)
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def write(form: str) -> None:
    """Let this process write its log in a form: `json`, or `text`, which changes nothing.

    Called in the main process and in every worker of an action server, after the SDK has set up
    its handlers; inside Rasa the log is Rasa's.
    """
    if form != "json":
        return
    root = logging.getLogger()
    if not root.handlers:  # a spawned worker, in which the SDK sets up nothing
        standard_error = logging.StreamHandler()
        standard_error.setLevel(logging.WARNING)
        root.addHandler(standard_error)
    last = [logging.lastResort] if logging.lastResort else []  # Sanic's own loggers end there
    formatter = JSONFormatter()
    for handler in (*root.handlers, *logging.getLogger(_SDK).handlers, *last):
        handler.setFormatter(formatter)
    logging.captureWarnings(True)
