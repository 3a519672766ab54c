"""A server that writes to every profile, round after round; run by test_export, which ends it."""

from __future__ import annotations

import asyncio
import sys

from profile_store import ProfileKey, SlotWrite, SQLProfileStore, StoreSettings


async def count(url: str) -> None:
    store = SQLProfileStore(StoreSettings(url=url, timeout=60))
    for number in range(1, 1_000_000):
        at = 1_700_000_000.0 + number
        writes = [SlotWrite("count", number, at), SlotWrite("same", number, at)]
        keys = [ProfileKey("bank", f"user {user}") for user in range(150)]
        await asyncio.gather(*(store.store(key, writes) for key in keys))
        print(number, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(count(*sys.argv[1:]))
