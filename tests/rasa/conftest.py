"""One Rasa for all tests here; each has its own action server, on the port that Rasa calls."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rasa import assistant, environment, rasa_server, scripted_actions
from tests.rasa.rasa_server import RasaServer
from tests.rasa.scripted_actions import ScriptedActions
from tests.server.action_server import ActionServer, free_port

ServeActions = Callable[..., ActionServer]


@pytest.fixture(scope="session")
def action_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def derived(tmp_path_factory: pytest.TempPathFactory) -> assistant.Assistant:
    python = environment.python_3_10()
    if python is None:
        pytest.skip(environment.NO_PYTHON)
    environment.install(python)
    folder = tmp_path_factory.mktemp("assistant")
    assistant.derive(folder)
    return assistant.train(folder)


@pytest.fixture(scope="session")
def rasa(
    derived: assistant.Assistant, action_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RasaServer]:
    with rasa_server.running(derived, action_port, tmp_path_factory.mktemp("rasa")) as server:
        yield server


@pytest.fixture
def serve_actions(
    derived: assistant.Assistant, action_port: int, tmp_path: Path
) -> Iterator[ServeActions]:
    """Start the action server on a database, SQLite unless a URL says otherwise."""
    with contextlib.ExitStack() as stack:

        def serve(url: str | None = None, **env: str) -> ActionServer:
            server = ActionServer(
                tmp_path,
                env={
                    "PROFILE_STORE_ENDPOINTS": str(derived.folder / "endpoints.yml"),
                    "PROFILE_STORE_URL": url or f"sqlite:///{tmp_path / 'profiles.db'}",
                    **env,
                },
            )
            server.port = action_port
            server.url = f"http://127.0.0.1:{action_port}"
            return stack.enter_context(server)

        yield serve


@pytest.fixture
def scripted(action_port: int) -> Iterator[ScriptedActions]:
    with scripted_actions.serving(action_port) as actions:
        yield actions


@pytest.fixture
def user() -> str:
    return f"u-{uuid.uuid4().hex}"
