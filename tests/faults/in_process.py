"""The action server without its sockets: bytes in, a status out, thousands of times a second.

It is the real Sanic app with the SDK's routes, our plug-in and the actions of this project, called
as an ASGI server would call it; and the real gRPC servicer, called as grpc would.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from rasa_sdk import endpoint
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.grpc_py import action_webhook_pb2 as messages
from rasa_sdk.plugin import plugin_manager
from sanic import Sanic

from coexistence import grpc_service, runtime
from coexistence.runtime import Runtime
from coexistence.settings import Settings

PLAIN, DEFLATED, AS_IT_IS, GRPC = range(4)
"""What a body is sent as: JSON; JSON, deflated; something that is said to be deflated; gRPC."""
GRPC_FAILURES = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}


class Aborted(Exception):
    """A gRPC call that was ended with a status."""


class _Context:
    """What grpc hands to a servicer."""

    status: grpc.StatusCode | None = None
    details = ""

    def set_code(self, status: grpc.StatusCode) -> None:
        self.status = status

    def set_details(self, details: str) -> None:
        self.details = details

    async def abort(self, status: grpc.StatusCode, details: str) -> None:
        self.status, self.details = status, details
        raise Aborted

    def __getattr__(self, name: str) -> Any:
        return lambda *_: ()


class Server:
    """Answers bodies, with a database in a folder; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Server:
        os.environ["DEMO_BANK_DB"] = str(self._folder / "bank.db")
        runtime.use(Runtime(Settings(url=f"sqlite:///{self._folder / 'profiles.db'}")))
        # whatever a body leads to is told thousands of times
        logging.disable(logging.CRITICAL)
        self._loop = asyncio.new_event_loop()
        executor = ActionExecutor()
        executor.register_package("actions")
        self.actions = sorted(executor.actions)
        self._app = endpoint.create_app(executor)
        plugin_manager().hook.attach_sanic_app_extensions(app=self._app)
        self._servicer = grpc_service.Servicer(executor)
        self._loop.run_until_complete(self._lifespan("startup"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._loop.run_until_complete(self._lifespan("shutdown"))
        Sanic.unregister_app(self._app)
        self._loop.close()
        logging.disable(logging.NOTSET)

    async def _lifespan(self, what: str) -> None:
        told = iter([{"type": f"lifespan.{what}"}])
        ended = self._loop.create_future()

        async def receive() -> Any:
            return next(told, None) or await ended

        async def send(message: dict[str, Any]) -> None:
            assert message["type"] == f"lifespan.{what}.complete", message
            ended.cancel()

        with contextlib.suppress(asyncio.CancelledError):
            await self._app({"type": "lifespan"}, receive, send)

    def answer(self, body: bytes, sent_as: int = PLAIN) -> int | str:
        """Return the status of the answer: a number over HTTP, a name over gRPC.

        Raises:
            AssertionError: when it is the action server that failed.
        """
        if sent_as == GRPC:
            return self._loop.run_until_complete(self._grpc(body))
        headers = [(b"content-type", b"application/json")]
        if sent_as != PLAIN:
            headers.append((b"content-encoding", b"deflate"))
        if sent_as == DEFLATED:
            body = zlib.compress(body, 1)
        status, said = self._loop.run_until_complete(self._http(body, headers))
        assert status < 500, (status, said)
        return status

    async def _http(self, body: bytes, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/webhook", "raw_path": b"/webhook", "query_string": b"", "root_path": "",
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 5055),
        }  # fmt: skip
        told: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            told.append(message)

        await self._app(scope, receive, send)
        return told[0]["status"], b"".join(message.get("body", b"") for message in told[1:])

    async def _grpc(self, body: bytes) -> str:
        try:
            request = messages.WebhookRequest.FromString(body)
        except DecodeError:
            return "not read"  # by grpc itself: it never gets to a servicer
        context = _Context()
        with contextlib.suppress(Aborted):
            await self._servicer.Webhook(request, context)
        # The SDK's servicer says INTERNAL for a rejection, in JSON.
        failed = context.status in GRPC_FAILURES and not context.details.startswith("{")
        assert not failed, (context.status, context.details)
        return "OK" if context.status is None else context.status.name
