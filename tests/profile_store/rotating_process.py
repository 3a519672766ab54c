"""A process that rotates keys and says how far it is; run by test_rotation, which may kill it."""

from __future__ import annotations

import sys

from profile_store import StoreSettings, rotation


def main(url: str, keys: str) -> None:
    def progress(done: int, total: int) -> None:
        print(done, total, flush=True)  # noqa: T201

    done = rotation.rotate(StoreSettings(url=url, encryption_keys=keys), progress)
    print("resealed", done.resealed, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
