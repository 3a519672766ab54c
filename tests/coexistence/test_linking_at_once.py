"""Two devices of one user at once, the one anonymous at first: their profiles end as one.

Every conversation's calls follow one another, as Rasa makes them; the conversations do not, and
each call is served by one of two processes with a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import random
from typing import Any

import pytest
from rasa_sdk import Action

from coexistence import runtime
from coexistence.profile_actions import ActionForgetProfile, ActionSyncProfile
from coexistence.runtime import Runtime
from coexistence.settings import Settings
from profile_store import ProfileKey
from tests.coexistence.calls import run
from tests.coexistence.events import (
    START,
    Event,
    flow_end_reset,
    session_start,
    slot,
    tracker,
    user,
)
from tests.coexistence.naming import RULES, Named
from tests.conftest import OpenStore

USERS = 8
SHARED = ["phone", "tablet", "both", "contested", "dropped", "dropped there", "secret", "late"]
DOMAIN = {
    "slots": {
        **{name: {"type": "text", "shared_for_coexistence": True} for name in SHARED},
        "profile_forget": {"type": "list"},
    }
}

serving: contextvars.ContextVar[Runtime] = contextvars.ContextVar("serving")


@pytest.fixture
def processes(open_store: OpenStore, rule: str, monkeypatch: pytest.MonkeyPatch) -> list[Runtime]:
    """Two processes' worth of runtimes on one database; `serving` tells which has a call."""
    monkeypatch.setattr(runtime, "current", serving.get)
    return [Runtime(Settings(**RULES[rule][0]), open_store()) for _ in range(2)]


@pytest.fixture(params=list(RULES))
def rule(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def timed(*events: tuple[float, Event]) -> list[Event]:
    return [{**event, "timestamp": START + at} for at, event in events]


class Conversation:
    """What one device says, call by call.

    `forgets` names what `action_forget_profile` erases after a turn; before a turn in
    `sessions` a new session begins, of which Rasa sends no older events.
    """

    def __init__(
        self,
        sender_id: str,
        *turns: list[Event],
        forgets: dict[int, str] | None = None,
        sessions: tuple[int, ...] = (0,),
    ) -> None:
        self.sender_id = sender_id
        self.events: list[Event] = []
        self._turns = turns
        self._forgets = forgets or {}
        self._sessions = sessions

    async def talk(self, processes: list[Runtime], chance: random.Random) -> None:
        for number, turn in enumerate(self._turns):
            if number in self._sessions:
                began = turn[0]["timestamp"]
                self.events = [{**event, "timestamp": began} for event in session_start()]
            self.events = [*self.events, *turn]
            await self.call(ActionSyncProfile, processes, chance)
            if number in self._forgets:
                named = {"profile_forget": [self._forgets[number]]}
                await self.call(ActionForgetProfile, processes, chance, named)

    async def call(
        self,
        kind: type[Action],
        processes: list[Runtime],
        chance: random.Random,
        slots: dict[str, Any] | None = None,
    ) -> None:
        serving.set(chance.choice(processes))
        state = tracker(*self.events, slots={**dict.fromkeys(SHARED), **(slots or {})},
                        sender_id=self.sender_id)  # fmt: skip
        await run(kind, state, DOMAIN)
        await asyncio.sleep(chance.random() / 100)


def conversations(name: str, named: Named) -> list[Conversation]:
    phone = Conversation(
        f"{name}'s phone",
        timed((1, user()), (2, slot("phone", "p")), (3, slot("both", "phone"))),
        timed((4, slot("secret", "s"))),
        timed((20, slot("contested", "phone, early")), (21, slot("dropped", "phone"))),
        timed((30, flow_end_reset("dropped")), (31, slot("dropped there", "phone"))),
        timed((32, user()), (33, slot("contested", "phone, late"))),
        timed((50, named(name)), (51, slot("late", "phone"))),
        timed((52, user())),
        sessions=(0, 4),
    )
    tablet = Conversation(
        f"{name}'s tablet",
        timed((5, named(name)), (6, slot("tablet", "t")), (7, slot("both", "tablet"))),
        timed((22, slot("contested", "tablet")), (23, slot("dropped", "tablet"))),
        timed((40, slot("dropped there", "tablet")), (41, flow_end_reset("dropped there"))),
        timed((42, user("forget my secret"))),
        timed((60, user())),
        forgets={3: "secret"},
    )
    return [phone, tablet]


MERGED = {
    "phone": "p",
    "tablet": "t",
    "both": "tablet",
    "contested": "phone, late",
    "dropped": "tablet",
    "dropped there": "tablet",
    "late": "phone",
}
RELEASED = {"dropped", "dropped there"}


@pytest.mark.parametrize("seed", [1, 2])
async def test_two_devices_at_once_end_in_one_profile(
    processes: list[Runtime], rule: str, seed: int
) -> None:
    named = RULES[rule][1]
    chance = random.Random(seed)
    names = [f"user {number}" for number in range(USERS)]
    talks = list(itertools.chain.from_iterable(conversations(name, named) for name in names))
    await asyncio.gather(*(talk.talk(processes, random.Random(chance.random())) for talk in talks))
    store = processes[0].store

    async def everything() -> list[Any]:
        ids = [*names, *(f"conversation/{talk.sender_id}" for talk in talks)]
        return [await store.export(ProfileKey("default", user_id)) for user_id in ids]

    for name in names:
        profile = await store.fetch(ProfileKey("default", name))
        assert dict(profile) == MERGED
        assert {slot for slot in profile if profile.state(slot).released} == RELEASED
        assert profile.state("secret").erased
    for talk in talks:
        key = ProfileKey("default", f"conversation/{talk.sender_id}")
        assert dict(await store.fetch(key)) == {}
        assert await store.history(key) == []
    before = await everything()
    for talk in talks:
        await talk.call(ActionSyncProfile, processes, chance)
    assert await everything() == before
