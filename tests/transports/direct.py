"""Rasa's direct execution, in a process of its own: calls come as lines, each in a fresh loop."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any

from rasa_sdk.executor import ActionExecutor


async def answer(executor: ActionExecutor, request: dict[str, Any]) -> dict[str, Any]:
    running = asyncio.ensure_future(executor.run(request["call"]))
    if "cancel_after" in request:
        await asyncio.sleep(request["cancel_after"])
        running.cancel()
    try:
        result = await running
    except asyncio.CancelledError:
        return {"raised": "CancelledError", "message": ""}
    except Exception as error:  # noqa: BLE001 - told to the test, whatever it is
        return {"raised": type(error).__name__, "message": str(error)}
    return {"result": result.model_dump() if result else None}


def main() -> None:
    executor = ActionExecutor()
    executor.register_package("actions")
    sys.stderr.write("ready\n")
    for line in sys.stdin:
        told = asyncio.run(answer(executor, json.loads(line)))
        told["threads"] = [thread.name for thread in threading.enumerate()]
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


main()
