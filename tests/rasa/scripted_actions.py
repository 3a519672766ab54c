"""An action server whose answers a test writes, to see what Rasa itself makes of them."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Call = dict[str, Any]
Event = dict[str, Any]


class Answer:
    """What to answer one action: events and messages, or an HTTP error."""

    def __init__(self, *events: Event, say: str | None = None, status: int = 200) -> None:
        self.events = list(events)
        self.responses = [] if say is None else [{"text": say}]
        self.status = status


class ScriptedActions:
    """Answers each action as the script says, an unscripted one with nothing; keeps the calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: dict[str, Answer | Callable[[Call], Answer]] = {}

    def named(self, action: str) -> list[Call]:
        """Return the calls of one action, in their order."""
        return [call for call in self.calls if call["next_action"] == action]

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        scripted = self.script.get(call["next_action"], Answer())
        return scripted(call) if callable(scripted) else scripted


@contextlib.contextmanager
def serving(port: int) -> Iterator[ScriptedActions]:
    """Serve scripted actions on a port until the block ends."""
    actions = ScriptedActions()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = actions.answer(json.loads(body))
            content = json.dumps({"events": answer.events, "responses": answer.responses}).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield actions
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
