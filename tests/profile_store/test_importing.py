"""Importing: an export brings all of a profile back, and merges like any other writes."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profile_store import (
    ProfileKey,
    Release,
    SlotWrite,
    Source,
    SQLProfileStore,
    StoreSettings,
    export,
    exported,
    importing,
    listing,
)
from tests.conftest import Database, OpenStore
from tests.profile_store.sealed import NEW, OLD

USERS = ("ann", "bob", "conversation/phone-1")
SLOTS = ("name", "city", "\N{SNOWMAN}")

times = st.integers(1, 30).map(float)
slots = st.sampled_from(SLOTS)
texts = st.text(st.characters(exclude_categories=()), max_size=3)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
json_values = st.recursive(
    scalars.filter(lambda value: value not in {float("inf"), float("-inf")}),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
sources = st.builds(
    Source, st.sampled_from(["calm", "nlu", None]), st.none() | texts, st.none() | texts
)
writes = st.builds(SlotWrite, slots, json_values, times, sources)
releases = st.builds(Release, slots, times)
user = st.sampled_from(USERS).map(lambda name: ProfileKey("bank", name))
steps = st.one_of(
    st.tuples(st.just("store"), user, st.lists(writes, min_size=1, max_size=2)),
    st.tuples(st.just("release"), user, releases),
    st.tuples(st.just("forget"), user, st.none() | st.sets(slots, min_size=1), times),
    st.tuples(st.just("link"), user, user),
)
lives = st.lists(steps, max_size=12)

SEALED = pytest.mark.parametrize("keys", [None, OLD], ids=["plain", "sealed"])


async def live(store: SQLProfileStore, life: list[Any]) -> None:
    for what, key, *details in life:
        if what == "store":
            await store.store(key, details[0])
        elif what == "release":
            await store.store(key, (), [details[0]])
        elif what == "forget":
            await store.forget(key, details[0], at=details[1])
        else:
            await store.link(key, details[0])


def dump(config: StoreSettings) -> list[str]:
    """Return everybody as a file would have it."""
    return [
        json.dumps(export.as_json(kept.key, kept.profile, kept.history))
        for kept in listing.walk(config, lambda *_: None)
    ]


def load(config: StoreSettings, lines: list[str], *, dry_run: bool = False) -> int:
    """Import lines, and return how many changed anything."""
    with importing.opened(config) as importer:
        batch = [
            importer.stored(
                exported.read(json.loads(line), now=importer.now(), max_value_bytes=65536), "bank"
            )
            for line in lines
        ]
        results = importer.merge(batch, dry_run=dry_run)
    assert not any(result.refused for result in results)
    return sum(result.changed for result in results)


class Places:
    """Empty SQLite files, as many as an example needs."""

    def __init__(self, template: Path) -> None:
        self._template = template
        self._folder = tempfile.TemporaryDirectory()
        self._made = 0

    def make(self, keys: str | None) -> StoreSettings:
        self._made += 1
        file = Path(self._folder.name) / f"{self._made}.db"
        shutil.copy(self._template, file)
        return StoreSettings(db=str(file), encryption_keys=keys, synchronous="normal")

    def lived(self, keys: str | None, life: list[Any]) -> list[str]:
        """Return the export of a store that had a life."""
        config = self.make(keys)
        store = SQLProfileStore(config)
        asyncio.run(live(store, life))
        store.close()
        return dump(config)

    def remove(self) -> None:
        self._folder.cleanup()


@pytest.fixture
def places(sqlite_template: Path) -> Iterator[Places]:
    made = Places(sqlite_template)
    yield made
    made.remove()


example_settings = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SEALED
@given(life=lives)
@example_settings
def test_an_empty_store_gets_all_of_it(places: Places, keys: str | None, life: list[Any]) -> None:
    before = places.lived(keys, life)
    there = places.make(keys)
    assert load(there, before, dry_run=True) == len(before)
    assert dump(there) == []
    assert load(there, before) == len(before)
    assert dump(there) == before
    assert load(there, before) == 0
    assert dump(there) == before


@SEALED
@given(one=lives, other=lives)
@example_settings
def test_the_order_does_not_matter(
    places: Places, keys: str | None, one: list[Any], other: list[Any]
) -> None:
    """Of the slots; which history is older than a slot's own, and stays out, depends on it."""
    exports = [places.lived(keys, one), places.lived(keys, other)]
    ends = []
    for order in (exports, exports[::-1], [*exports, exports[0]]):
        there = places.make(keys)
        for lines in order:
            load(there, lines)
        ends.append([_without_history(line) for line in dump(there)])
    assert ends[0] == ends[2]
    assert _comparable(ends[0]) == _comparable(ends[1])


