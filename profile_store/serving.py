"""What the worker thread does with the calls that wait: as many as it can in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from profile_store import committing, errors, limits, merge, rows
from profile_store.batching import Call
from profile_store.connection import ATTEMPTS, DatabaseConnection, is_transient
from profile_store.metering import Observer
from profile_store.profile import Outcome, Profile, ProfileKey, SlotState
from profile_store.retention import Kept

News = Mapping[str, SlotState]


class Sync(msgspec.Struct):
    """Merge news into a profile and return it; many are served by one transaction.

    `changes` is what the news would change in `basis`, the profile as it is remembered.
    """

    key: ProfileKey
    news: News
    refused: dict[str, str]
    late: News | None = None
    too_many: dict[str, str] = {}
    basis: Profile | None = None
    changes: News = {}


class Task(msgspec.Struct):
    """Anything rarer, in a transaction of its own."""

    run: Callable[[sa.Connection], Any]


class Serving:
    """Serves calls over one connection; an `observer` hears of the writes that are stored."""

    def __init__(self, database: DatabaseConnection, kept: Kept, max_slots: int) -> None:
        self.observer: Observer | None = None
        self._database = database
        self._kept = kept
        self._max_slots = max_slots
        self._written = 0

    def serve(self, calls: Sequence[Call[Sync | Task]]) -> None:
        """Set each call's answer or failure."""
        with self._database.lock:
            self.serve_all(calls)

    def serve_all(self, calls: Sequence[Call[Sync | Task]]) -> None:
        """Do the same for who holds the database's lock."""
        syncs = [call for call in calls if isinstance(call.request, Sync)]
        if syncs and not self._attempt(syncs, self.serve_syncs) and len(syncs) > 1:
            # One bad row must fail alone.
            for call in syncs:
                call.failure = None
                self._attempt([call], self.serve_syncs)
        for call in calls:
            if isinstance(call.request, Task):
                self._attempt([call], _serve_task)

    def _attempt(
        self,
        calls: Sequence[Call[Sync | Task]],
        serve: Callable[[sa.Connection, Sequence[Call[Any]]], None],
    ) -> bool:
        """Serve calls; return False when it is worth serving each by itself."""
        for attempt in range(1, ATTEMPTS + 1):
            fresh = not self._database.connected
            try:
                serve(self._database.get(), calls)
                self._database.check_in_place()
            except sa.exc.DBAPIError as error:
                if is_transient(error) and attempt < ATTEMPTS:
                    continue
                if error.connection_invalidated and not fresh:
                    # Cut while it was idle, by a proxy or by the server's own patience: whether
                    # the database is there, a new one will tell.
                    self._database.drop()
                    continue
                failure = self._database.failed(error)
                failure.__cause__ = error
            except errors.ProfileStoreError as error:
                failure = error
            except Exception as error:  # noqa: BLE001 - a driver's refusal, under any name
                failure = errors.StatementFailed(
                    f"A statement could not be made ({type(error).__name__}); "
                    "it and no other is undone."
                )
                failure.__cause__ = error
            else:
                return True
            for call in calls:
                call.failure = failure
            return not isinstance(failure, errors.StatementFailed)
        raise AssertionError("unreachable")  # pragma: no cover

    def serve_syncs(self, connection: sa.Connection, calls: Sequence[Call[Any]]) -> None:
        """Merge what some calls bring in one transaction, and answer them."""
        requests: list[Sync] = [call.request for call in calls]
        keys = {request.key for request in requests}
        self._written = 0
        for request in requests:
            request.too_many = {}  # of an attempt before, in which others were in the way
        profiles = committing.read_and_write(
            connection, keys, lambda read: self._merge(read, requests)
        )
        for call, request in zip(calls, requests, strict=True):
            seen = self._kept.profile(profiles[request.key], request.late)
            call.answer = Outcome(seen, {**request.refused, **request.too_many})
        if self._written and self.observer is not None:
            self.observer.stored(self._written)

    def _merge(self, profiles: dict[ProfileKey, Profile], requests: Iterable[Sync]) -> rows.News:
        """Merge the requests into the profiles, within the limit of slots; return what changed."""
        changed: dict[ProfileKey, dict[str, SlotState]] = {}
        for request in requests:
            if not request.news:
                continue
            profile = self._kept.profile(profiles[request.key])
            if profile is request.basis:
                news = request.changes
            else:
                news = merge.changes(profile, request.news)
            if not news:
                continue
            news = limits.within_limit(profile, news, self._max_slots, request.too_many)
            if not news:
                continue
            if self.observer is not None:
                self._written += sum(
                    state.held and state.written_at != profile.state(slot).written_at
                    for slot, state in news.items()
                )
            profiles[request.key] = Profile({**profile.states, **news}, profile.erased_at)
            changed.setdefault(request.key, {}).update(news)
        return changed


def _serve_task(connection: sa.Connection, calls: Sequence[Call[Any]]) -> None:
    for call in calls:
        call.answer = call.request.run(connection)
