"""Spans as a collector gets them from real servers, traced by Rasa's `tracing:` section."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from tests.server.test_http import call
from tests.transports.ways import GRPC, HTTP

SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
"""Milliseconds after which spans are sent."""

SECONDS = 30
WANTED = {"profile_store.sync", "profile_store.hydrate", "profile_store.batch"}


class Collector(TraceServiceServicer):  # type: ignore[misc]
    """Keeps the spans that are sent to it, by their names."""

    def __init__(self) -> None:
        self.spans: dict[str, list[Any]] = {}
        self._came = threading.Condition()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self._came:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        self.spans.setdefault(span.name, []).append(span)
            self._came.notify_all()
        return messages.ExportTraceServiceResponse()

    def wait_for(self, *names: str) -> None:
        with self._came:
            assert self._came.wait_for(lambda: set(names) <= set(self.spans), SECONDS), self.spans


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    made = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    (tmp_path / "endpoints.yml").write_text(
        f"tracing: {{type: otlp, endpoint: '127.0.0.1:{port}', insecure: true}}\n"
    )
    yield made
    server.stop(None)


@pytest.mark.parametrize(
    ("way", "sdks"),
    [(HTTP, "create_app.webhook"), (GRPC, "GRPCActionServerWebhook.Webhook")],
    ids=["http", "grpc"],
)
def test_our_spans_are_inside_those_of_the_sdk(
    way: Any, sdks: str, collector: Collector, tmp_path: Path
) -> None:
    with way(tmp_path, SOON) as running:
        body = call("action_sync_profile", tracker={"sender_id": "c", "user_id": "SECRET-user"})
        body["tracker"]["slots"] = {"customer_name": None}
        assert running.call(body).outcome == "done"
        collector.wait_for(sdks, "ActionExecutor.run", *WANTED)
    ours = {name: collector.spans[name][0] for name in WANTED}
    (served,), (ran,) = collector.spans[sdks], collector.spans["ActionExecutor.run"]
    assert ran.parent_span_id == served.span_id
    assert ours["profile_store.sync"].parent_span_id == ran.span_id
    assert ours["profile_store.hydrate"].parent_span_id == ran.span_id
    assert ours["profile_store.sync"].trace_id == served.trace_id
    linked = {link.span_id for link in ours["profile_store.batch"].links}
    assert linked == {ours["profile_store.sync"].span_id}
    assert "SECRET" not in str(ours)
