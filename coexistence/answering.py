"""Answering action calls over HTTP: what the SDK's handler does, less what nobody asked it for.

Per call the SDK's own (rasa-sdk 3.11 to 3.21) starts a span that no tracer records, copies the
headers for it, and copies the answer before it is written as JSON.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from opentelemetry import trace
from rasa_sdk import Tracker, utils
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher
from rasa_sdk.interfaces import (
    ActionExecutionRejection,
    ActionMissingDomainException,
    ActionNotFoundException,
)
from sanic import Sanic, response
from sanic.request import Request
from sanic.response import HTTPResponse

from coexistence.events import UndecodedEvents

logger = logging.getLogger(__name__)

_PATH = "webhook"
_OURS = f"{__package__}.profile_actions"


def answer_calls(app: Sanic[Any, Any]) -> bool:
    """Take over a server's `/webhook`; return whether it was.

    The SDK's handler stays where it does more than ours: with tracing, by Rasa's settings or by
    OpenTelemetry's, and with `--auto-reload`; and where it is not as we know it.
    """
    if _is_traced(app):
        return False
    for route in app.router.routes:
        if route.path == _PATH:
            known = inspect.getclosurevars(route.handler).nonlocals
            executor = known.get("action_executor")
            if known.get("auto_reload") is False and isinstance(executor, ActionExecutor):
                route.handler = _handler(executor)
                return True
    return False


def _is_traced(app: Sanic[Any, Any]) -> bool:
    return getattr(app.ctx, "tracer_provider", None) is not None or not isinstance(
        trace.get_tracer_provider(), trace.ProxyTracerProvider
    )


def _handler(executor: ActionExecutor) -> Any:
    async def webhook(request: Request) -> HTTPResponse:
        call: dict[str, Any] = request.json  # read by the plug-in already
        _compare_versions(call.get("version"))
        try:
            ours = _ours(executor, call)
            if ours is not None:
                return _json(await _run(executor, ours, call))
            result = await executor.run(call)
        except ActionExecutionRejection as rejection:
            return _refusal(rejection, 400)
        except ActionNotFoundException as unknown:
            logger.error(unknown)
            return _refusal(unknown, 404)
        except ActionMissingDomainException as lacking:
            return _refusal(lacking, 449)
        if result is None:
            return response.json(None)
        try:
            return response.json({"events": result.events, "responses": result.responses})
        except TypeError:
            # objects among the values that only pydantic makes JSON of
            return response.json(result.model_dump())

    return webhook


def _ours(executor: ActionExecutor, call: Mapping[str, Any]) -> Any:
    """Return the profile action that is called, when its answer can hold nothing but JSON.

    What is in the tracker can be sent back as it is when it was read without Python's JSON, which
    has words beyond the standard.
    """
    action = executor.actions.get(call["next_action"])
    known = isinstance(call["tracker"].get("events"), UndecodedEvents)
    of = type(getattr(action, "__self__", None))
    return action if known and of.__module__ == _OURS else None


async def _run(executor: ActionExecutor, action: Any, call: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the executor does, less the check of events that are our own."""
    domain = executor.update_and_return_domain(call, call["next_action"])
    dispatcher = CollectingDispatcher()
    events = await action(dispatcher, Tracker.from_dict(call["tracker"]), domain)
    return {"events": events, "responses": dispatcher.messages}


def _json(answer: dict[str, Any]) -> HTTPResponse:
    try:
        encoded = msgspec.json.encode(answer)
    except (OverflowError, ValueError):
        return response.json(answer)  # numbers and texts that Python's JSON has words for
    return HTTPResponse(encoded, content_type="application/json")


def _refusal(reason: Any, status: int) -> HTTPResponse:
    """Return what Rasa reads the name of the action and the status of."""
    return response.json(
        {"error": reason.message, "action_name": reason.action_name}, status=status
    )


@lru_cache(maxsize=64)
def _compare_versions(rasa: str | None) -> None:
    utils.check_version_compatibility(rasa)
