"""The demo's action server: `python -m rasa_sdk`, in a temporary folder, ended with the demo."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from coexistence.demo.domain import INCLUDED
from coexistence.demo.errors import DemoFailed
from coexistence.testing.domain import Domain
from coexistence.testing.errors import ServerFailed
from coexistence.testing.runners import OK, OverHTTP, ask
from coexistence.testing.server import HOST, serve

CALL_SECONDS = 30.0
RASA_VERSION = "3.21.0"


class Answer(NamedTuple):
    """What the server answered to an action call, with the HTTP status and the seconds it took."""

    status: int
    seconds: float
    events: list[dict[str, Any]]
    responses: list[dict[str, Any]]


class ActionServer(NamedTuple):
    """A running action server, called as Rasa calls it."""

    port: int
    start_seconds: float

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def call(self, action: str, tracker: dict[str, Any], domain: dict[str, Any]) -> Answer:
        """Call an action: at first without the domain, again with it when the server says 449.

        Raises:
            DemoFailed: when the server does not answer, or with an error.
        """
        body = {
            "next_action": action,
            "sender_id": tracker["sender_id"],
            "tracker": tracker,
            "version": RASA_VERSION,
        }
        began = time.perf_counter()
        answer = ask(OverHTTP(self.url, timeout=CALL_SECONDS), body, Domain(domain))
        if answer.status is None:
            raise DemoFailed(
                f"the action server did not answer {action} ({answer.error!r})."
            ) from answer.error
        if answer.status != OK:
            raise DemoFailed(f"the action server answered {action} with status {answer.status}.")
        seconds = time.perf_counter() - began
        return Answer(OK, seconds, answer.body["events"], answer.body["responses"])


@contextlib.contextmanager
def running() -> Iterator[ActionServer]:
    """Start an action server on a free loopback port, and end it with all that it left.

    Raises:
        DemoFailed: when it does not start.
    """
    settings = {"namespace": "demo", "shared_slots": {"include": list(INCLUDED)}}
    began = time.perf_counter()
    with contextlib.ExitStack() as opened:
        try:
            url = opened.enter_context(serve("coexistence.demo.skills", settings=settings))
        except ServerFailed as error:
            raise DemoFailed(str(error)) from error
        yield ActionServer(int(url.rpartition(":")[2]), time.perf_counter() - began)
