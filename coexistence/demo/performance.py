"""The whole demo: opening, server, scenes, closing."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from rich.console import Console

from coexistence.demo import server
from coexistence.demo.assistant import Assistant, Played
from coexistence.demo.domain import RASA_ALONE, WITH_PROFILE_STORE
from coexistence.demo.errors import DemoFailed
from coexistence.demo.screen import Screen
from coexistence.demo.story import LENGTH_SECONDS, SCENES

OPENING_SECONDS = 2.5
HEADING_SECONDS = 1.6
SCENE_SECONDS = 2.8

Pause = Callable[[float], None]


def no_pause(_: float) -> None:
    """Go on at once."""


def play(console: Console, pause: Pause = time.sleep) -> None:
    """Play the demo on a console, with pauses (in seconds) for people to read.

    Raises:
        DemoFailed: when the action server does not start or fails.
    """
    if os.name != "posix":
        raise DemoFailed("it needs Linux, macOS or WSL.")
    # Python finds the temporary folder by making a file there: not while Ctrl-C is to be expected.
    tempfile.gettempdir()
    screen = Screen(console)
    screen.opening()
    screen.starting()
    with _ended_by_signals(), server.running() as actions:
        screen.started(actions)
        pause(OPENING_SECONDS)
        began = time.time() - LENGTH_SECONDS
        alone = Assistant(RASA_ALONE, actions, began)
        stored = Assistant(WITH_PROFILE_STORE, actions, began)
        played: list[tuple[Played, Played]] = []
        for number, scene in enumerate(SCENES, 1):
            screen.heading(number, scene)
            pause(HEADING_SECONDS)
            scene.play(alone)
            scene.play(stored)
            played.append((alone.take(), stored.take()))
            screen.scene(*played[-1])
            pause(SCENE_SECONDS)
        screen.closing([one for one, _ in played], [other for _, other in played])


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a closed terminal or a plain `kill` end the demo as an error does: the server with it."""
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
