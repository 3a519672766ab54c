"""The check of every gRPC call by its metadata, before the request is read; health stays open.

Of `action_endpoint` Rasa's gRPC client sends the headers, as metadata (Rasa Pro 3.9 to 3.21),
and neither token nor basic_auth. The SDK (rasa-sdk 3.11 to 3.21) makes its server without hooks
and listens on every address, so that what makes the server and its port is stood in for.
"""

from __future__ import annotations

import logging
import types
from collections.abc import Sequence
from typing import Any

import grpc
from rasa_sdk import grpc_server

from coexistence import runtime
from coexistence.authentication import address, configuration
from coexistence.authentication.credentials import Credentials

logger = logging.getLogger(__name__)

OPEN_SERVICE = "/grpc.health.v1.Health/"
REFUSED = "The call carries no credential that is accepted; docs/security.md shows how to send one."

_make_server = grpc.aio.server
_make_port = grpc_server._initialise_port


def stand_in() -> None:
    """Let the SDK make its gRPC server through us; a second call does nothing."""
    grpc_server.aio = types.SimpleNamespace(server=_guarded_server)
    grpc_server._initialise_port = _settled_port


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Lets in who carries a credential."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def intercept_service(self, continuation: Any, call: Any) -> Any:
        """Go on with a call, or have it refused."""
        if call.method.startswith(OPEN_SERVICE) or self._credentials.let_in(_Carried(call)):
            return await continuation(call)
        return _REFUSING


async def _refuse(_: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSED)


# a stream of requests is not read before somebody asks for the first
_REFUSING = grpc.stream_unary_rpc_method_handler(_refuse)


class _Carried:
    """What a call's metadata hold; they stand for headers and for the query."""

    def __init__(self, call: Any) -> None:
        self._metadata = call.invocation_metadata or ()

    def parameters(self, name: str) -> Sequence[bytes]:
        return self.headers(name.lower())

    def headers(self, name: str) -> Sequence[bytes]:
        return [
            value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            for key, value in self._metadata
            if key == name
        ]


def _guarded_server(*given: Any, interceptors: Sequence[Any] = (), **named: Any) -> Any:
    credentials = configuration.at_start(runtime.current().settings)
    if credentials:
        interceptors = [Guard(credentials), *interceptors]
    return _make_server(*given, interceptors=interceptors, **named)


def _settled_port(
    server: Any, port: int, certificate: Any = None, key: Any = None, authority: Any = None
) -> None:
    """Make the port as the SDK does, but where it may be; `authority` signs the callers' own."""
    config = runtime.current().settings
    guarded = bool(configuration.at_start(config))
    if guarded:
        _warn_of_what_rasa_does_not_send()
    host = address.settle(
        guarded=guarded or bool(certificate and key and authority),
        serve_without_secret=config.serve_without_secret,
    )
    listening = server if host is None else _ListeningAt(server, host)
    _make_port(listening, port, certificate, key, authority)


def _warn_of_what_rasa_does_not_send() -> None:
    for sent in configuration.sent_by_rasa():
        if sent.token or sent.basic_auth or any(name != name.lower() for name in sent.headers):
            logger.warning(
                "Over gRPC Rasa sends nothing of %s but headers, and those only when named in "
                "lower case: write the secret as one of them, or Rasa's calls are refused.",
                configuration.SECTION,
            )


class _ListeningAt:
    """A server whose ports are on one host, where the SDK says on all."""

    def __init__(self, server: Any, host: str) -> None:
        self._server = server
        self._host = f"[{host}]" if ":" in host else host

    def add_insecure_port(self, address: str) -> Any:
        return self._server.add_insecure_port(self._on_host(address))

    def add_secure_port(self, address: str, **named: Any) -> Any:
        return self._server.add_secure_port(self._on_host(address), **named)

    def _on_host(self, address: str) -> str:
        return f"{self._host}:{address.rpartition(':')[2]}"
