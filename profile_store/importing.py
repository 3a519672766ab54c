"""Importing: what an export wrote is merged, by the rule that decides between any two writes.

So it may be done again, in any order, and beside servers that write: what is newer stays, and
erasures stay erased. What is older than a slot's own history may be what was erased there, and
stays out of it, as it does when profiles are linked.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec
import sqlalchemy as sa

from profile_store import engine, errors, hashing, linking, merge, migrate, rows, sealing
from profile_store import statements as sql
from profile_store.connection import is_transient, on_the_disk, transaction
from profile_store.exported import Exported
from profile_store.limits import within_limit
from profile_store.profile import NEVER, Profile, ProfileKey, Release, SlotState, SlotWrite
from profile_store.settings import StoreSettings
from profile_store.store import ProfileStore

BATCH = 50
"""Profiles in one transaction: a few milliseconds for which their writers wait."""

ATTEMPTS = 5
"""How often a batch that lost a deadlock is tried."""

Past = Sequence[tuple[SlotWrite, str]]
"""A history with the reasons why values in it cannot be read."""


class Imported(msgspec.Struct, frozen=True):
    """What came of one profile: whether it changed, and the slots that are refused, with reasons.

    The name "" stands for the profile itself.
    """

    changed: bool
    refused: Mapping[str, str]


class Change(msgspec.Struct, frozen=True):
    """What importing changes in a profile; times are seconds, 0 where nothing happens.

    `erased_at` is the erasure that covers more than before, `covered` are the slots whose history
    up to a time goes.
    """

    erased_at: float
    news: Mapping[str, SlotState]
    covered: Mapping[str, float]
    history: Sequence[SlotWrite]
    refused: Mapping[str, str]

    @property
    def changes(self) -> bool:
        """Whether anything does."""
        return bool(self.erased_at or self.news or self.covered or self.history)


def plan(profile: Profile, past: Past, arriving: Exported, max_slots: int) -> Change:
    """Return what importing changes in a profile with a history."""
    refused = dict(arriving.refused)
    erased_at = arriving.erased_at if arriving.erased_at > profile.erased_at else NEVER
    if erased_at:
        profile = _erased(profile, erased_at)
        past = [(write, reason) for write, reason in past if write.written_at > erased_at]
    news = {
        slot: state
        for slot, state in merge.changes(profile, arriving.states).items()
        if slot in profile.states or not _is_covered(state, profile.erased_at)
    }
    news = within_limit(profile, news, max_slots, refused)
    covered = {
        slot: state.written_at
        for slot, state in arriving.states.items()
        if state.erased
        and any(write.slot == slot and write.written_at <= state.written_at for write, _ in past)
    }
    held = {
        slot: state for slot, state in arriving.states.items() if state.held and slot not in refused
    }
    history = linking.new_history(arriving.history, held, past, profile)
    return Change(erased_at, news, covered, history, refused)


def _erased(profile: Profile, at: float) -> Profile:
    """Return a profile after an erasure of what is not newer; a newer release stays."""
    states = {
        slot: state
        if state.written_at > at
        else SlotState(written_at=at, erased=True, released_at=state.released_at)
        for slot, state in profile.states.items()
        if max(state.written_at, state.released_at) > at
    }
    return Profile(states, at)


def _is_covered(state: SlotState, erased_at: float) -> bool:
    """Return whether an erasure of the whole profile says all that a state says."""
    return state.erased and max(state.written_at, state.released_at) <= erased_at


def place(arriving: Exported, namespace: str, hashed_with: str | None) -> ProfileKey | None:
    """Return the key under which a profile with a hashed id is stored; None for a plain id.

    Raises:
        InvalidExport: when nobody could find it there.
    """
    hashed = arriving.hashed
    if hashed is None or not hashed.user_id:
        return None
    if hashed.key != hashed_with:
        raise errors.InvalidExport(
            "hashed: its user id is a hash of another profile_store.user_id_key, under which "
            "nobody would find it; import it where that key is set."
        )
    if namespace != arriving.key.namespace:
        raise errors.InvalidExport(
            "hashed: its user id is a hash within its own namespace, and cannot go to another."
        )
    return arriving.key


class Importer:
    """Merges profiles into a SQL database, over a connection of its own."""

    def __init__(self, connection: sa.Connection, config: StoreSettings) -> None:
        self._connection = connection
        self._config = config
        self._identities = hashing.make(config)
        self._hashed_with = hashing.fingerprint(config)
        self._clock_offset = engine.clock_offset(connection)

    def now(self) -> float:
        """Return the time on the database's clock in seconds."""
        return time.time() + self._clock_offset

    def stored(self, arriving: Exported, namespace: str) -> Exported:
        """Return a profile as it is stored in a namespace, its ids hashed where that is wanted.

        Raises:
            InvalidExport: when its id is a hash that nobody could find there.
        """
        key = place(arriving, namespace, self._hashed_with)
        if key is None:
            key = self._identities.stored(ProfileKey(namespace, arriving.key.user_id))
        if arriving.hashed is not None:
            return msgspec.structs.replace(arriving, key=key)
        source = self._identities.source
        replace = msgspec.structs.replace
        return replace(
            arriving,
            key=key,
            states={
                slot: replace(state, source=source(state.source))
                for slot, state in arriving.states.items()
            },
            history=[replace(write, source=source(write.source)) for write in arriving.history],
        )

    def merge(self, batch: Sequence[Exported], *, dry_run: bool = False) -> list[Imported]:
        """Merge profiles of different users, all or none; a dry run only tells what would change.

        Raises:
            StoreUnavailable: when the database fails; the batch may be imported again.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._merge(batch, dry_run)
            except sa.exc.DBAPIError as error:
                if not is_transient(error) or attempt == ATTEMPTS:
                    raise engine.broken(error, self._connection.engine.url) from error
        raise AssertionError("unreachable")  # pragma: no cover

    def _merge(self, batch: Sequence[Exported], dry_run: bool) -> list[Imported]:
        changes = self._plan(batch)
        # Whoever brings nothing new is not locked, nor made when unknown.
        places = [index for index, change in enumerate(changes) if change.changes]
        if places and not dry_run:
            began = time.monotonic()
            some = [batch[index] for index in places]
            with on_the_disk(self._connection), transaction(self._connection):
                rows.lock(self._connection, [arriving.key for arriving in some])
                again = self._plan(some)
                self._write(some, again)
            for index, change in zip(places, again, strict=True):
                changes[index] = change
            # Half of the time is the servers': SQLite has one writer, and no queue.
            time.sleep(time.monotonic() - began)
        return [Imported(change.changes, change.refused) for change in changes]

    def _plan(self, batch: Sequence[Exported]) -> list[Change]:
        profiles = rows.read_profiles(self._connection, [arriving.key for arriving in batch])
        return [
            plan(
                profiles[arriving.key],
                rows.read_past(self._connection, arriving.key),
                arriving,
                self._config.max_slots,
            )
            for arriving in batch
        ]

    def _write(self, batch: Sequence[Exported], changes: Sequence[Change]) -> None:
        news = {}
        for arriving, change in zip(batch, changes, strict=True):
            if change.erased_at:
                rows.erase_profile(self._connection, arriving.key, change.erased_at)
            if change.news:
                news[arriving.key] = change.news
        if news:
            rows.write(self._connection, news)
        for arriving, change in zip(batch, changes, strict=True):
            if change.covered:
                self._connection.execute(
                    sql.erase_slot_history(), _parameters(arriving.key, change.covered)
                )
            rows.write_history(self._connection, arriving.key, change.history)


def _parameters(key: ProfileKey, covered: Mapping[str, float]) -> list[dict[str, object]]:
    return [
        {
            "b_namespace": key.namespace,
            "b_user_id": key.user_id,
            "b_slot": slot,
            "b_erased_at": at,
        }
        for slot, at in sorted(covered.items())
    ]


@contextlib.contextmanager
def opened(config: StoreSettings) -> Iterator[Importer]:
    """Yield what imports into the database that some settings name; SQLite makes its tables.

    Raises:
        InvalidSettings: when there are keys, and the extra `encryption` is not installed.
        SchemaOutdated: when the tables are missing or of another version.
        StoreUnavailable: when the database cannot be reached.
    """
    with migrate.connected(migrate.patient(config)) as connection:
        if connection.dialect.name == "sqlite":
            migrate.upgrade_connection(connection)
        migrate.check(connection)
        sealing.use(connection, sealing.make(config))
        yield Importer(connection, config)


async def through(
    store: ProfileStore, arriving: Exported, max_slots: int, *, dry_run: bool = False
) -> Imported:
    """Merge a profile into a store of any kind, as far as its interface goes.

    That has no word for an erasure of what is not newer: erasures are refused, by name.

    Raises:
        StoreUnavailable: when the store did not answer; it may be done again.
    """
    key = arriving.key
    past = [(write, "") for write in await store.history(key, limit=None)]
    change = plan(await store.fetch(key), past, arriving, max_slots)
    refused = dict(change.refused)
    if change.erased_at:
        refused[""] = "the erasure of the whole profile; this kind of store takes none."
    for slot, state in change.news.items():
        if state.erased and not state.released_at:
            refused[slot] = "it was erased, and this kind of store takes no erasures."
    writes = [
        *change.history,
        *(
            SlotWrite(slot, state.value, state.written_at, state.source)
            for slot, state in change.news.items()
            if state.held
        ),
    ]
    releases = [
        Release(slot, state.released_at) for slot, state in change.news.items() if state.released_at
    ]
    if dry_run or not (writes or releases):
        return Imported(bool(writes or releases), refused)
    for write in sorted(writes, key=lambda write: (write.written_at, write.slot)):
        # One by one, so that each is remembered.
        outcome = await store.sync(key, [write])
        refused.update(outcome.refused)
    if releases:
        refused.update((await store.sync(key, (), releases)).refused)
    return Imported(True, refused)
