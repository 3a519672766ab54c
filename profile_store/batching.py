"""The worker thread: whatever waits is served together, and each caller hears of its own.

Callers may be on any number of event loops, one after the other or at once. The thread starts
with the first call and serves one process: a fork starts its own.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from profile_store import errors, forks
from profile_store.metering import Batch, Observer

Request = TypeVar("Request")

_GO_ON, _END = True, False


class Call(Generic[Request]):
    """One caller's request, and where its answer goes."""

    __slots__ = ("answer", "context", "failure", "future", "gathering", "request")

    def __init__(self, request: Request, gathering: Gathering[Request]) -> None:
        self.request = request
        self.gathering = gathering
        self.future: asyncio.Future[Any] = gathering.loop.create_future()
        self.answer: Any = None
        self.failure: BaseException | None = None
        self.context: Any = None


class Gathering(Generic[Request]):
    """The calls of a few turns of an event loop: handed over and timed together.

    Were the worker woken for the first of them, it would fight the loop for Python's lock while
    the loop still has work, and serve small batches. They are handed over with the first turn
    that adds none, which for a call that comes alone is the next.
    """

    __slots__ = ("calls", "deadline", "loop", "timer", "unanswered")

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self.loop = loop
        self.calls: list[Call[Request]] = []
        self.unanswered = 0
        self.deadline = time.monotonic() + timeout
        self.timer = loop.call_later(timeout, self._expire, timeout)

    def add(self, request: Request) -> Call[Request]:
        call = Call(request, self)
        self.calls.append(call)
        self.unanswered += 1
        return call

    def answered(self) -> None:
        self.unanswered -= 1
        if not self.unanswered:
            self.timer.cancel()

    def _expire(self, timeout: float) -> None:
        for call in self.calls:
            if not call.future.done():
                call.future.set_exception(
                    errors.StoreTimeout(
                        f"The database did not answer within {timeout:g} seconds "
                        "(profile_store.timeout); look at its load and its locks."
                    )
                )


