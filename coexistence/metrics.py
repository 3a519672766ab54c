"""What is counted, for Prometheus: each metric, and the meter that counts.

No label holds anything of a user, and none has more values than an operator can count: outcomes
and kinds are closed sets, actions are those that were called under the name they registered.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from coexistence import failures
from profile_store import InvalidSettings, metering

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

logger = logging.getLogger(__name__)

MOST_ACTIONS = 500
"""Actions that are told apart; a name that an action makes up for each call must fill no memory."""

OTHER_ACTION = "other"

ACTION_RAISED = "action"
IDENTITY = "identity"
EVENTS = "events"
INTERNAL = "internal"
FAILURES = (*metering.FAILURES.values(), metering.OTHER, ACTION_RAISED, IDENTITY, EVENTS, INTERNAL)
"""The kinds of failure: the store's, and those of actions."""

BY_DOMAIN = "domain"
BY_STORE = "store"
REASONS = (BY_DOMAIN, BY_STORE)
"""Who refused a value: the domain, for its type, or the store, for its size or number."""

_CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_BATCH_CALLS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Instruments:
    """The metrics of one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Not before: workers must have been told the directory that they share.
        from prometheus_client import Counter, Gauge, Histogram

        self.calls = Counter(
            "profile_store_calls", "Calls of actions that use the profile.",
            ["action", "outcome"], registry=registry,
        )  # fmt: skip
        self.call_seconds = Histogram(
            "profile_store_call_seconds", "Seconds that a call took, with the action's own work.",
            ["action"], registry=registry, buckets=_CALL_SECONDS,
        )  # fmt: skip
        self.hydrated = Counter(
            "profile_store_slots_hydrated", "Slots that were given a value of the profile.",
            ["action"], registry=registry,
        )  # fmt: skip
        self.recovered = Counter(
            "profile_store_slots_recovered",
            "Slots that were given back the value that a reset took away.",
            ["action"], registry=registry,
        )  # fmt: skip
        self.stored = Counter(
            "profile_store_slots_stored", "Values that were committed and new.", registry=registry
        )
        self.refused = Counter(
            "profile_store_slots_refused", "Slots whose value was not kept.",
            ["reason"], registry=registry,
        )  # fmt: skip
        self.failures = Counter(
            "profile_store_failures", "What went wrong.", ["kind"], registry=registry
        )
        self.batch_calls = Histogram(
            "profile_store_batch_calls", "Calls that one transaction served together.",
            registry=registry, buckets=_BATCH_CALLS,
        )  # fmt: skip
        self.batch_seconds = Histogram(
            "profile_store_batch_seconds", "Seconds that a batch took in the database.",
            registry=registry, buckets=_BATCH_SECONDS,
        )  # fmt: skip
        self.queue_depth = Gauge(
            "profile_store_queue_depth", "Calls that wait for the database, in live workers.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip

        # Known from the start: what begins with 1 has, for Prometheus, not increased.
        for reason in REASONS:
            self.refused.labels(reason)
        for kind in FAILURES:
            self.failures.labels(kind)


@functools.lru_cache(maxsize=1)
def instruments() -> Instruments:
    """Return this process's metrics, in the registry that all its libraries share."""
    from prometheus_client import REGISTRY

    return Instruments(REGISTRY)


_Given = ParamSpec("_Given")


def _harmless(
    measure: Callable[Concatenate[Meter, _Given], None],
) -> Callable[Concatenate[Meter, _Given], None]:
    """Let no failure of measuring, such as a full disk, reach who is measured."""

    @functools.wraps(measure)
    def measured(self: Meter, /, *given: _Given.args, **named: _Given.kwargs) -> None:
        try:
            measure(self, *given, **named)
        except Exception as error:  # noqa: BLE001 - a figure is never worth a conversation
            self.complain(error)

    return measured


class Meter:
    """Counts; what has labels is looked up once for each of their values."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], tuple[Any, Any]] = {}
        self._hydrations: dict[str, tuple[Any, Any]] = {}
        self._actions: set[str] = set()
        self._complained = False

    @_harmless
    def called(self, action: str, outcome: str, seconds: float) -> None:
        """Count a call, which took some seconds."""
        known = self._calls.get((action, outcome))
        if known is None:
            label, all_of_them = self._label(action), instruments()
            known = (
                all_of_them.calls.labels(label, outcome),
                all_of_them.call_seconds.labels(label),
            )
            if label == action:
                self._calls[action, outcome] = known
        known[0].inc()
        known[1].observe(seconds)

    @_harmless
    def hydrated(self, action: str, slots: int, recovered: int) -> None:
        """Count slots that were given a value, and those of them that had lost it to a reset."""
        known = self._hydrations.get(action)
        if known is None:
            label, all_of_them = self._label(action), instruments()
            known = all_of_them.hydrated.labels(label), all_of_them.recovered.labels(label)
            if label == action:
                self._hydrations[action] = known
        known[0].inc(slots)
        if recovered:
            known[1].inc(recovered)

    @_harmless
    def refused(self, reason: str, slots: int) -> None:
        """Count slots whose value was not kept."""
        instruments().refused.labels(reason).inc(slots)

    @_harmless
    def stored(self, slots: int) -> None:
        """Count values that were committed."""
        instruments().stored.inc(slots)

    @_harmless
    def failed(self, kind: str) -> None:
        """Count a failure."""
        instruments().failures.labels(kind).inc()

    @_harmless
    def queued(self, waiting: int) -> None:
        """Note how many calls wait."""
        instruments().queue_depth.set(waiting)

    @_harmless
    def served(self, batch: metering.Batch) -> None:
        """Count a batch."""
        instruments().queue_depth.set(batch.waiting)
        if batch.calls:
            instruments().batch_calls.observe(batch.calls)
            instruments().batch_seconds.observe(batch.seconds)

    def _label(self, action: str) -> str:
        if action not in self._actions:
            if len(self._actions) >= MOST_ACTIONS:
                return OTHER_ACTION
            self._actions.add(action)
        return action

    def complain(self, error: Exception) -> None:
        """Log, once, that something is not measured."""
        if not self._complained:
            self._complained = True
            failures.log(logger, "Metrics are incomplete", error)


def make(wanted: bool) -> Meter | None:
    """Return a meter if one is wanted.

    Raises:
        profile_store.InvalidSettings: when what it takes is not installed.
    """
    if not wanted:
        return None
    if importlib.util.find_spec("prometheus_client") is None:
        raise InvalidSettings(
            "profile_store.metrics: prometheus-client is not installed; "
            "run: pip install 'rasa-coexistence[metrics]'"
        )
    return Meter()
