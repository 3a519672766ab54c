"""A plain HTTP load client, run as a process of its own where `wrk` is not installed."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from urllib.parse import urlsplit

from benchmarks import bodies, load


async def send(
    url: str, pieces: list[str], seconds: float, connections: int, users: int, start: float
) -> load.Load:
    """Return the figures of one round."""
    address = urlsplit(url)
    numbers = itertools.count(1)
    latencies: list[float] = []
    errors = 0
    end = time.perf_counter() + seconds

    def request() -> bytes:
        number = next(numbers)
        filled = {
            bodies.USER: bodies.user(number % users),
            "@time@": f"{start + number * 0.001:.6f}",
        }
        body = "".join(filled.get(piece, piece) for piece in pieces).encode()
        head = (
            f"POST /webhook HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def connection() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while time.perf_counter() < end:
            before = time.perf_counter()
            writer.write(request())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - before)
            errors += not head.startswith(b"http/1.1 200")
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(connections)))
    return load.measured(latencies, time.perf_counter() - began, errors)


if __name__ == "__main__":
    url, seconds, connections, users, start = sys.argv[1:]
    found = asyncio.run(
        send(url, json.load(sys.stdin), float(seconds), int(connections), int(users), float(start))
    )
    print(json.dumps(found._asdict()))
