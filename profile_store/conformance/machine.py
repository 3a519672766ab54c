"""The whole store against a model: whatever is done, it does the same."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from profile_store import ProfileKey, ProfileStore
from profile_store.conformance.contract import Contract
from profile_store.conformance.drawing import SLOTS, SYNCS, TIMES, USERS, Sync, limited
from profile_store.conformance.model import User, seen


class StoreMachine(RuleBasedStateMachine):
    """Does the same to a store and to the model; each run has a namespace of its own."""

    def __init__(self, store: ProfileStore) -> None:
        super().__init__()
        self.store = store
        self.namespace = uuid.uuid4().hex
        self.loop = asyncio.new_event_loop()
        self.users: dict[str, User] = defaultdict(User)
        self.sent: list[Sync] = []

    def key(self, user: str) -> ProfileKey:
        return ProfileKey(self.namespace, user)

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(call)

    async def sync_all(self, syncs: list[Sync]) -> None:
        await asyncio.gather(
            *(self.store.sync(self.key(user), writes, releases) for user, writes, releases in syncs)
        )

    @rule(sync=SYNCS)
    def sync(self, sync: Sync) -> None:
        user, writes, releases = sync
        self.sent.append(sync)
        outcome = self.run(self.store.sync(self.key(user), writes, releases))
        self.users[user].sync(writes, releases)
        assert seen(outcome.profile) == self.users[user].seen()

    @rule(syncs=st.lists(SYNCS, min_size=2, max_size=5))
    def sync_at_once(self, syncs: list[Sync]) -> None:
        self.sent.extend(syncs)
        self.run(self.sync_all(syncs))
        for user, writes, releases in syncs:
            self.users[user].sync(writes, releases)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        user, writes, releases = data.draw(st.sampled_from(self.sent))
        self.run(self.store.store(self.key(user), writes, releases))
        self.users[user].sync(writes, releases)

    @rule(user=USERS, slots=st.none() | st.sets(SLOTS), at=TIMES)
    def forget(self, user: str, slots: set[str] | None, at: float) -> None:
        held = self.users[user].seen()
        receipt = self.run(self.store.forget(self.key(user), slots, at=at))
        assert receipt.slots == tuple(sorted(held if slots is None else slots & held.keys()))
        assert receipt.erased_at == self.users[user].forget(slots, at)

    @rule(source=USERS, to=USERS)
    def link(self, source: str, to: str) -> None:
        linked = self.run(self.store.link(self.key(source), self.key(to)))
        if source != to:
            self.users[source].link_to(self.users[to])
        assert seen(linked) == self.users[to].seen()

    @invariant()
    def profiles_are_the_models(self) -> None:
        for name, user in list(self.users.items()):
            profile = self.run(self.store.fetch(self.key(name)))
            assert seen(profile) == user.seen()
            assert profile.erased_at == user.erased_at

    @invariant()
    def the_history_holds_each_value_and_nothing_erased(self) -> None:
        for name, user in list(self.users.items()):
            history = self.run(self.store.history(self.key(name), limit=None))
            for write in history:
                assert write.written_at > user.last_erasure(write.slot)
            past = {(write.slot, write.written_at): write.value for write in history}
            for slot, (value, written_at, _) in user.seen().items():
                assert past[slot, written_at] == value

    def teardown(self) -> None:
        self.loop.close()


class Modelled(Contract):
    """A store does what the model does."""

    def test_a_store_does_what_the_model_does(self, store: ProfileStore) -> None:
        class Machine(StoreMachine):
            def __init__(self) -> None:
                super().__init__(store)

        run_state_machine_as_test(Machine, settings=limited(self.model_runs))
