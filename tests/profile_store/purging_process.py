"""A process that purges and says how far it is; run by test_purging, which may kill it."""

from __future__ import annotations

import sys

from profile_store import StoreSettings, purging


def main(url: str) -> None:
    config = StoreSettings(url=url, namespace="bank", retention={"default": "1h"})  # type: ignore[arg-type]
    done = purging.purge(config, lambda now, of: print(now, of, flush=True))  # noqa: T201
    print("purged", *done[:3], flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
