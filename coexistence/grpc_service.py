"""The gRPC service: what the SDK's does, with requests checked and errors that tell nothing.

gRPC has no plug-in hook in the SDK (rasa-sdk 3.11 to 3.21), so that its servicer is stood in for.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.json_format import SerializeToJsonError
from rasa_sdk import grpc_server
from rasa_sdk.interfaces import (
    ActionExecutionRejection,
    ActionMissingDomainException,
    ActionNotFoundException,
)

from coexistence import (
    calls,
    events,
    failures,
    grpc_messages,
    identity,
    operations,
    plugin,
    routing,
    runtime,
)
from coexistence.authentication import grpc as authentication
from coexistence.errors import ActionRaised
from coexistence.webhook import name_problem

if TYPE_CHECKING:
    from rasa_sdk.executor import ActionExecutor

logger = logging.getLogger(__name__)

_FORESEEN = (ActionExecutionRejection, ActionMissingDomainException, ActionNotFoundException)
"""What the SDK's servicer turns into a status of its own."""


def refusal(request: Any) -> str | None:
    """Return why a `WebhookRequest` is no action call, in one line and without any of it."""
    if not request.next_action:
        return "next_action must be the name of an action."
    problem = name_problem(request.next_action)
    if problem is not None:
        return problem
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


class _Call:
    """One request: its events, taken off it, and the answer once there is one."""

    def __init__(self, request: Any) -> None:
        self.events = grpc_messages.take_events(request)
        self.conversation: str = request.tracker.sender_id
        self.answer: Any = None


_call: contextvars.ContextVar[_Call] = contextvars.ContextVar("_call")


class Servicer(grpc_server.GRPCActionServerWebhook):  # type: ignore[misc]
    """The SDK's servicer, behind a check and with silent errors."""

    def __init__(self, executor: ActionExecutor, *given: Any, **named: Any) -> None:
        super().__init__(SafeExecutor(executor), *given, **named)
        events.decode_lazily()
        operations.serve(runtime.current().settings)
        plugin.check_schema(runtime.current().settings)

    async def Webhook(self, request: Any, context: Any) -> Any:  # noqa: N802
        call = await self._begin(request, context)
        try:
            response = await super().Webhook(request, context)
        except SerializeToJsonError:
            problem = grpc.StatusCode.INVALID_ARGUMENT, _NOT_JSON
        except ActionRaised as error:
            problem = grpc.StatusCode.UNKNOWN, str(error)
        except Exception as error:  # noqa: BLE001 - what an action returned is no message
            problem = grpc.StatusCode.UNKNOWN, str(_told(request.next_action, error))
        else:
            return response if call.answer is None else call.answer
        return await context.abort(*problem)

    async def WebhookStream(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[Any]:
        call = await self._begin(request, context)
        try:
            async for event in super().WebhookStream(request, context):
                if call.answer is not None and event.HasField("final_result"):
                    event.final_result.CopyFrom(call.answer)
                yield event
            return
        except SerializeToJsonError:
            problem = grpc.StatusCode.INVALID_ARGUMENT, _NOT_JSON
        except Exception as error:  # noqa: BLE001 - what an action returned is no message
            problem = grpc.StatusCode.UNKNOWN, str(_told(request.next_action, error))
        await context.abort(*problem)

    async def _begin(self, request: Any, context: Any) -> _Call:
        problem = refusal(request)
        if problem is not None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
        routing.rasa_version.set(request.version or None)
        identity.told_user_id.set(getattr(request.tracker, "user_id", None) or None)
        call = _Call(request)
        _call.set(call)
        return call


def stand_in() -> None:
    """Let the SDK's gRPC server serve calls through us; a second call does nothing."""
    grpc_server.GRPCActionServerWebhook = Servicer
    authentication.stand_in()


_NOT_JSON = "A number of the request is none that JSON has (NaN or infinity)."


class _Answered:
    """Stands for a result whose answer is made already: the SDK is left an empty one to make."""

    @staticmethod
    def model_dump() -> dict[str, Any]:
        return {}


class SafeExecutor:
    """An executor whose unforeseen errors are logged and told without what users said."""

    def __init__(self, executor: ActionExecutor) -> None:
        self._executor = executor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)

    async def run(self, action_call: dict[str, Any], sink: Any = None, **named: Any) -> Any:
        """Run an action as the SDK's executor does.

        Raises:
            ActionRaised: for every error that the SDK's servicer has no status for.
        """
        action = str(action_call.get("next_action"))
        call = _call.get()
        action_call["tracker"]["events"] = call.events
        safe_sink = None
        if sink is not None:
            safe_sink = named["sink"] = _SafeSink(sink, action)
        try:
            result = await self._executor.run(action_call, **named)
        except _FORESEEN:
            raise
        except Exception as error:  # noqa: BLE001 - anything that an action may raise
            raise (safe_sink and safe_sink.told) or _told(action, error) from None
        if sink is None and result:
            call.answer = grpc_messages.answer(result)
        return result if call.answer is None else _Answered()


class _SafeSink:
    """A stream's queue in which an error is told without what users said."""

    def __init__(self, sink: Any, action: str) -> None:
        self._sink = sink
        self._action = action
        self.told: ActionRaised | None = None

    async def put(self, chunk: dict[str, Any]) -> None:
        if chunk.get("event") == "stream_done" and chunk.get("result"):
            call = _call.get()
            call.answer = grpc_messages.answer(chunk["result"])
            if call.answer is not None:
                chunk = {**chunk, "result": _Answered()}
        error = chunk.get("exception")
        if error is not None and not isinstance(error, _FORESEEN):
            self.told = _told(self._action, error)
            chunk = {**chunk, "exception": self.told}
        await self._sink.put(chunk)


def _told(action: str, error: Exception) -> ActionRaised:
    with calls.mentioned(action, _call.get().conversation):
        failures.log_action(logger, action, error)
    return ActionRaised(f"{type(error).__name__} in {action}; the action server's log says where.")
