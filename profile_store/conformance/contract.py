"""What the tests stand on: the stores that they open, two users, and what a store may lack."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from profile_store import ProfileKey, ProfileStore
from profile_store.endpoints import ENV_PREFIX

OpenStore = Callable[..., ProfileStore]
Keep = Callable[[ProfileStore], ProfileStore]

LACKS = ("no_second_store", "no_reopening", "no_limits", "no_retention", "no_outage")


class Contract:
    """Tests of one store. A class attribute that tells what is lacking is the reason in words."""

    no_second_store: ClassVar[str] = ""
    """Why two stores cannot be opened on one database, as two processes have them."""

    no_reopening: ClassVar[str] = ""
    """Why a store that was closed leaves nothing for another to find."""

    no_limits: ClassVar[str] = ""
    """Why `max_value_bytes` and `max_slots` cannot be set."""

    no_retention: ClassVar[str] = ""
    """Why `retention` cannot be set."""

    no_outage: ClassVar[str] = ""
    """Why there is no database that could be out of reach."""

    model_runs: ClassVar[int] = 25
    """How many random histories, of 20 steps each, are compared with the model."""

    ordering_runs: ClassVar[int] = 40
    """How many random sets of writes arrive, each in two random orders."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in LACKS:
            if not isinstance(getattr(cls, name), str):
                raise TypeError(
                    f"{cls.__name__}.{name} must say in words why; "
                    "it is the reason that skipped tests are reported with."
                )

    def open_store(self, database: Any, **limits: Any) -> ProfileStore:
        """Return a new store on a test's database; the kit closes it.

        `limits` are `max_value_bytes`, `max_slots` and `retention` as settings have them, the
        defaults where they are not given.
        """
        raise NotImplementedError(f"Define {type(self).__name__}.open_store(self, database).")

    def open_unreachable_store(self, database: Any) -> ProfileStore:
        """Return a new store on a database that is out of reach; the kit closes it."""
        raise NotImplementedError(
            f"Define {type(self).__name__}.open_unreachable_store(self, database), "
            "or say in no_outage why there is none."
        )

    @pytest.fixture(autouse=True)
    def without_the_developers_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Unset what would win over `open_store`: it may name a database that is in use."""
        for name in list(os.environ):
            if name.startswith(ENV_PREFIX):
                monkeypatch.delenv(name)

    @pytest.fixture
    def database(self, tmp_path: Path) -> Any:
        """What stores are opened on: empty for each test; a folder unless overridden."""
        return tmp_path

    @pytest.fixture
    def kept(self, database: Any) -> Iterator[Keep]:
        """Keep a store until the test ends, then close it, before the database is gone."""
        with contextlib.ExitStack() as stores:

            def keep(store: ProfileStore) -> ProfileStore:
                stores.callback(store.close)
                return store

            yield keep

    @pytest.fixture
    def store(self, database: Any, kept: Keep) -> ProfileStore:
        """One store."""
        return kept(self.open_store(database))

    @pytest.fixture
    def another_store(self, store: ProfileStore, database: Any, kept: Keep) -> ProfileStore:
        """A second store on the database of the first, as another process has it."""
        self._need("no_second_store")
        return kept(self.open_store(database))

    @pytest.fixture
    def two_writers(
        self, store: ProfileStore, request: pytest.FixtureRequest
    ) -> tuple[ProfileStore, ProfileStore]:
        """Two stores on one database; one store twice where there cannot be two."""
        if self.no_second_store:
            return store, store
        return store, request.getfixturevalue("another_store")

    @pytest.fixture
    def open_again(self, database: Any, kept: Keep) -> OpenStore:
        """Open a store on a database that another store has left."""
        self._need("no_reopening")
        return lambda: kept(self.open_store(database))

    @pytest.fixture
    def open_limited(self, database: Any, kept: Keep) -> OpenStore:
        """Open a store with a `max_value_bytes` or `max_slots` of the test's own."""
        self._need("no_limits")
        return lambda **limits: kept(self.open_store(database, **limits))

    @pytest.fixture
    def open_for_a_time(self, database: Any, kept: Keep) -> OpenStore:
        """Open a store with a `retention` of the test's own."""
        self._need("no_retention")

        def open_store(retention: dict[str, Any], **limits: int) -> ProfileStore:
            if limits:
                self._need("no_limits")
            return kept(self.open_store(database, retention=retention, **limits))

        return open_store

    @pytest.fixture
    def unreachable_store(self, database: Any, kept: Keep) -> ProfileStore:
        """A store whose database is out of reach."""
        self._need("no_outage")
        return kept(self.open_unreachable_store(database))

    @pytest.fixture
    def ann(self) -> ProfileKey:
        """A user."""
        return ProfileKey("bank", "ann")

    @pytest.fixture
    def bob(self) -> ProfileKey:
        """Another user."""
        return ProfileKey("bank", "bob")

    @pytest.fixture
    def phone(self) -> ProfileKey:
        """The anonymous conversation that turns out to be Ann's."""
        return ProfileKey("bank", "phone-1")

    def _need(self, what: str) -> None:
        """Skip the test when the store is said to lack something, with the reason."""
        reason = getattr(self, what)
        if reason:
            pytest.skip(f"{type(self).__name__}.{what}: {reason}")
