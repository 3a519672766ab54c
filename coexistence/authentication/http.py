"""The check of every HTTP request, before its path is looked up and its body is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sanic import Sanic
from sanic.exceptions import SanicException
from sanic.request import Request
from sanic.response import HTTPResponse

from coexistence import error_bodies
from coexistence.authentication.credentials import Credentials

OPEN_PATH = "/health"

DRAINED_BYTES = 1_048_576
"""How much of a refused body is read, so that its sender hears why; more ends the connection."""


_FIRST = 1_000
"""The priority of our middleware: with Sanic higher ones run first; the SDK's is 0."""


class Guard:
    """Lets in who carries a credential; `preflights` are those that browsers send without any."""

    def __init__(self, credentials: Credentials, *, preflights: bool) -> None:
        self._credentials = credentials
        self._preflights = preflights

    def watch(self, app: Sanic[Any, Any]) -> None:
        """Check every request of an app."""
        # The earliest that Sanic tells of a request: it has looked up no path and read no body.
        app.add_signal(self._check, "http.routing.before")
        # Sanic runs these for errors, too, and the SDK's would answer any OPTIONS.
        app.register_middleware(self._refuse, "request", priority=_FIRST)

    async def _check(self, request: Request) -> None:
        if request.path.rstrip("/") == OPEN_PATH:
            return
        if self._preflights and request.method == "OPTIONS":
            return
        if self._credentials.let_in(_Carried(request)):
            return
        request.ctx.refused = True
        if request.stream is not None:
            request.stream.request_max_size = DRAINED_BYTES
        raise Unauthorized

    async def _refuse(self, request: Request) -> HTTPResponse | None:
        if not getattr(request.ctx, "refused", False):
            return None
        answer = error_bodies.make(error_bodies.FOR_STATUS[401], 401)
        if self._credentials.challenges:
            answer.headers["WWW-Authenticate"] = self._credentials.challenges
        return answer


class Unauthorized(SanicException):
    """A request carries none of the credentials that are accepted."""

    status_code = 401
    quiet = True


class _Carried:
    """What a request carries, in the bytes that came."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def parameters(self, name: str) -> Sequence[bytes]:
        if not self._request.query_string:
            return ()
        said = self._request.get_query_args(keep_blank_values=True, errors="surrogateescape")
        return [_bytes(value) for key, value in said if key == name]

    def headers(self, name: str) -> Sequence[bytes]:
        return [_bytes(value) for value in self._request.headers.getall(name, [])]


def _bytes(text: str) -> bytes:
    # as Sanic decodes what comes over the wire
    return text.encode("utf-8", "surrogateescape")
