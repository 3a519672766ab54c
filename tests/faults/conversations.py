"""Many users in several conversations at once, and the book of what they were promised.

A *submission* is one call that says six slots at one time: three of its conversation's own
(`own_0_a` ...) and three that all conversations of its user fill (`all_a` ...). Each value names
its user and carries the submission's number; numbers and times grow together. So it can be told
from a profile alone whether something is

- *lost*: a profile, or its history, lacks a submission that was acknowledged;
- *half applied*: three slots that are only ever said together carry different numbers;
- *mixed*: a value names another user than the one whose profile holds it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from profile_store import ProfileKey, SQLProfileStore

USERS = 8
CONVERSATIONS = 4
"""How many conversations each user has at once."""
PARTS = ("a", "b", "c")
NAMESPACE = "default"
PAUSE = 0.01
"""Seconds between two turns of a conversation."""
UNREACHED_PAUSE = 0.2
"""Seconds before a turn is tried again that no server, or no database, answered."""
TRIES_AT_END = 20
"""How often a conversation says its last submission before the audit finds it missing."""
DEADLINE = 10.0
"""Seconds in which every call must be answered: the store's `timeout` (3), and what starting
servers and two busy processors may add to it. The table tells what it really was."""
SESSION = 120
"""Events after which a conversation begins a new session, once all of them are acknowledged."""
PATIENCE = 90.0
"""Seconds in which whatever a test waits for must have come."""

COMMON = tuple(f"all_{part}" for part in PARTS)
OWN = tuple(tuple(f"own_{n}_{part}" for part in PARTS) for n in range(CONVERSATIONS))
GROUPS = (COMMON, *OWN)
SLOTS = tuple(itertools.chain(*GROUPS))
DOMAIN = {
    "slots": {
        "profile_status": {"type": "text"},
        **{slot: {"type": "any", "shared_for_coexistence": True} for slot in SLOTS},
    }
}
ACKNOWLEDGED = {"stored", "loaded"}
UNAVAILABLE = "unavailable"


class NotAnswered(Exception):
    """No action server answered: it is dead, and Rasa would go on without the action."""


@dataclasses.dataclass
class Book:
    """What was promised and what was seen, over one fault."""

    acknowledged: int = 0
    unavailable: int = 0
    unanswered: int = 0
    lost: int = 0
    half_applied: int = 0
    mixed: int = 0
    slowest: float = 0.0
    """Seconds of the longest call that was answered."""

    def look_at(self, user: str, slots: Mapping[str, Any]) -> None:
        """Note whether some slots of a user are another's, or parts of different submissions."""
        for group in GROUPS:
            values = [slots.get(slot) for slot in group]
            self.mixed += any(value is not None and value["user"] != user for value in values)
            numbers = {None if value is None else value["number"] for value in values}
            self.half_applied += len(numbers) > 1


@dataclasses.dataclass
class Conversation:
    user: str
    own: tuple[str, ...]
    name: str
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    slots: dict[str, Any] = dataclasses.field(default_factory=lambda: dict.fromkeys(SLOTS))
    turns: int = 0
    last_said: int = 0
    acknowledged: list[int] = dataclasses.field(default_factory=list)

    @property
    def key(self) -> ProfileKey:
        return ProfileKey(NAMESPACE, self.user)


