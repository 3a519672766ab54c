"""gRPC load, in a process of its own: finished messages, but for the user and the times."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
import sys
import time
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict
from rasa_sdk.grpc_py import action_webhook_pb2 as messages

from benchmarks import bodies, load

METHOD = "/action_server_webhook.ActionService/Webhook"
_FIRST = bodies.user(0).encode()
_TIME = struct.pack("<d", bodies.TIME)


def message(call: dict[str, Any]) -> bytes:
    """Return a call as Rasa's gRPC client makes it, for the first user."""
    filled = json.loads(json.dumps(call).replace(bodies.USER, bodies.user(0)))
    made: bytes = ParseDict(
        filled, messages.WebhookRequest(), ignore_unknown_fields=True
    ).SerializeToString()
    return made


async def send(
    address: str, call: dict[str, Any], seconds: float, connections: int, users: int, start: float
) -> load.Load:
    """Return the figures of one round."""
    template = message(call)
    numbers = itertools.count(1)
    latencies: list[float] = []
    errors = 0

    async def connection(end: float) -> None:
        nonlocal errors
        # a connection each, as many Rasa servers have
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(address, options) as channel:
            method = channel.unary_unary(METHOD)
            while time.perf_counter() < end:
                number = next(numbers)
                user = bodies.user(number % users).encode()
                now = struct.pack("<d", start + number * 0.001)
                request = template.replace(_FIRST, user).replace(_TIME, now)
                before = time.perf_counter()
                try:
                    await method(request)
                except grpc.aio.AioRpcError:
                    errors += 1
                latencies.append(time.perf_counter() - before)

    began = time.perf_counter()
    await asyncio.gather(*(connection(began + seconds) for _ in range(connections)))
    return load.measured(latencies, time.perf_counter() - began, errors)


if __name__ == "__main__":
    address, seconds, connections, users, start = sys.argv[1:]
    found = asyncio.run(
        send(
            address, json.load(sys.stdin), float(seconds), int(connections), int(users),
            float(start),
        )
    )  # fmt: skip
    print(json.dumps(found._asdict()))
