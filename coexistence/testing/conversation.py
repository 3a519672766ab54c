"""A conversation that a test spells turn by turn, with Rasa's part played and checked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from rasa_sdk import Tracker

from coexistence import events as tracker_events
from coexistence.errors import TokenRefused
from coexistence.identity import identify
from coexistence.shared_slots import DomainSlots
from coexistence.system import RESET_ACTION, System
from coexistence.testing.checks import check_events
from coexistence.testing.clock import Clock
from coexistence.testing.defaults import RESTART
from coexistence.testing.dialogue import COMPLETED, Dialogue
from coexistence.testing.domain import Domain, DomainSource
from coexistence.testing.errors import ImpossibleTurn
from coexistence.testing.processor import Call, Processor
from coexistence.testing.runners import OK, Actions, InProcess, OverHTTP, Runner
from coexistence.testing.tracker import ConversationTracker, Event, stack_event
from profile_store import ProfileKey

RASA_VERSION = "3.21.0"

ActionNames = str | Sequence[str]


class Reply(NamedTuple):
    """What a step came to: the events that were applied, what the bot said, the actions called."""

    events: list[Event]
    messages: list[str]
    calls: list[Call]

    @property
    def text(self) -> str:
        """All that the bot said, a line for each message."""
        return "\n".join(self.messages)

    @property
    def status(self) -> int | None:
        """The HTTP status of the last action; None when none was called, or it did not answer."""
        return self.calls[-1].status if self.calls else None


class Conversation:
    """One user's conversation with an assistant in coexistence.

    `actions` is a module or package (or its dotted name) or a list of action classes, which then
    run in this process on a private SQLite file in `folder`; or the `http://` address of an action
    server. `settings` are those of `profile_store:`. Rasa's part follows Rasa Pro 3.21, and Rasa
    Open Source 3.6 for an older `rasa_version`. Close it, or use it in a `with` block.

    What Rasa would refuse or silently drop raises an AssertionError, unless `lenient` is set.

    Raises:
        ImpossibleTurn: when there is no domain to read.
        ImportError: when the actions cannot be imported.
        profile_store.InvalidSettings: when the settings are impossible.
    """

    def __init__(
        self,
        domain: DomainSource,
        actions: Actions,
        *,
        settings: Mapping[str, Any] | None = None,
        folder: Path | None = None,
        sender_id: str = "conversation-1",
        user_id: str | None = "user-1",
        metadata: Mapping[str, Any] | None = None,
        rasa_version: str = RASA_VERSION,
        clock: Clock | None = None,
    ) -> None:
        read = Domain(domain)
        runner: Runner = (
            OverHTTP(actions)
            if isinstance(actions, str) and "://" in actions
            else InProcess(actions, settings=settings, folder=folder)
        )
        self._owns_runner = True
        self._begin(read, runner, clock or Clock(), rasa_version, sender_id, user_id, metadata)

    def _begin(
        self,
        domain: Domain,
        runner: Runner,
        clock: Clock,
        rasa_version: str,
        sender_id: str,
        user_id: str | None,
        metadata: Mapping[str, Any] | None,
    ) -> None:
        self.tracker = ConversationTracker(sender_id, domain.raw)
        self._runner = runner
        self._rasa = Processor(self.tracker, domain, runner, clock, rasa_version)
        self._dialogue = Dialogue(self._rasa, user_id, metadata or {})

    @property
    def slots(self) -> dict[str, Any]:
        """The slots as they are now."""
        return dict(self.tracker.slots)

    @property
    def system(self) -> System:
        """The system that the routing session is with."""
        return self._dialogue.system

    @property
    def clock(self) -> Clock:
        """Rasa's clock; a turn after a long enough silence starts a new session."""
        return self._rasa.clock

    @property
    def lenient(self) -> bool:
        """Whether what Rasa drops is dropped here too, noted in `problems`, instead of raising."""
        return self._rasa.lenient

    @lenient.setter
    def lenient(self, lenient: bool) -> None:
        self._rasa.lenient = lenient

    @property
    def problems(self) -> list[str]:
        """What would have raised, had the conversation not been lenient; one sentence each."""
        return self._rasa.problems

    @property
    def profile(self) -> dict[str, Any]:
        """What is stored about the user, for actions that run in this process.

        Raises:
            ImpossibleTurn: over HTTP, where the store is the action server's.
        """
        runner = self._in_process("profile")
        settings = runner.runtime.settings
        tracker = Tracker.from_dict(self.tracker.as_sent())
        tracker.user_id = self.tracker.user_id  # SDKs before 3.16 drop it
        try:
            found = identify(
                tracker, tracker_events.of(tracker), settings.identity, runner.runtime.tokens
            )
        except TokenRefused:
            return {}
        if found is None:
            return {}
        key = ProfileKey(settings.namespace, found.user_id)
        return dict(runner.wait(runner.runtime.store.fetch(key)))

    def nlu_turn(
        self,
        text: str,
        *,
        intent: str | None = None,
        slots: Mapping[str, Any] | None = None,
        action: ActionNames = (),
        sticky: bool = True,
        metadata: Mapping[str, Any] | None = None,
        status: int = OK,
    ) -> Reply:
        """Let the user say something that NLU handles: it fills slots, then actions run.

        Not sticky, the routing slot stays null. `status` is what the last action should answer.
        """
        self._dialogue.check_system(System.NLU)
        with self._step() as reply:
            self._dialogue.hear(text, intent, slots or {}, metadata)
            self._rasa.extract(slots or {}, calm=False)
            if sticky:
                self._dialogue.route(to_calm=False)
            self._dialogue.run(_names(action), status)
        return reply

    def calm_turn(
        self,
        text: str,
        *,
        flow: str | None = None,
        slots: Mapping[str, Any] | None = None,
        action: ActionNames = (),
        metadata: Mapping[str, Any] | None = None,
        status: int = OK,
    ) -> Reply:
        """Let the user say something that CALM handles: a flow starts or goes on, and acts.

        `status` is what the last action should answer; when that is no success, the flow is
        cancelled as by `pattern_internal_error`, or stalls on a rejection (400).
        """
        self._dialogue.check_system(System.CALM)
        with self._step() as reply:
            self._dialogue.hear(text, None, slots or {}, metadata)
            self._rasa.extract({}, calm=True)
            self._dialogue.route(to_calm=True)
            if flow is not None:
                self._dialogue.start_flow(flow)
            self._dialogue.collect(slots or {})
            self._dialogue.run(_names(action), status)
        return reply

    def run(self, action: str, *, status: int = OK) -> Reply:
        """Run one more action in the turn at hand.

        Raises:
            ImpossibleTurn: when there has been no turn yet, or a routing reset ended it.
        """
        with self._step() as reply:
            self._dialogue.run(_names(action), status)
        return reply

    def flow_ended(self, *slots: str, persisted: Iterable[str] = ()) -> Reply:
        """End the flow: slots go to their initial values, and `pattern_completed` is next.

        Without names these are all that CALM turns filled since the flow began, less `persisted`.

        Raises:
            ImpossibleTurn: when no flow is running, or the domain lacks one of the slots.
        """
        persisted = persisted if isinstance(persisted, str) else list(persisted)
        self._dialogue.check_flow_ends(slots, persisted)
        with self._step() as reply:
            self._dialogue.end_flow(slots, persisted, "flow_completed")
            pattern = {"frame_type": COMPLETED, "flow_id": COMPLETED}
            self._rasa.apply(stack_event(pattern))
        return reply

    def reset_routing(self) -> Reply:
        """End the routing session: at the action server where the domain lists the action."""
        return self.run(RESET_ACTION)

    def new_session(self, *, carry_over: bool | None = None) -> Reply:
        """Let the session expire: the next one starts, as the domain says or with `carry_over`."""
        with self._step() as reply:
            self._dialogue.open_message()
            self._dialogue.start_session(carry_over=carry_over)
        return reply

    def restart(self) -> Reply:
        """Let the user say `/restart`: the conversation begins anew, without carry-over."""
        with self._step() as reply:
            self._dialogue.hear("/restart", "restart", {}, None)
            self._dialogue.run([RESTART], OK)
        return reply

    def on_channel(self, sender_id: str, *, user_id: str | None = None) -> Conversation:
        """Return another conversation on the same store, of the same user unless told."""
        other = Conversation.__new__(Conversation)
        other._owns_runner = False
        rasa = self._rasa
        other._begin(
            rasa.domain, self._runner, rasa.clock, rasa.rasa_version,
            sender_id, user_id or self._dialogue.user_id, self._dialogue.metadata,
        )  # fmt: skip
        other.lenient = self.lenient
        return other

    def apply(self, *events: Mapping[str, Any]) -> None:
        """Apply events by hand, such as `active_loop`, for which there is no method.

        Raises:
            ImpossibleTurn: when Rasa would refuse or ignore one, were it an action's.
        """
        rasa = self._rasa
        slots = DomainSlots(rasa.domain.raw)
        check_events(events, slots, self.tracker.slots, rasa.version)
        for event in events:
            self._rasa.apply(event)

    def outage(self) -> contextlib.AbstractContextManager[None]:
        """Let the database be out of reach for a `with` block.

        Raises:
            ImpossibleTurn: over HTTP, where the store is the action server's.
        """
        return self._in_process("outage()").outage()

    def close(self) -> None:
        """Close the store; the other channels of this conversation end with it."""
        if self._owns_runner:
            self._runner.close()

    def __enter__(self) -> Conversation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _step(self) -> Iterator[Reply]:
        """Collect what happens in the block."""
        applied, called = len(self._rasa.applied), len(self._rasa.calls)
        reply = Reply([], [], [])
        yield reply
        reply.events.extend(self._rasa.applied[applied:])
        reply.calls.extend(self._rasa.calls[called:])
        reply.messages.extend(
            event["text"] for event in reply.events if event["event"] == "bot" and event["text"]
        )

    def _in_process(self, what: str) -> InProcess:
        if isinstance(self._runner, InProcess):
            return self._runner
        raise ImpossibleTurn(
            f"{what} is for actions that run in this process: over HTTP the store is the action "
            "server's."
        )


def _names(actions: ActionNames) -> Sequence[str]:
    return [actions] if isinstance(actions, str) else actions
