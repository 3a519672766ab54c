"""Spans: children of what is current, linked batches, nothing of a user, and nothing untraced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.tracing import utils
from rasa_sdk.tracing.instrumentation import instrumentation
from rasa_sdk.tracing.tracer_register import ActionExecutorTracerRegister

from coexistence import tracing
from coexistence.profile_actions import ActionForgetProfile, ActionSyncProfile
from profile_store.metering import Batch
from tests.coexistence.calls import fresh, run, said
from tests.coexistence.events import DOMAIN, empty_slots, routing_reset, slot, timed, tracker, user

Spans = dict[str, list[ReadableSpan]]


class Traced:
    """The SDK's tracing, set up as `tracing:` does, with an exporter that keeps the spans."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("tests")

    @property
    def spans(self) -> Spans:
        found: Spans = {}
        for span in self._exporter.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return found

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.spans[name]
        return span


@pytest.fixture
def traced() -> Iterator[Traced]:
    made = Traced()
    register = ActionExecutorTracerRegister()
    register.register_tracer(made.tracer)
    yield made
    register.register_tracer(None)


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


async def test_a_sync_is_a_child_of_the_spans_that_the_sdk_began(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of a call over HTTP and gRPC: the server's span, the executor's, and ours."""

    class Executor(ActionExecutor):  # type: ignore[misc]
        """One of its own, so that no other test is traced."""

    instrumentation.instrument(traced.provider, action_executor_class=Executor)
    executor = Executor()
    executor.register_action(ActionSyncProfile)
    server, context = utils.get_tracer_and_context("create_app.webhook", traced.provider, None)
    body = {
        "next_action": "action_sync_profile",
        "tracker": {
            "sender_id": "c", "slots": empty_slots(), "events": timed(user(), slot("name", "Ann")),
            "latest_message": {}, "paused": False, "followup_action": None, "active_loop": {},
            "latest_action_name": None,
        },
        "domain": DOMAIN,
    }  # fmt: skip
    with server.start_as_current_span("create_app.webhook", context=context):
        await executor.run(body)
    webhook, ran = traced.one("create_app.webhook"), traced.one("Executor.run")
    sync = traced.one(tracing.SYNC)
    assert parent_of(ran) == webhook.context.span_id
    assert parent_of(sync) == ran.context.span_id
    assert sync.context.trace_id == webhook.context.trace_id
    assert dict(sync.attributes or {}) == {
        "profile_store.action": "action_sync_profile",
        "profile_store.writes": 1,
        "profile_store.releases": 0,
        "profile_store.refused": 0,
        "profile_store.slots": 1,
    }


async def test_a_hydration_tells_how_many_slots_it_filled_and_recovered(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("sdk"):
        await run(ActionSyncProfile, fresh(user(), slot("name", "Ann"), routing_reset()))
    hydrated = traced.one(tracing.HYDRATE)
    assert dict(hydrated.attributes or {}) == {
        "profile_store.action": "action_sync_profile",
        "profile_store.hydrated": 1,
        "profile_store.recovered": 1,
    }


async def test_a_batch_is_linked_to_the_calls_that_it_served(traced: Traced) -> None:
    async def call(number: int) -> int:
        with traced.tracer.start_as_current_span("sdk"):
            await said(user(), slot("name", "Ann"), user_id=f"user-{number}")
        return number

    await asyncio.gather(*(call(number) for number in range(5)))
    batches = traced.spans[tracing.BATCH]
    links = {link.context.span_id for batch in batches for link in batch.links}
    assert links == {span.context.span_id for span in traced.spans[tracing.SYNC]}
    assert all(parent_of(batch) is None for batch in batches)
    assert sum((batch.attributes or {})["profile_store.calls"] for batch in batches) == 5  # type: ignore[misc]
    for batch in batches:
        assert batch.start_time is not None
        assert batch.end_time is not None
        assert batch.start_time <= batch.end_time


async def test_an_outage_marks_the_span_with_its_kind_alone(traced: Traced, outage: Any) -> None:
    with traced.tracer.start_as_current_span("sdk"):
        await run(ActionSyncProfile, tracker(user()))
        await run(ActionForgetProfile, tracker(user()))
    for span in (*traced.spans[tracing.SYNC], traced.one(tracing.FORGET)):
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "unavailable"
        assert not span.events


async def test_linking_and_forgetting_have_spans(traced: Traced) -> None:
    await said(user(), slot("name", "Ann"))
    known = user(metadata={"user_id": "ann"})
    with traced.tracer.start_as_current_span("sdk"):
        await run(ActionSyncProfile, tracker(user(), known, user_id="ann"))
        await run(ActionForgetProfile, tracker(user(), user_id="ann"))
    assert parent_of(traced.one(tracing.LINK)) == traced.one(tracing.SYNC).context.span_id
    assert traced.one(tracing.FORGET)


async def test_no_span_tells_anything_of_a_user(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("sdk"):
        await said(
            user("SECRET"), slot("name", "SECRET"), slot("tier", ["SECRET"]),
            sender_id="SECRET", user_id="SECRET-user",
        )  # fmt: skip
    told = [span.to_json() for spans in traced.spans.values() for span in spans]
    assert set(traced.spans) >= {tracing.SYNC, tracing.BATCH}
    assert not [span for span in told if "SECRET" in span]


async def test_where_nobody_traces_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a tracer was asked for")

    monkeypatch.setattr(tracing, "_tracer", refuse)
    await said(user(), slot("name", "Ann"))


async def test_a_span_that_is_not_sampled_gets_no_children(traced: Traced) -> None:
    await said(user(), slot("name", "Ann"))
    assert traced.spans == {}, "there was no span to be a child of"


def test_where_the_tracer_is_nobodys_a_batch_is_not_recorded() -> None:
    with TracerProvider().get_tracer("x").start_as_current_span("sdk"):
        assert tracing.span(tracing.SYNC) is tracing.span(tracing.SYNC), "one that does nothing"
        context = tracing.current()
    assert context is not None
    tracing.record(Batch(1, 0, 0.0, 0.1, [context]), [context])
