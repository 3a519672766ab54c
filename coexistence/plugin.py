"""The Sanic plug-in: what only a server has, beside the SDK's `/webhook`, `/health` and `/actions`.

What must always happen lives in the actions, for gRPC and direct execution have no middleware.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import multiprocessing
import os
import sys
from typing import Any

import pluggy
from rasa_sdk import endpoint
from rasa_sdk.plugin import plugin_manager
from sanic import Sanic, response
from sanic.exceptions import SanicException
from sanic.handlers import ErrorHandler
from sanic.request import Request
from sanic.response import HTTPResponse

from coexistence import (
    answering,
    calls,
    error_bodies,
    events,
    failures,
    identity,
    operations,
    routing,
    runtime,
    settings,
)
from coexistence.authentication import address, configuration
from coexistence.authentication.http import Guard
from coexistence.errors import BadRequest
from coexistence.webhook import read_call
from profile_store import (
    InvalidSettings,
    ProfileStoreError,
    SchemaOutdated,
    StoreUnavailable,
    migrate,
)
from profile_store.settings import SQL

logger = logging.getLogger(__name__)

_NAME = "rasa-coexistence"
_hookimpl = pluggy.HookimplMarker("rasa_sdk")


class Plugin:
    """Attached by the SDK to its Sanic app, in the main process and in every worker."""

    @_hookimpl
    def attach_sanic_app_extensions(self, app: Sanic[Any, Any]) -> None:
        """Check callers and bodies; add safe errors, `/ready`, `/metrics`; close at the end."""
        config = runtime.current().settings
        events.decode_lazily()
        operations.attach(app, config)
        if multiprocessing.parent_process() is None:
            check_schema(config)
            _let_forks_make_the_app_anew(app)
        guard(app, config)
        app.error_handler = _SafeErrors()
        app.register_middleware(_read_body, "request")
        app.add_route(_ready, "/ready", methods=["GET"], name="ready")
        app.register_listener(_settle, "before_server_start")
        app.register_listener(_close, "after_server_stop")


def register() -> None:
    """Register the plug-in with the SDK; a second call does nothing."""
    manager = plugin_manager()
    if manager.get_plugin(_NAME) is None:
        manager.register(Plugin(), name=_NAME)


def _let_forks_make_the_app_anew(app: Sanic[Any, Any]) -> None:
    """Take the app's name back in forked workers, where the SDK makes it a second time.

    rasa-sdk 3.20 and 3.21 make the app in each worker, and Sanic refuses a name that it has
    already: with `Sanic.start_method = "fork"` a bare server does not start.
    """
    if hasattr(endpoint, "create_app_for_serve"):
        os.register_at_fork(after_in_child=functools.partial(_give_up_name, app))


def _give_up_name(app: Sanic[Any, Any]) -> None:
    with contextlib.suppress(SanicException):  # it has been given up before
        Sanic.unregister_app(app)


def check_schema(config: settings.Settings) -> None:
    """Refuse to start on tables of another version; an outage is no reason not to start.

    A store that is not of SQL has no tables of ours: `/ready` tells how it is.
    """
    if config.type != SQL:
        return
    try:
        migrate.check_at_start(config)
    except (SchemaOutdated, InvalidSettings) as error:
        sys.exit(f"rasa-coexistence: {error}")
    except StoreUnavailable as error:
        logger.warning("%s", error)


def guard(app: Sanic[Any, Any], config: settings.Settings) -> None:
    """Let in known callers alone; without a secret, let nobody call but this machine."""
    credentials = configuration.at_start(config)
    if credentials:
        Guard(credentials, preflights=settings.cors_is_asked_for()).watch(app)
    if multiprocessing.parent_process() is None:
        host = address.settle(
            guarded=bool(credentials), serve_without_secret=config.serve_without_secret
        )
        if host is not None:
            os.environ[address.HOST_VARIABLE] = host  # the SDK reads it after us


async def _read_body(request: Request) -> HTTPResponse | None:
    # Sanic takes a path with a slash at its end for the same.
    if request.path.rstrip("/") != "/webhook" or request.method != "POST":
        return None
    encoding = request.headers.get("content-encoding")
    try:
        call = read_call(request.body or b"", encoding, runtime.current().settings.max_body_bytes)
    except BadRequest as error:
        return error_bodies.make(str(error), error.status)
    if encoding == "deflate":
        # The SDK would inflate and decode it a second time.
        request.headers.popall("content-encoding")
    request.parsed_json = call  # type: ignore[assignment]  # Sanic declares it None
    routing.rasa_version.set(call.get("version"))
    identity.told_user_id.set(call["tracker"].get("user_id"))
    return None


async def _ready(_: Request) -> HTTPResponse:
    """Answer 200 when the database is reachable and its tables are current, else 503 and why."""
    try:
        await runtime.current().store.health()
    except ProfileStoreError as error:
        return response.json({"status": "unavailable", "reason": str(error)}, status=503)
    return response.json({"status": "ready"})


async def _settle(app: Sanic[Any, Any], *_: Any) -> None:
    """Take over the answering, and spare the garbage collector what lives as long as the process.

    Every full collection would walk all imported modules: 40 ms in which nobody is answered.
    """
    answering.answer_calls(app)
    gc.collect()
    gc.freeze()


async def _close(*_: Any) -> None:
    runtime.close()


class _SafeErrors(ErrorHandler):
    """Errors that neither log nor repeat the request, which the SDK's own handler does."""

    def response(self, request: Request, exception: Exception) -> HTTPResponse:
        if isinstance(exception, BadRequest):  # found when an action read the tracker's events
            return error_bodies.make(str(exception), exception.status)
        if isinstance(exception, SanicException) and exception.status_code < 500:
            return error_bodies.make(
                error_bodies.FOR_STATUS.get(exception.status_code, "Bad request."),
                exception.status_code,
            )
        call: object = getattr(request, "parsed_json", None)
        call = call if isinstance(call, dict) else {}
        action = call.get("next_action", "")
        with calls.mentioned(action, call.get("tracker", {}).get("sender_id", "")):
            failures.log_action(logger, action, exception)
        return error_bodies.make(
            f"{type(exception).__name__} in the action server; its log says where.", 500, action
        )
