"""What the store tells of its work, handed on to the meter and the tracer."""

from __future__ import annotations

from typing import Any

from coexistence import tracing
from coexistence.metrics import Meter
from profile_store import ProfileStoreError, metering


class Telemetry:
    """The store's observer; see `profile_store.metering.Observer`."""

    def __init__(self, meter: Meter | None) -> None:
        self._meter = meter

    def context(self) -> Any:
        return tracing.current()

    def queued(self, waiting: int) -> None:
        if self._meter is not None:
            self._meter.queued(waiting)

    def served(self, batch: metering.Batch) -> None:
        if self._meter is not None:
            self._meter.served(batch)
        links = [context for context in batch.contexts if context is not None]
        if links:
            tracing.record(batch, links)

    def stored(self, slots: int) -> None:
        if self._meter is not None:
            self._meter.stored(slots)

    def failed(self, error: ProfileStoreError) -> None:
        if self._meter is not None:
            self._meter.failed(metering.kind(error))
