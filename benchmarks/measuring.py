"""What measuring costs, in microseconds: the figures of docs/operations.md.

python -m benchmarks.measuring            # one process, as gRPC and direct execution
python -m benchmarks.measuring shared     # a directory shared by several workers
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TIMES = 50_000
ROUNDS = 7


def microseconds(what: Callable[[], object]) -> float:
    """Return the least that one time took, of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(TIMES):
            what()
        rounds.append((time.perf_counter() - began) / TIMES * 1e6)
    return min(rounds)


def main(folder: Path) -> None:
    """Print the cost of each thing that is measured."""
    # Imported late: the library looks for the directory when it is imported.
    from coexistence import calls, runtime, tracing
    from coexistence.metrics import Meter
    from coexistence.settings import Settings
    from coexistence.telemetry import Telemetry
    from profile_store.metering import Batch

    def call() -> None:
        with calls.Call("action_sync_profile", "conversation"):
            pass

    def span() -> None:
        with tracing.span(tracing.SYNC):
            pass

    for on in (False, True):
        runtime.use(runtime.Runtime(Settings(db=str(folder / "profiles.db"), metrics=on)))
        print(f"a call, metrics {'on' if on else 'off'}: {microseconds(call):.2f} µs")
    meter = Meter()
    telemetry = Telemetry(meter)
    batch = Batch(16, 0, 0.0, 0.01, [None] * 16)
    for name, what in (
        ("slots hydrated and recovered", lambda: meter.hydrated("action_sync_profile", 5, 1)),
        ("a batch", lambda: telemetry.served(batch)),
        ("calls handed to the worker", lambda: telemetry.queued(3)),
        ("values stored", lambda: telemetry.stored(3)),
        ("a span that nobody records", span),
    ):
        print(f"{name}: {microseconds(what):.2f} µs")
    runtime.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        if "shared" in sys.argv:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = made
        main(Path(made))
