"""Opening the store that the settings name, and one line that says why it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from profile_store import (
    InvalidSettings,
    ProfileKey,
    SlotWrite,
    SQLProfileStore,
    StoreSettings,
    engine,
    migrate,
    opening,
    settings,
)
from tests.profile_store.memory_store import MemoryStore

MINE = "tests.profile_store.memory_store.MemoryStore"

STORES = """\
from profile_store import ProfileStore


class HalfAStore(ProfileStore):
    async def health(self):
        pass


class NoStore:
    pass


not_a_class = 5
"""


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module `banks_stores` of somebody's own, and one that needs what is not installed."""
    (tmp_path / "banks_stores.py").write_text(STORES)
    (tmp_path / "banks_redis_store.py").write_text("import no_such_driver\n")
    monkeypatch.syspath_prepend(tmp_path)


def refusal(path: str) -> str:
    with pytest.raises(InvalidSettings) as refused:
        opening.open_store(StoreSettings(type=path))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_sql_is_the_default(tmp_path: Path) -> None:
    store = opening.open_store(StoreSettings(db=str(tmp_path / "profiles.db")))
    assert isinstance(store, SQLProfileStore)
    store.close()


async def test_a_class_of_ones_own_is_made_from_the_settings(ann: ProfileKey) -> None:
    store = opening.open_store(StoreSettings(type=MINE, max_slots=1))
    assert isinstance(store, MemoryStore)
    outcome = await store.store(ann, [SlotWrite("a", 1, 10.0), SlotWrite("b", 1, 10.0)])
    assert dict(outcome.profile) == {"a": 1}


def test_a_store_of_ones_own_may_have_a_url_that_is_not_of_sql() -> None:
    made = settings.make(StoreSettings, {"type": MINE, "url": "redis://db:6379/0"})
    assert made.url == "redis://db:6379/0"


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "no_such_package.stores.Store",
            "no_such_package.stores cannot be imported (No module named 'no_such_package'); "
            "correct it, or install what it needs.",
        ),
        (
            "banks_redis_store.RedisStore",
            "banks_redis_store cannot be imported (No module named 'no_such_driver'); "
            "correct it, or install what it needs.",
        ),
        ("banks_stores.Store", "banks_stores has no class Store; correct it."),
        ("banks_stores.not_a_class", "banks_stores has no class not_a_class; correct it."),
        (
            "banks_stores.NoStore",
            "banks_stores.NoStore is no profile_store.ProfileStore; derive it from that.",
        ),
        (
            "banks_stores.HalfAStore",
            "banks_stores.HalfAStore lacks close, export, forget, history, link, sync; "
            "see docs/stores.md.",
        ),
    ],
)
def test_a_class_that_cannot_be_is_refused_and_the_setting_named(path: str, said: str) -> None:
    assert refusal(path) == f"profile_store.type: {said}"


def test_a_variable_that_set_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_TYPE", "no_such_package.Store")
    assert refusal("SQL").startswith("PROFILE_STORE_TYPE: no_such_package cannot be imported")


@pytest.mark.parametrize("path", ["Store", "stores:Store", "stores.", ".Store", "a b.Store", ""])
def test_what_is_no_path_of_a_class_is_refused(path: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^profile_store\.type: write SQL, or the path of a"):
        settings.make(StoreSettings, {"type": path})


@pytest.mark.parametrize("use", [engine.create_engine, migrate.upgrade, migrate.check_at_start])
def test_tables_are_made_for_sql_only(use: object) -> None:
    assert callable(use)
    with pytest.raises(InvalidSettings, match=f"^profile_store.type: {MINE} looks after its"):
        use(StoreSettings(type=MINE))
