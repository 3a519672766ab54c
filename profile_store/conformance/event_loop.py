"""Tests that run their own event loop: no plug-in of pytest's need know that they are coroutines.

So they run the same where pytest-asyncio or anyio is installed, in whatever mode, and where not.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Tests = TypeVar("Tests", bound=type)


def run(call: Coroutine[Any, Any, Answer]) -> Answer:
    """Return what a coroutine comes to, in an event loop of its own that is closed after it."""
    # asyncio.run would leave the thread without an event loop, which other tests may rely on
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(call)
    finally:
        loop.run_until_complete(_leave(loop))
        loop.close()


async def _leave(loop: asyncio.AbstractEventLoop) -> None:
    """End what a test that failed has left undone."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def in_own_event_loop(tests: Tests) -> Tests:
    """Turn the coroutine functions among a class's tests into plain ones."""
    for name, member in list(vars(tests).items()):
        if name.startswith("test_") and inspect.iscoroutinefunction(member):
            setattr(tests, name, _plain(member))
    return tests


def _plain(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)  # pytest reads the fixtures' names from what it wraps
    def plain(*arguments: Any, **fixtures: Any) -> None:
        __tracebackhide__ = True
        run(test(*arguments, **fixtures))

    return plain