def _without_history(line: str) -> dict[str, Any]:
    return {name: item for name, item in json.loads(line).items() if name != "history"}


def _comparable(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return profiles without the sources: of equal values of one time either may stay."""
    for line in lines:
        for slot in line["slots"].values():
            for name in ("system", "action", "conversation"):
                del slot[name]
    return lines


@SEALED
@given(life=lives, more=lives)
@example_settings
def test_an_old_export_takes_nothing_back(
    places: Places, keys: str | None, life: list[Any], more: list[Any]
) -> None:
    config = places.make(keys)
    store = SQLProfileStore(config)
    asyncio.run(live(store, life))
    old = dump(config)
    asyncio.run(live(store, more))
    store.close()
    now = dump(config)
    load(config, old)
    assert [_values(line) for line in dump(config)] == [_values(line) for line in now]


def _values(line: str) -> tuple[dict[str, Any], list[Any]]:
    """Return the values of an export, of now and of the past."""
    profile = json.loads(line)
    slots = profile["slots"].items()
    held = {name: slot for name, slot in slots if slot["written_at"] and not slot["erased"]}
    return held, profile["history"]


# On each database


async def test_every_database_gets_all_of_it(
    open_store: OpenStore, database: Database, ann: ProfileKey, bob: ProfileKey
) -> None:
    for keys in (None, OLD):
        store = open_store(encryption_keys=keys)
        source = Source("nlu", "action_é", "web-7")
        await store.store(ann, [SlotWrite("name", "Ann", 10.0, source)])
        await store.store(ann, [SlotWrite("name", {"half": "\ud800"}, 11.0, source)])
        await store.store(ann, [SlotWrite("city", "Bath", 10.0)], [Release("city", 12.0)])
        await store.store(ann, (), [Release("street", 12.0)])
        await store.forget(ann, ["pin"], at=13.0)
        await store.store(bob, [SlotWrite("name", "Bob", 10.0)], [Release("name", 30.0)])
        await store.forget(bob, at=20.0)
        config = StoreSettings(url=database.url, namespace="bank", encryption_keys=keys)
        before = dump(config)
        with importing.opened(config) as importer:
            for table in importing.rows.statements.schema.metadata.sorted_tables:
                importer._connection.execute(table.delete())
        assert load(config, before) == 2
        assert dump(config) == before
        assert load(config, before) == 0


async def test_a_value_that_cannot_be_read_there_stays_unless_a_newer_one_comes(
    open_store: OpenStore, database: Database, ann: ProfileKey
) -> None:
    await open_store(encryption_keys=OLD).store(ann, [SlotWrite("name", "Ann", 10.0)])
    config = StoreSettings(url=database.url, namespace="bank", encryption_keys=NEW)

    def line(at: float) -> str:
        slot = {"value": "Zoe", "written_at": at}
        history = [{"slot": "name", **slot}]
        slots = {"name": slot}
        return json.dumps(
            {"namespace": "bank", "user_id": "ann", "slots": slots, "history": history}
        )

    assert load(config, [line(9.0)]) == 0
    assert load(config, [line(10.0)]) == 0
    assert (await open_store(encryption_keys=OLD).fetch(ann))["name"] == "Ann"
    assert load(config, [line(11.0)]) == 1
    assert (await open_store(encryption_keys=NEW).fetch(ann))["name"] == "Zoe"


async def test_a_batch_that_lost_a_deadlock_is_tried_again(
    open_store: OpenStore, database: Database, ann: ProfileKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_store().store(ann, [SlotWrite("name", "Ann", 10.0)])
    config = StoreSettings(url=database.url, namespace="bank")
    lines = dump(config)
    await open_store().forget(ProfileKey("bank", "ann"), at=5.0)
    write = importing.Importer._write
    lost = []

    class Deadlock(Exception):
        sqlstate = "40P01"

    def lose_once(self: Any, *arguments: Any) -> None:
        write(self, *arguments)
        if not lost:
            lost.append(True)
            raise sa.exc.OperationalError("UPDATE", {}, Deadlock())

    monkeypatch.setattr(importing.Importer, "_write", lose_once)
    newer = [line.replace("10.0", "50.0") for line in lines]
    assert load(config, newer) == 1
    assert lost
    assert (await open_store().export(ann))["slots"]["name"]["written_at"] == 50.0
