"""The gRPC service: what the SDK's does, with requests checked and errors that tell nothing.

gRPC has no plug-in hook in the SDK (rasa-sdk 3.11 to 3.21), so that its servicer is stood in for.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from rasa_sdk.interfaces import (
    ActionExecutionRejection,
    ActionMissingDomainException,
    ActionNotFoundException,
)

from coexistence import failures, identity, plugin, routing, runtime
from coexistence.errors import CoexistenceError
from coexistence.webhook import MAX_ACTION_NAME

if TYPE_CHECKING:
    from rasa_sdk.executor import ActionExecutor

logger = logging.getLogger(__name__)

_SERVER_MODULE = "rasa_sdk.grpc_server"
_SERVICER = "GRPCActionServerWebhook"

_FORESEEN = (ActionExecutionRejection, ActionMissingDomainException, ActionNotFoundException)
"""What the SDK's servicer turns into a status of its own."""


class ActionFailed(CoexistenceError):
    """An action raised; over gRPC its name and the kind of error are told, and nothing else."""


def stand_in() -> None:
    """Let the SDK's gRPC server, if it is one that is starting, serve calls through us."""
    module = sys.modules.get(_SERVER_MODULE)
    if module is None:
        return  # another way in; gRPC itself takes a third of a second to import
    servicer = getattr(module, _SERVICER)
    if not hasattr(servicer, "stands_in"):
        setattr(module, _SERVICER, _standing_in_for(servicer))


def refusal(request: Any) -> str | None:
    """Return why a `WebhookRequest` is no action call, in one line and without any of it."""
    if not request.next_action:
        return "next_action must be the name of an action."
    if len(request.next_action) > MAX_ACTION_NAME:
        return f"next_action has more than {MAX_ACTION_NAME} characters."
    if not request.HasField("tracker"):
        return "tracker must be an object."
    if not request.tracker.sender_id:
        return "tracker.sender_id must be text."
    for event in request.tracker.events:
        if not event.fields["event"].string_value:
            return "tracker.events must be objects, each with the name of its event."
    message = request.tracker.latest_message.fields
    if "entities" in message and message["entities"].WhichOneof("kind") not in _LIST_OR_NULL:
        return "tracker.latest_message.entities must be a list or null."
    return None


_LIST_OR_NULL = {"list_value", "null_value"}


def _standing_in_for(servicer: Any) -> Any:
    import grpc
    from google.protobuf.json_format import SerializeToJsonError

    class Servicer(servicer):  # type: ignore[misc]
        """The SDK's servicer, behind a check and with silent errors."""

        stands_in = True

        def __init__(self, executor: ActionExecutor, *given: Any, **named: Any) -> None:
            super().__init__(SafeExecutor(executor), *given, **named)
            plugin.check_schema(runtime.current().settings)

        async def Webhook(self, request: Any, context: Any) -> Any:  # noqa: N802
            await self._check(request, context)
            try:
                return await super().Webhook(request, context)
            except SerializeToJsonError:
                problem = grpc.StatusCode.INVALID_ARGUMENT, _NOT_JSON
            except ActionFailed as error:
                problem = grpc.StatusCode.UNKNOWN, str(error)
            except Exception as error:  # noqa: BLE001 - what an action returned is no message
                problem = grpc.StatusCode.UNKNOWN, str(_told(request.next_action, error))
            return await context.abort(*problem)

        async def WebhookStream(  # noqa: N802
            self, request: Any, context: Any
        ) -> AsyncIterator[Any]:
            await self._check(request, context)
            try:
                async for event in super().WebhookStream(request, context):
                    yield event
                return
            except SerializeToJsonError:
                problem = grpc.StatusCode.INVALID_ARGUMENT, _NOT_JSON
            except Exception as error:  # noqa: BLE001 - what an action returned is no message
                problem = grpc.StatusCode.UNKNOWN, str(_told(request.next_action, error))
            await context.abort(*problem)

        async def _check(self, request: Any, context: Any) -> None:
            problem = refusal(request)
            if problem is not None:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
            routing.rasa_version.set(request.version or None)
            identity.told_user_id.set(getattr(request.tracker, "user_id", None) or None)

    return Servicer


_NOT_JSON = "A number of the request is none that JSON has (NaN or infinity)."


class SafeExecutor:
    """An executor whose unforeseen errors are logged and told without what users said."""

    def __init__(self, executor: ActionExecutor) -> None:
        self._executor = executor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)

    async def run(self, action_call: dict[str, Any], sink: Any = None, **named: Any) -> Any:
        """Run an action as the SDK's executor does.

        Raises:
            ActionFailed: for every error that the SDK's servicer has no status for.
        """
        action = str(action_call.get("next_action"))
        safe_sink = None
        if sink is not None:
            safe_sink = named["sink"] = _SafeSink(sink, action)
        try:
            return await self._executor.run(action_call, **named)
        except _FORESEEN:
            raise
        except Exception as error:  # noqa: BLE001 - anything that an action may raise
            raise (safe_sink and safe_sink.told) or _told(action, error) from None


class _SafeSink:
    """A stream's queue in which an error is told without what users said."""

    def __init__(self, sink: Any, action: str) -> None:
        self._sink = sink
        self._action = action
        self.told: ActionFailed | None = None

    async def put(self, chunk: dict[str, Any]) -> None:
        error = chunk.get("exception")
        if error is not None and not isinstance(error, _FORESEEN):
            self.told = _told(self._action, error)
            chunk = {**chunk, "exception": self.told}
        await self._sink.put(chunk)


def _told(action: str, error: Exception) -> ActionFailed:
    failures.log_action(logger, action, error)
    return ActionFailed(f"{type(error).__name__} in {action}; the action server's log says where.")
