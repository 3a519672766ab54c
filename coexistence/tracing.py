"""Spans inside the trace that the SDK began, where Rasa's `tracing:` or OpenTelemetry records one.

Nothing here makes a tracer: where nobody records, nothing is made. No attribute holds a value, a
slot's name or a user's id, and no exception is recorded, for its message may quote one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from rasa_sdk.tracing.tracer_register import ActionExecutorTracerRegister

from profile_store import ProfileStoreError, metering

Span = trace.Span

SYNC = "profile_store.sync"
FORGET = "profile_store.forget"
LINK = "profile_store.link"
HYDRATE = "profile_store.hydrate"
BATCH = "profile_store.batch"
ACTION = "profile_store.action"
SPANS = (SYNC, FORGET, LINK, HYDRATE, BATCH)

_NANOSECONDS = 1_000_000_000

_nothing = contextlib.nullcontext(trace.INVALID_SPAN)


def span(name: str) -> contextlib.AbstractContextManager[trace.Span]:
    """Return a block whose span is a child of the current one; one that records nothing if none."""
    if not trace.get_current_span().is_recording():
        return _nothing
    tracer = _tracer()
    if tracer is None:
        return _nothing
    return tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)


def current() -> trace.SpanContext | None:
    """Return where the current span stands in its trace; None when nobody records it."""
    found = trace.get_current_span()
    return found.get_span_context() if found.is_recording() else None


def record(batch: metering.Batch, links: Sequence[trace.SpanContext]) -> None:
    """Record a batch that was served, linked to the spans of the calls that it served."""
    tracer = _tracer()
    if tracer is None:
        return
    began = int(batch.began * _NANOSECONDS)
    made = tracer.start_span(
        BATCH,
        context=Context(),  # of no one call's trace: it served all of them
        links=[trace.Link(link) for link in links],
        attributes={"profile_store.calls": batch.calls, "profile_store.waiting": batch.waiting},
        start_time=began,
    )
    made.end(began + int(batch.seconds * _NANOSECONDS))


def fail(recorded: Span, error: ProfileStoreError) -> None:
    """Mark a span as failed, with the kind of failure alone."""
    recorded.set_status(trace.Status(trace.StatusCode.ERROR, metering.kind(error)))


def _tracer() -> trace.Tracer | None:
    """Return the SDK's tracer, or that of OpenTelemetry's own set-up, or none."""
    known: Any = ActionExecutorTracerRegister().get_tracer()
    if known is not None:
        found: trace.Tracer = known
        return found
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return None
    return provider.get_tracer("rasa-coexistence")
