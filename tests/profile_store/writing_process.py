"""A process of conversations that all write to one user's profile; run by test_two_processes.

It prints `ready`, waits for a line on its standard input, and prints each acknowledged write as a
line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys

from profile_store import ProfileKey, SlotWrite, SQLProfileStore, StoreSettings, StoreUnavailable

CONVERSATIONS = 32
SLOTS = 8
TIMES = 200
"""Few, so that the two processes write to one slot at one time, too."""


async def converse(
    store: SQLProfileStore, key: ProfileKey, name: str, writes: int, draw: random.Random
) -> None:
    for number in range(writes):
        write = SlotWrite(
            f"slot {draw.randrange(SLOTS)}", f"{name}, {number}", float(draw.randrange(1, TIMES))
        )
        try:
            await store.store(key, [write])
        except StoreUnavailable:
            continue
        print(json.dumps([write.slot, write.value, write.written_at]))  # noqa: T201


async def main(url: str, process: str, writes: int) -> None:
    store = SQLProfileStore(StoreSettings(url=url, timeout=120))
    key = ProfileKey("bank", "ann")
    await store.fetch(key)
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    shares = [
        writes // CONVERSATIONS + (number < writes % CONVERSATIONS)
        for number in range(CONVERSATIONS)
    ]
    await asyncio.gather(
        *(
            converse(store, key, f"{process}.{number}", share, random.Random(f"{process}.{number}"))
            for number, share in enumerate(shares)
        )
    )
    store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
