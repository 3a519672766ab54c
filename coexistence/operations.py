"""What a server offers to who runs it: metrics and logs, in each process of it."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from typing import Any

from rasa_sdk import utils
from sanic import Sanic
from sanic.request import Request
from sanic.response import HTTPResponse

from coexistence import logs, metrics, scraping
from coexistence.settings import Settings

logger = logging.getLogger(__name__)


def attach(app: Sanic[Any, Any], config: Settings) -> None:
    """Set up an HTTP server's process, the main one or a worker: its log, and `/metrics`."""
    logs.write(config.logs)
    if not config.metrics:
        return
    if multiprocessing.parent_process() is None:
        scraping.share_between_workers()
    app.add_route(_metrics, "/metrics", methods=["GET"], name="metrics")
    app.register_listener(_begin, "before_server_start")


def serve(config: Settings) -> None:
    """Set up a gRPC server's one process: its log, and a port for metrics if there is to be one."""
    logs.write(config.logs)
    if not config.metrics:
        return
    metrics.instruments()
    if config.metrics_port is None:
        logger.warning(
            "Metrics are counted and nobody can read them: a gRPC server serves them on "
            "profile_store.metrics_port; set it."
        )
    else:
        scraping.serve(config.metrics_port, config.metrics_host)


async def _begin(*_: Any) -> None:
    if utils.number_of_sanic_workers() > 1:
        scraping.check_shared()
    metrics.instruments()


async def _metrics(request: Request) -> HTTPResponse:
    """Answer with the metrics of all workers; reading their files must not keep others waiting."""
    body, content_type = await asyncio.to_thread(scraping.page, request.headers.get("accept", ""))
    return HTTPResponse(body, content_type=content_type)
