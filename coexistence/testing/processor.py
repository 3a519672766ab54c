"""Rasa's part in a test: calls actions, judges their answers, and applies what Rasa would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coexistence.shared_slots import DomainSlots
from coexistence.system import RESET_ACTION
from coexistence.testing import defaults, responses
from coexistence.testing.clock import TICK_SECONDS, Clock
from coexistence.testing.domain import Domain
from coexistence.testing.errors import (
    ActionFailed,
    ImpossibleTurn,
    MessageAborted,
    ResponseRefused,
)
from coexistence.testing.runners import OK, REJECTED, Answer, Runner, ask
from coexistence.testing.tracker import LISTEN, ConversationTracker, Event

_UTTER = "utter_"
_MESSAGE_PARTS = ("text", "image", "attachment", "custom", "buttons", "elements")


class Call(NamedTuple):
    """One action that was run: the HTTP status, and the events and messages that Rasa took.

    Status None stands for an answer that did not come or was no JSON.
    """

    action: str
    status: int | None
    events: list[Event]
    messages: list[dict[str, Any]]


class Processor:
    """One conversation's tracker, and the rules by which Rasa changes it.

    What Rasa refuses or drops raises, unless `lenient`; then it is dropped, and noted in
    `problems`.
    """

    def __init__(
        self,
        tracker: ConversationTracker,
        domain: Domain,
        runner: Runner,
        clock: Clock,
        rasa_version: str,
    ) -> None:
        self.tracker = tracker
        self.domain = domain
        self.clock = clock
        self.rasa_version = rasa_version
        self.version = responses.version_of(rasa_version)
        self.lenient = False
        self.calls: list[Call] = []
        self.applied: list[Event] = []
        self.problems: list[str] = []
        self._runner = runner

    def apply(self, event: Mapping[str, Any]) -> None:
        """Apply an event at the clock's next tick, as Rasa stamps what an action returns."""
        self.tracker.apply(event, self.clock.tick())
        self.applied.append(self.tracker.events[-1])

    def listen(self) -> None:
        """Wait for the user, from the moment on at which the last thing happened."""
        at = self.tracker.events[-1]["timestamp"] + TICK_SECONDS
        self.clock.now = max(self.clock.now, at)
        self.tracker.apply({"event": "action", "name": LISTEN}, at)
        self.applied.append(self.tracker.events[-1])

    def run(self, action: str, *, status: int = OK, domain: Domain | None = None) -> Call:
        """Run an action: at the action server where the domain lists it, else Rasa's own.

        Raises:
            ActionFailed: when its HTTP status is not the expected one.
            ResponseRefused: when Rasa refuses its answer or ignores a part of it.
            ImpossibleTurn: when there is no such action.
        """
        domain = domain or self.domain
        if domain.lists(action):
            call = self._at_server(action, status, domain)
        elif action.startswith(_UTTER):
            call = self._utter(action)
        elif action in defaults.DEFAULT_ACTIONS:
            self._check_default(action)
            events = defaults.events_of(action, self.tracker, carries_over=domain.carries_over)
            call = Call(action, OK, events, [])
        else:
            raise ImpossibleTurn(
                f"The domain does not list {action} under `actions`, so that Rasa would not call "
                "it; list it."
            )
        self._log(call)
        return call

    def extract(self, slots: Mapping[str, Any], calm: bool) -> None:
        """Fill slots from the message at hand, and run the actions of every turn.

        In the order of the domain's slots; what they return is applied when all have run.
        """
        filled: list[Event] = []
        done: set[str] = set()
        for slot in self.domain.slots:
            if slot in slots:
                filled.append({"event": "slot", "name": slot, "value": slots[slot]})
                continue
            for mapping in self.domain.every_turn:
                if (
                    mapping.slot == slot
                    and mapping.action not in done
                    and self._runs(mapping.shared, mapping.system, calm)
                ):
                    done.add(mapping.action)
                    filled.extend(self._every_turn(mapping.action))
        for event in filled:
            self.apply(event)

    def _runs(self, shared: bool, system: str | None, calm: bool) -> bool:
        """Return whether a mapping's slot lets its action run in this turn's system."""
        if shared or not self.domain.routes:
            return True
        return not calm and system != "CALM"

    def _every_turn(self, action: str) -> list[Event]:
        answer = self._ask(action, self.domain)
        if answer.status is None:
            raise MessageAborted(
                f"{action} runs on every turn, and its answer did not come or was no JSON "
                f"({type(answer.error).__name__}): Rasa drops the user's whole message. Such an "
                "action must answer whatever happens."
            ) from answer.error
        if answer.status != OK:
            self._check_refusal(action, answer, MessageAborted)
            self._object(ActionFailed, _failed(action, answer, OK), answer.error)
            self.calls.append(Call(action, answer.status, [], []))
            return []
        refused = responses.violations(answer.body, self.version)
        if refused:
            raise MessageAborted(
                f"{action} runs on every turn, and Rasa drops the user's whole message for its "
                f"answer: {' '.join(refused)}"
            )
        events: list[Event] = answer.body.get("events", [])
        kept = [event for event in events if event["event"] == "slot"]
        reasons = [
            *answer.notes,
            *(
                f"events[{number}] is a {event['event']} event: of an action that runs on every "
                "turn Rasa keeps slot events only."
                for number, event in enumerate(events)
                if event["event"] != "slot"
            ),
            *self._ignored(kept),
        ]
        if reasons:
            self._object(ResponseRefused, f"{action}: {' '.join(reasons)}")
        # its messages may be dropped: no test should count on them
        self.calls.append(Call(action, OK, kept, []))
        return kept

    def _at_server(self, action: str, status: int, domain: Domain) -> Call:
        answer = self._ask(action, domain)
        if answer.status != status:
            self._object(ActionFailed, _failed(action, answer, status), answer.error)
        if answer.status != OK:
            self._check_refusal(action, answer, ResponseRefused)
            return Call(action, answer.status, [], [])
        refused = responses.violations(answer.body, self.version)
        if refused:
            self._object(
                ResponseRefused,
                f"Rasa refuses the answer of {action}, and drops all of it: {' '.join(refused)}",
            )
            return Call(action, None, [], [])
        events = answer.body.get("events", [])
        reasons = [*answer.notes, *self._ignored(events)]
        messages = []
        for message in answer.body.get("responses", []):
            said = self._generated(message)
            if said is None:
                reasons.append(
                    f"The domain has no response {message['response']}: Rasa says nothing."
                )
            else:
                messages.append(said)
        if reasons:
            self._object(ResponseRefused, f"{action}: {' '.join(reasons)}")
        return Call(action, OK, events, messages)

    def _ask(self, action: str, domain: Domain) -> Answer:
        """Call the action server, again with the domain when it asks for it (449)."""
        tracker = self.tracker.as_sent()
        body: dict[str, Any] = {
            "next_action": action,
            "sender_id": self.tracker.sender_id,
            "tracker": tracker,
            "version": self.rasa_version,
        }
        if self.version < responses.FIRST_WITH_COEXISTENCE:
            # as observed of Rasa Open Source 3.6
            del tracker["user_id"], tracker["stack"]
            return self._runner.call({**body, "domain": domain.raw})
        return ask(self._runner, body, domain)

    def _log(self, call: Call) -> None:
        """Apply a call as Rasa logs it: the action, what it said, its events."""
        self.calls.append(call)
        if call.status == REJECTED:
            self.apply({"event": "action_execution_rejected", "name": call.action})
            return
        self.apply({"event": "action", "name": call.action})
        for message in call.messages:
            self.apply({"event": "bot", "text": message.get("text"), "data": message})
        for event in call.events:
            self.apply(event)

    def _utter(self, response: str) -> Call:
        text = self.domain.response(response, self.tracker.slots)
        if text is None:
            raise ImpossibleTurn(f"The domain has no response {response}; add it to `responses`.")
        return Call(response, OK, [], [{"text": text}])

    def _generated(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a message as users get it; None when its response is not in the domain."""
        said = {part: message[part] for part in _MESSAGE_PARTS if message.get(part)}
        name = message.get("response")
        if name:
            text = self.domain.response(name, {**self.tracker.slots, **message})
            if text is None:
                return None
            said.setdefault("text", text)
        return said

    def _ignored(self, events: Sequence[Event]) -> list[str]:
        return responses.ignored(events, DomainSlots(self.domain.raw), self.tracker.slots)

    def _check_default(self, action: str) -> None:
        if action == RESET_ACTION and self.version < responses.FIRST_WITH_COEXISTENCE:
            raise ImpossibleTurn(
                f"Rasa {self.rasa_version} has no {action} of its own; list it under `actions`."
            )

    def _check_refusal(
        self, action: str, answer: Answer, error: type[ResponseRefused | MessageAborted]
    ) -> None:
        """Raise when a 400 is none that Rasa's client can read."""
        if answer.status == REJECTED and not (
            isinstance(answer.body, dict) and "action_name" in answer.body
        ):
            raise error(
                f"{action} was answered with status 400 and without `action_name` in a JSON body, "
                "on which Rasa's client breaks; refuse with 401, 403, 413 or 503."
            )

    def _object(
        self, error: type[AssertionError], problem: str, cause: BaseException | None = None
    ) -> None:
        if not self.lenient:
            raise error(problem) from cause
        self.problems.append(problem)


def _failed(action: str, answer: Answer, expected: int) -> str:
    got = "no answer" if answer.status is None else f"status {answer.status}"
    why = f" ({type(answer.error).__name__})" if answer.error is not None else ""
    if isinstance(answer.body, dict) and isinstance(answer.body.get("error"), str):
        why = f" ({json.dumps(answer.body['error'])})"
    return f"{action} was expected to answer with status {expected}, and came to {got}{why}."