class Batcher(Generic[Request]):
    """Runs `serve(calls)` in one thread for all the calls that wait, at most `batch_size` at once.

    `serve` sets `answer` or `failure` on each call. `closed` runs in the thread as
    its last act. `between` runs there before each batch, and again when nothing has come after as
    many seconds as it returned. Deadlines are seconds of `time.monotonic`; a call that is past its
    own when its turn comes is not served. An `observer` hears of batches and of what waits.

    Raises:
        StoreBusy: when `queue_size` calls wait already.
        StoreTimeout: when the answer is not there after `timeout` seconds.
        StoreClosed: after `close`.
    """

    def __init__(
        self,
        serve: Callable[[Sequence[Call[Request]]], None],
        *,
        closed: Callable[[], None],
        queue_size: int,
        batch_size: int,
        timeout: float,
        between: Callable[[], float | None] | None = None,
    ) -> None:
        self.observer: Observer | None = None
        self._between = between
        self._serve = serve
        self._closed = closed
        self._queue_size = queue_size
        self._batch_size = batch_size
        self._timeout = timeout
        self.renew_locks()
        forks.renew_locks_of(self)
        self._process: int | None = None
        self._thread: threading.Thread | None = None
        self._waiting: deque[Call[Request]] = deque()
        self._woken: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._gathered: WeakKeyDictionary[asyncio.AbstractEventLoop, Gathering[Request]] = (
            WeakKeyDictionary()
        )
        self._is_closed = False

    def renew_locks(self) -> None:
        """Take a new lock, which nobody holds."""
        self._starting = threading.Lock()

    def _is_running(self) -> bool:
        thread = self._thread
        return self._process == os.getpid() and thread is not None and thread.is_alive()

    async def submit(self, request: Request) -> Any:
        """Return the answer to a request, served together with whatever else waits."""
        if self._is_closed:
            raise errors.StoreClosed("The profile store is closed; make a new one.")
        if not self._is_running():
            self._start()
        loop = asyncio.get_running_loop()
        gathering = self._gathered.get(loop)
        gathered = len(gathering.calls) if gathering is not None else 0
        if len(self._waiting) + gathered >= self._queue_size:
            raise errors.StoreBusy(
                f"{self._queue_size} calls wait for the database already; "
                "it is slower than its load: raise profile_store.queue_size or give it more."
            )
        if gathering is None:
            gathering = self._gathered[loop] = Gathering(loop, self._timeout)
            loop.call_soon(self._gather, loop, 0)
        call = gathering.add(request)
        if self.observer is not None:
            call.context = self.observer.context()
        return await call.future

    def _gather(self, loop: asyncio.AbstractEventLoop, before: int) -> None:
        gathering = self._gathered.get(loop)
        now = len(gathering.calls) if gathering is not None else 0
        if before < now < self._batch_size:
            loop.call_soon(self._gather, loop, now)
        else:
            self._hand_over(loop)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        gathering = self._gathered.pop(loop, None)
        if gathering is not None:
            self._waiting.extend(gathering.calls)
            self._woken.put(_GO_ON)  # once for all of them: each time it would fight for the lock
        if self.observer is not None:
            self.observer.queued(len(self._waiting))

    def close(self) -> None:
        """Serve what waits, end the thread and wait for it. A second call does nothing."""
        with self._starting:
            self._is_closed = True
            thread, self._thread = self._thread, None
        for loop in list(self._gathered):
            self._hand_over(loop)
        if thread is not None and self._process == os.getpid():
            self._woken.put(_END)
            thread.join(timeout=self._timeout * 2)

    def _start(self) -> None:
        with self._starting:
            if self._is_running() or self._is_closed:
                return
            if self._process != os.getpid():
                # After a fork the thread and whatever waited stayed with the parent.
                self._waiting = deque()
                self._woken = queue.SimpleQueue()
                self._gathered = WeakKeyDictionary()
            self._thread = threading.Thread(
                target=self._run,
                args=(self._waiting, self._woken),
                name="profile-store",
                daemon=True,
            )
            self._process = os.getpid()
            self._thread.start()

    def _run(self, waiting: deque[Call[Request]], woken: queue.SimpleQueue[bool]) -> None:
        try:
            goes_on = True
            while goes_on:
                goes_on = self._next(woken)
                while waiting:
                    most = min(len(waiting), self._batch_size)
                    self._answer([waiting.popleft() for _ in range(most)])
        finally:
            self._closed()

    def _next(self, woken: queue.SimpleQueue[bool]) -> bool:
        if self._between is None:
            return woken.get()
        while True:
            try:
                return woken.get(timeout=self._between())
            except queue.Empty:
                continue

    def _answer(self, calls: list[Call[Request]]) -> None:
        now = time.monotonic()
        current = [call for call in calls if call.gathering.deadline > now]
        observer = self.observer
        began = 0.0 if observer is None else time.time()
        try:
            if current:
                self._serve(current)
        except Exception as error:  # noqa: BLE001 - whatever it is, every caller must hear of it
            for call in current:
                if call.answer is None and call.failure is None:
                    call.failure = error
        if observer is not None:
            took = time.monotonic() - now
            contexts = [call.context for call in current]
            observer.served(Batch(len(current), len(self._waiting), began, took, contexts))
        by_loop: dict[asyncio.AbstractEventLoop, list[Call[Request]]] = {}
        for call in current:
            by_loop.setdefault(call.gathering.loop, []).append(call)
        for loop, answered in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, answered)
            except RuntimeError:
                continue  # that loop has been closed; nobody waits there any more


def _resolve(calls: Sequence[Call[Any]]) -> None:
    for call in calls:
        call.gathering.answered()
        if call.future.done():
            continue
        if call.failure is not None:
            call.future.set_exception(call.failure)
        else:
            call.future.set_result(call.answer)
