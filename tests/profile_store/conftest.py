"""What tests of the store share: a store on each database, and a user nobody else has."""

from __future__ import annotations

import os

import pytest

from profile_store import ProfileKey, ProfileStore
from profile_store.endpoints import ENV_PREFIX
from tests.conftest import OpenStore


@pytest.fixture(autouse=True)
def no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(ENV_PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def store(open_store: OpenStore) -> ProfileStore:
    """A store on each database in turn, seen through the interface that all stores have."""
    return open_store()


@pytest.fixture
def ann() -> ProfileKey:
    return ProfileKey("bank", "ann")


@pytest.fixture
def bob() -> ProfileKey:
    return ProfileKey("bank", "bob")
