"""A running action server, or executor, for each way that Rasa has to call one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.transports.ways import STREAMS, WAYS, going

needs_streams = pytest.mark.skipif(not STREAMS, reason="this rasa-sdk has no WebhookStream")
ALL = [pytest.param(way, marks=needs_streams if way == "streaming" else ()) for way in WAYS]


@pytest.fixture(scope="module", params=ALL)
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def rasa(way: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Call actions as Rasa does, in one way after the other; the database waits for one second."""
    folder = tmp_path_factory.mktemp(way)
    with going(way, folder, PROFILE_STORE_TIMEOUT="1") as running:
        running.folder = folder
        yield running
