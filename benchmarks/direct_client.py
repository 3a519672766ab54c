"""Direct execution, in a process of its own: calls from the loop that runs the actions, as in Rasa.

Rasa makes the call's tracker anew each time; that is Rasa's own work, and is not measured.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import sys
import time
from typing import Any

from rasa_sdk.executor import ActionExecutor

from benchmarks import bodies, load


async def send(
    executor: ActionExecutor,
    call: dict[str, Any],
    seconds: float,
    connections: int,
    users: int,
    start: float,
) -> load.Load:
    """Return the figures of one round."""
    calls = [json.loads(bodies.filled(call, number, bodies.TIME)) for number in range(users)]
    said = [
        [event for event in made["tracker"]["events"] if event["timestamp"] == bodies.TIME]
        for made in calls
    ]
    numbers = itertools.count(1)
    latencies: list[float] = []

    async def conversation(end: float) -> None:
        while time.perf_counter() < end:
            number = next(numbers)
            for event in said[number % users]:
                event["timestamp"] = start + number * 0.001
            before = time.perf_counter()
            result = await executor.run(calls[number % users])
            assert result is not None
            result.model_dump()
            latencies.append(time.perf_counter() - before)
            await asyncio.sleep(0)

    began = time.perf_counter()
    await asyncio.gather(*(conversation(began + seconds) for _ in range(connections)))
    return load.measured(latencies, time.perf_counter() - began, 0)


if __name__ == "__main__":
    package, seconds, connections, users, start = sys.argv[1:]
    logging.disable(logging.INFO)
    made = ActionExecutor()
    made.register_package(package)
    found = asyncio.run(
        send(made, json.load(sys.stdin), float(seconds), int(connections), int(users), float(start))
    )
    print(json.dumps(found._asdict()))
