"""The store on SQLite, PostgreSQL, MySQL or MariaDB."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from profile_store import errors, merge, migrate, rows, settings, values
from profile_store.batching import Batcher, Call
from profile_store.connection import DatabaseConnection, is_transient, transaction
from profile_store.profile import (
    Outcome,
    Profile,
    ProfileKey,
    Receipt,
    Release,
    SlotState,
    SlotWrite,
)
from profile_store.store import ProfileStore

logger = logging.getLogger(__name__)

CLOCK_TOLERANCE = 300.0
"""Seconds that a write may be ahead of the database's clock: a bad clock must not freeze a slot."""

ATTEMPTS = 5
"""How often work that lost a deadlock is tried before its callers are told."""

News = Mapping[str, SlotState]
Answer = TypeVar("Answer")


class _Sync(msgspec.Struct):
    """Merge news into a profile and return it; many are served by one transaction."""

    key: ProfileKey
    news: News
    refused: dict[str, str]


class _Task(msgspec.Struct):
    """Anything rarer, in a transaction of its own."""

    run: Callable[[sa.Connection], Any]


class SQLProfileStore(ProfileStore):
    """Profiles in a SQL database, over one connection and one worker thread a process.

    Nothing connects before the first call, so that a store can be made before a fork. See
    `ProfileStore` for what each method does and raises.
    """

    def __init__(self, config: settings.StoreSettings) -> None:
        self._config = config
        self._database = DatabaseConnection(config)
        self._batcher: Batcher[_Sync | _Task] = Batcher(
            self._serve,
            closed=self._database.drop,
            queue_size=config.queue_size,
            batch_size=config.batch_size,
            timeout=config.timeout,
        )

    async def sync(
        self,
        key: ProfileKey,
        writes: Sequence[SlotWrite] = (),
        releases: Sequence[Release] = (),
        *,
        clock: float | None = None,
    ) -> Outcome:
        self._database.fail_fast()
        refused: dict[str, str] = {}
        news = self._news(writes, releases, clock, refused) if writes or releases else {}
        outcome: Outcome = await self._batcher.submit(_Sync(key, news, refused))
        return outcome

    async def forget(
        self, key: ProfileKey, slots: Collection[str] | None = None, *, at: float
    ) -> Receipt:
        at = min(at, self._database.now() + CLOCK_TOLERANCE)
        named = None if slots is None else frozenset(slots)
        return await self._task(lambda connection: _forget(connection, key, named, at))

    async def link(self, source: ProfileKey, target: ProfileKey) -> Profile:
        if source == target:
            return await self.fetch(target)
        return await self._task(
            lambda connection: _link(connection, source, target, self._config.max_slots)
        )

    async def history(
        self, key: ProfileKey, slot: str | None = None, *, limit: int | None = 100
    ) -> list[SlotWrite]:
        return await self._task(lambda connection: rows.read_history(connection, key, slot, limit))

    async def export(self, key: ProfileKey) -> dict[str, Any]:
        return await self._task(lambda connection: _export(connection, key))

    async def health(self) -> None:
        await self._task(migrate.check)

    def close(self) -> None:
        self._batcher.close()
        self._database.close()

    async def _task(self, run: Callable[[sa.Connection], Answer]) -> Answer:
        self._database.fail_fast()
        answer: Answer = await self._batcher.submit(_Task(run))
        return answer

    def _news(
        self,
        writes: Iterable[SlotWrite],
        releases: Iterable[Release],
        clock: float | None,
        refused: dict[str, str],
    ) -> News:
        """Return writes and releases as states to merge, times set right, and note the refused."""
        now = self._database.now()
        fast = clock is not None and clock - now > CLOCK_TOLERANCE
        shift = clock - now if clock is not None and fast else 0.0
        latest = now + CLOCK_TOLERANCE
        if fast:
            logger.warning(
                "A writer's clock is %.0f seconds ahead of the database's; its times are set back. "
                "Look at the clocks.",
                shift,
            )
        news: dict[str, SlotState] = {}
        for write in writes:
            try:
                encoded = values.encode(write.value)
            except errors.InvalidValue as error:
                refused[write.slot] = str(error)
                continue
            if len(encoded) > self._config.max_value_bytes:
                refused[write.slot] = (
                    f"The value has {len(encoded)} bytes as JSON, at most "
                    f"{self._config.max_value_bytes} are kept (profile_store.max_value_bytes)."
                )
                continue
            written_at = write.written_at - shift
            if written_at > latest:
                logger.warning(
                    "A write of slot %s is %.0f seconds ahead of the database's clock; its time "
                    "is set back. Look at the clocks.",
                    write.slot,
                    written_at - now,
                )
                written_at = latest
            state = SlotState(encoded, written_at, source=write.source)
            news[write.slot] = merge.merge(news[write.slot], state) if write.slot in news else state
        for release in releases:
            state = SlotState(released_at=min(release.released_at - shift, latest))
            before = news.get(release.slot)
            news[release.slot] = state if before is None else merge.merge(before, state)
        return news

    # What follows runs in the worker thread.

    def _serve(self, calls: Sequence[Call[_Sync | _Task]]) -> None:
        syncs = [call for call in calls if isinstance(call.request, _Sync)]
        if syncs and not self._attempt(syncs, self._serve_syncs) and len(syncs) > 1:
            # One bad row must fail alone.
            for call in syncs:
                call.failure = None
                self._attempt([call], self._serve_syncs)
        for call in calls:
            if isinstance(call.request, _Task):
                self._attempt([call], _serve_task)

    def _attempt(
        self,
        calls: Sequence[Call[_Sync | _Task]],
        serve: Callable[[sa.Connection, Sequence[Call[Any]]], None],
    ) -> bool:
        """Serve calls; return False when it is worth serving each by itself."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                serve(self._database.get(), calls)
            except sa.exc.DBAPIError as error:
                if is_transient(error) and attempt < ATTEMPTS:
                    continue
                failure = self._database.failed(error)
                failure.__cause__ = error
            except errors.ProfileStoreError as error:
                failure = error
            else:
                return True
            for call in calls:
                call.failure = failure
            return not isinstance(failure, errors.StatementFailed)
        raise AssertionError("unreachable")  # pragma: no cover

    def _serve_syncs(self, connection: sa.Connection, calls: Sequence[Call[Any]]) -> None:
        requests: list[_Sync] = [call.request for call in calls]
        profiles = rows.read_profiles(connection, {request.key for request in requests})
        changed = self._merge(profiles, requests)
        if changed:
            with transaction(connection):
                # Under the lock once more: what others wrote or erased meanwhile is seen here,
                # so nothing erased can slip into the history.
                rows.lock(connection, changed)
                current = rows.read_profiles(connection, changed)
                news = {key: merge.changes(current[key], changed[key]) for key in changed}
                rows.write(connection, news)
            for key, states in news.items():
                profiles[key] = merge.merge_profile(current[key], states)
        for call, request in zip(calls, requests, strict=True):
            call.answer = Outcome(profiles[request.key], request.refused)

    def _merge(
        self, profiles: dict[ProfileKey, Profile], requests: Iterable[_Sync]
    ) -> Mapping[ProfileKey, News]:
        """Return what the requests change in the profiles, within the limit of slots."""
        changed: dict[ProfileKey, dict[str, SlotState]] = {}
        for request in requests:
            if not request.news:
                continue
            profile = profiles[request.key]
            news = merge.changes(profile, request.news)
            if not news:
                continue
            news = within_limit(profile, news, self._config.max_slots, request.refused)
            profiles[request.key] = merge.merge_profile(profile, news)
            changed.setdefault(request.key, {}).update(news)
        return changed


def within_limit(
    profile: Profile, news: News, max_slots: int, refused: dict[str, str]
) -> dict[str, SlotState]:
    """Return the news without the new slots that a full profile cannot take, and note those."""
    room = max_slots - len(profile.states)
    accepted = {}
    for slot, state in news.items():
        if slot not in profile.states:
            if room <= 0:
                refused[slot] = (
                    f"The profile holds {len(profile.states)} slots already, at most {max_slots} "
                    "are kept (profile_store.max_slots)."
                )
                continue
            room -= 1
        accepted[slot] = state
    return accepted


def _serve_task(connection: sa.Connection, calls: Sequence[Call[Any]]) -> None:
    for call in calls:
        call.answer = call.request.run(connection)


def _forget(
    connection: sa.Connection, key: ProfileKey, named: frozenset[str] | None, at: float
) -> Receipt:
    with transaction(connection):
        rows.lock(connection, [key])
        profile = rows.read_profiles(connection, [key])[key]
        covered = profile.states if named is None else named
        # All that is stored goes, also what a clock ahead of the caller's has written.
        at = max([at, *(profile.state(slot).written_at for slot in covered)])
        if named is None:
            rows.erase_profile(connection, key, at)
        else:
            rows.erase_slots(connection, key, dict.fromkeys(sorted(named), at))
    return Receipt(key, tuple(sorted(slot for slot in covered if profile.state(slot).held)), at)


def _link(
    connection: sa.Connection, source: ProfileKey, target: ProfileKey, max_slots: int
) -> Profile:
    copied = rows.read_profiles(connection, [source])[source]
    held = {slot: state for slot, state in copied.states.items() if state.held}
    past = rows.read_history(connection, source, None, None) if held else []
    with transaction(connection):
        rows.lock(connection, [target])
        profile = rows.read_profiles(connection, [target])[target]
        news = within_limit(profile, merge.changes(profile, held), max_slots, {})
        if news:
            rows.write(connection, {target: news})
        rows.write_history(
            connection,
            target,
            [
                write
                for write in past
                if write.written_at > profile.erased_at and not _erased(profile, write)
            ],
        )
        profile = merge.merge_profile(profile, news)
    if held:
        # A second transaction, so that the two users' rows may lie on two machines. Only what
        # was copied is erased: a write that came between stays for the next link.
        with transaction(connection):
            rows.lock(connection, [source])
            rows.erase_slots(
                connection, source, {slot: state.written_at for slot, state in held.items()}
            )
    return profile


def _erased(profile: Profile, write: SlotWrite) -> bool:
    state = profile.state(write.slot)
    return state.erased and write.written_at <= state.written_at


def _export(connection: sa.Connection, key: ProfileKey) -> dict[str, Any]:
    profile = rows.read_profiles(connection, [key])[key]
    return {
        "namespace": key.namespace,
        "user_id": key.user_id,
        "erased_at": profile.erased_at or None,
        "slots": {
            slot: {
                "value": state.value,
                "written_at": state.written_at or None,
                "released_at": state.released_at or None,
                "erased": state.erased,
                **msgspec.structs.asdict(state.source),
            }
            for slot, state in sorted(profile.states.items())
        },
        "history": [
            {
                "slot": write.slot,
                "value": write.value,
                "written_at": write.written_at,
                **msgspec.structs.asdict(write.source),
            }
            for write in rows.read_history(connection, key, None, None)
        ],
    }