class Talk:
    """All conversations, each saying one submission after the other until told to stop.

    Args:
        urls: the action servers; conversations are spread over them.
        deadline: seconds in which each call must be answered, whatever is broken.
        remembers: whether what was acknowledged must be in every later answer. A database that
            was put back from a copy does not remember, until the conversations say it again.
    """

    def __init__(
        self, urls: Iterable[str], *, deadline: float = DEADLINE, remembers: bool = True
    ) -> None:
        self.book = Book()
        self._urls = list(urls)
        self._deadline = deadline
        self._remembers = remembers
        self._numbers = itertools.count(1)
        self._time = 0.0
        self._ending = False
        self._talking: list[asyncio.Task[None]] = []
        self._client = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=None))
        self.conversations = [
            Conversation(f"user {user}", own, f"conversation {user} {number}")
            for user in range(USERS)
            for number, own in enumerate(OWN)
        ]

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[Talk]:
        """Let everybody talk inside the block; at its end every turn under way is finished."""
        async with self._client:
            self._talking = [
                asyncio.create_task(self._converse(number, conversation))
                for number, conversation in enumerate(self.conversations)
            ]
            try:
                yield self
            finally:
                self._ending = True
                await asyncio.gather(*self._talking)

    async def until(self, reached: Callable[[], bool], what: str) -> float:
        """Return the seconds that it took until something holds."""
        began = time.monotonic()
        while not reached():
            for failed in (task for task in self._talking if task.done()):
                failed.result()
            if time.monotonic() - began > PATIENCE:
                raise AssertionError(f"not within {PATIENCE:g} seconds: {what}; {self.book}")
            await asyncio.sleep(0.005)
        return time.monotonic() - began

    async def acknowledge(self, more: int) -> None:
        """Wait until so many further submissions have been acknowledged."""
        enough = self.book.acknowledged + more
        await self.until(
            lambda: self.book.acknowledged >= enough, f"{enough} acknowledged submissions"
        )

    async def be_refused(self) -> None:
        """Wait until every conversation has been told that its profile is out of reach."""
        enough = self.book.unavailable + len(self.conversations)
        await self.until(
            lambda: self.book.unavailable >= enough, "`unavailable` for every conversation"
        )

    async def recover(self) -> float:
        """Return the seconds until every conversation has been acknowledged what it says now."""
        before = {talk.name: len(talk.acknowledged) for talk in self.conversations}
        return await self.until(
            lambda: all(len(talk.acknowledged) > before[talk.name] for talk in self.conversations),
            "something acknowledged to every conversation",
        )

    async def _converse(self, number: int, conversation: Conversation) -> None:
        url = self._urls[number % len(self._urls)]
        acknowledged = False
        tries_at_end = 0
        while not (self._ending and acknowledged) and tries_at_end < TRIES_AT_END:
            tries_at_end += self._ending
            try:
                acknowledged = await self._turn(url, conversation)
            except NotAnswered:
                self.book.unanswered += 1
                acknowledged = False
            await asyncio.sleep(PAUSE if acknowledged else UNREACHED_PAUSE)

    async def _turn(self, url: str, conversation: Conversation) -> bool:
        """Say six slots, by a store or a sync in turn; now and then look from elsewhere."""
        number = next(self._numbers)
        self._time = max(time.time(), self._time + 1e-5)
        value = {"user": conversation.user, "number": number}
        for slot in (*COMMON, *conversation.own):
            conversation.slots[slot] = value
            conversation.events.append(
                {"event": "slot", "name": slot, "value": value, "timestamp": self._time}
            )
        conversation.last_said = number
        conversation.turns += 1
        action = ("action_store_profile", "action_sync_profile")[conversation.turns % 2]
        events = await self._call(url, action, conversation)
        conversation.slots.update(events)
        status = events.pop("profile_status")
        if status == UNAVAILABLE:
            self.book.unavailable += 1
            return False
        assert status in ACKNOWLEDGED, status
        conversation.acknowledged.append(number)
        self.book.acknowledged += 1
        self.book.look_at(conversation.user, conversation.slots)
        if self._remembers and len(conversation.events) > SESSION:
            conversation.events.clear()
        if conversation.turns % 4 == 0:
            await self._look_from_elsewhere(url, conversation)
        return True

    async def _look_from_elsewhere(self, url: str, conversation: Conversation) -> None:
        """Fetch in a conversation that said nothing: an outage must never be an empty profile."""
        promised = max(conversation.acknowledged)
        looking = Conversation(conversation.user, conversation.own, "from elsewhere")
        found = await self._call(url, "action_fetch_profile", looking)
        status = found.pop("profile_status")
        if status == UNAVAILABLE:
            return
        looking.slots.update(found)
        self.book.look_at(conversation.user, looking.slots)
        if self._remembers:
            for slot in (*COMMON, *conversation.own):
                self.book.lost += (looking.slots[slot] or {"number": 0})["number"] < promised

    async def _call(self, url: str, action: str, conversation: Conversation) -> dict[str, Any]:
        """Return the slots that an action sets."""
        tracker = {
            "sender_id": conversation.name, "user_id": conversation.user,
            "events": conversation.events, "slots": {**conversation.slots, "profile_status": None},
        }  # fmt: skip
        call = {"next_action": action, "tracker": tracker, "domain": DOMAIN, "version": "3.21.0"}
        began = time.monotonic()
        try:
            answer = await self._client.post(f"{url}/webhook", json=call)
        except httpx.TransportError as error:
            raise NotAnswered from error
        took = time.monotonic() - began
        self.book.slowest = max(self.book.slowest, took)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        assert took < self._deadline, f"a call took {took:.1f} seconds; {self.book}"
        return {
            event["name"]: event["value"]
            for event in answer.json()["events"]
            if event["event"] == "slot"
        }

    async def audit(self, store: SQLProfileStore) -> None:
        """Compare what the database holds in the end with all that was said and promised.

        Every conversation must have been acknowledged its last submission.
        """
        for conversation in self.conversations:
            said = conversation.last_said
            assert conversation.acknowledged[-1:] == [said], "it ends with an acknowledged call"
        for user in {conversation.user for conversation in self.conversations}:
            theirs = [talk for talk in self.conversations if talk.user == user]
            profile = dict(await store.fetch(theirs[0].key))
            self.book.look_at(user, profile)
            expected = {
                **dict.fromkeys(COMMON, max(talk.last_said for talk in theirs)),
                **{slot: talk.last_said for talk in theirs for slot in talk.own},
            }
            self.book.lost += sum(
                slot not in profile or profile[slot]["number"] != number
                for slot, number in expected.items()
            )
            if self._remembers:
                await self._audit_history(store, theirs)

    async def _audit_history(self, store: SQLProfileStore, theirs: list[Conversation]) -> None:
        for talk in theirs:
            for slot in talk.own:
                kept = await store.history(talk.key, slot, limit=None)
                self.book.mixed += sum(write.value["user"] != talk.user for write in kept)
                numbers = {write.value["number"] for write in kept}
                self.book.lost += len(set(talk.acknowledged) - numbers)
