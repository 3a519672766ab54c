"""A private runtime for each test: settings, and a store on a fresh SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coexistence import runtime
from coexistence.routing import rasa_version
from coexistence.runtime import Runtime
from coexistence.settings import Settings

UseSettings = Callable[..., Runtime]


@pytest.fixture
def use_settings(tmp_path: Path) -> Iterator[UseSettings]:
    """Put a runtime with some settings in place, on one SQLite file a test."""

    def use(**options: Any) -> Runtime:
        made = Runtime(Settings(**{"db": str(tmp_path / "profiles.db"), **options}))
        runtime.use(made)
        return made

    yield use
    runtime.use(None)


@pytest.fixture(autouse=True)
def private_runtime(use_settings: UseSettings) -> Runtime:
    return use_settings()


@pytest.fixture
def outage(use_settings: UseSettings, tmp_path: Path) -> Runtime:
    """Stand in for a database that cannot be reached: a file in a folder that is not there."""
    return use_settings(db=str(tmp_path / "nowhere" / "profiles.db"))


@pytest.fixture(params=["3.21.0"])
def rasa(request: pytest.FixtureRequest) -> Iterator[str]:
    """The version that Rasa says it is."""
    token = rasa_version.set(request.param)
    yield request.param
    rasa_version.reset(token)
