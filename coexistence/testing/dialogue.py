"""The course of a conversation: messages, sessions, routing sessions, flows, turns of actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coexistence.shared_slots import DomainSlots
from coexistence.system import ROUTING_SLOT, System
from coexistence.testing import checks
from coexistence.testing.errors import ImpossibleTurn
from coexistence.testing.processor import Processor
from coexistence.testing.responses import FIRST_WITH_COEXISTENCE
from coexistence.testing.runners import OK, REJECTED
from coexistence.testing.tracker import LISTEN, SESSION_METADATA, SESSION_START, stack_event

MOST_FOLLOWUPS = 10
"""Rasa's own limit of actions in a row that nobody but actions asked for."""


COMPLETED = "pattern_completed"
"""Rasa's own flow that comes when one of the assistant's has ended."""


class Dialogue:
    """What happens between one user and an assistant, in the order in which Rasa does it."""

    def __init__(
        self, processor: Processor, user_id: str | None, metadata: Mapping[str, Any]
    ) -> None:
        self.user_id = user_id
        self.metadata = dict(metadata)
        self._rasa = processor
        self._message_is_open = False
        self._heard_at: float | None = None
        self._collected: list[str] = []

    @property
    def system(self) -> System:
        """The system that the routing session is with."""
        return System.of_slot(self._rasa.tracker.slots.get(ROUTING_SLOT))

    def check_system(self, wanted: System) -> None:
        """Raise when the router could not pick a system now.

        Raises:
            ImpossibleTurn: when the other system has the conversation, or Rasa has no CALM.
        """
        rasa = self._rasa
        if wanted is System.CALM and rasa.version < FIRST_WITH_COEXISTENCE:
            raise ImpossibleTurn(
                f"Rasa {rasa.rasa_version} has no CALM beside NLU; use nlu_turn()."
            )
        if self.system not in {System.NONE, wanted}:
            raise ImpossibleTurn(
                f"The routing session is with {self.system.name}: Rasa routes anew only after "
                "reset_routing()."
            )

    def hear(
        self,
        text: str,
        intent: str | None,
        slots: Mapping[str, Any],
        metadata: Mapping[str, Any] | None,
    ) -> None:
        """Log a message of the user, after the start of a session where one is due.

        Raises:
            ImpossibleTurn: when it is to fill a slot that it cannot fill so.
        """
        domain = self._rasa.domain
        checks.check_filled(slots, DomainSlots(domain.raw))
        self.open_message()
        self._message_is_open = False
        sent = self._sent(metadata or {})
        if self._session_is_due():
            self.start_session(metadata)
        parsed = {
            "text": text,
            "intent": {"name": intent, "confidence": 1.0},
            "entities": domain.entities(slots),
            "metadata": sent,
        }
        self._rasa.apply({"event": "user", "text": text, "parse_data": parsed, "metadata": sent})
        self._heard_at = self._rasa.clock.now

    def open_message(self) -> None:
        """Do what Rasa does between messages, once: wait, and load the newest session only."""
        tracker = self._rasa.tracker
        if tracker.events and tracker.events[-1].get("name") != LISTEN:
            self._rasa.listen()
        if not self._message_is_open:
            tracker.keep_newest_session()
            self._message_is_open = True

    def start_session(
        self, metadata: Mapping[str, Any] | None = None, carry_over: bool | None = None
    ) -> None:
        """Begin a session, as the domain says or with `carry_over`."""
        domain = self._rasa.domain
        if carry_over is not None:
            domain = domain.carrying_over(carry_over)
        sent = self._sent(metadata or {})
        if sent:
            self._rasa.apply({"event": "slot", "name": SESSION_METADATA, "value": sent})
        self._rasa.run(SESSION_START, domain=domain)
        self._heard_at = None
        self._collected.clear()

    def route(self, to_calm: bool) -> None:
        """Begin a routing session where none is on."""
        if self._rasa.domain.routes and self.system is System.NONE:
            self._rasa.apply({"event": "slot", "name": ROUTING_SLOT, "value": to_calm})

    def start_flow(self, flow: str) -> None:
        """Put a flow on the stack, unless it is there."""
        stack = self._rasa.tracker.stack
        if not any(frame.get("flow_id") == flow for frame in stack):
            frame = {"frame_type": "flow", "flow_id": flow, "step_id": "START"}
            self._rasa.apply(stack_event(*stack, frame))
            self._rasa.apply({"event": "flow_started", "flow_id": flow})

    def collect(self, slots: Mapping[str, Any]) -> None:
        """Fill slots by commands of CALM; the flow resets them when it ends.

        Raises:
            ImpossibleTurn: when no flow is running that could ask for one.
        """
        if self._flow is None:
            checks.check_collected(slots, DomainSlots(self._rasa.domain.raw))
        for name, value in slots.items():
            self._rasa.apply({"event": "slot", "name": name, "value": value})
            self._collected.append(name)

    def check_flow_ends(self, slots: Iterable[str], persisted: Iterable[str]) -> None:
        """Raise when no flow could end so now.

        Raises:
            ImpossibleTurn: when none is running, or the domain lacks a slot.
        """
        if self._flow is None:
            raise ImpossibleTurn(
                "No flow is running that could end; one starts with calm_turn(..., flow=...)."
            )
        checks.check_ended([*slots, *persisted], persisted, self._rasa.tracker.slots)

    def end_flow(self, slots: Iterable[str], persisted: Iterable[str], how: str) -> None:
        """Reset slots (all that were collected when none is named), and tell that a flow ended."""
        tracker, kept, flow = self._rasa.tracker, set(persisted), self._flow
        for slot in dict.fromkeys([*slots] or self._collected):
            if slot not in kept:
                self._rasa.apply(
                    {
                        "event": "slot",
                        "name": slot,
                        "value": tracker.initial_value(slot),
                        "metadata": {"reset": True},
                    }
                )
        self._collected.clear()
        if flow is not None:
            self._rasa.apply({"event": how, "flow_id": flow, "step_id": "END"})

    def run(self, names: Sequence[str], status: int) -> None:
        """Run actions in order, each followed by those that it asked for.

        Raises:
            ImpossibleTurn: when no turn has begun, or it is over before the last of them.
        """
        tracker = self._rasa.tracker
        if names and not tracker.events:
            raise ImpossibleTurn(
                f"{', '.join(names)} would not run: the conversation has not begun. Rasa acts on a "
                "message; begin with nlu_turn() or calm_turn()."
            )
        if names and tracker.followup_action == LISTEN:
            raise _over(names, "the routing session ended, and with it the turn")
        for number, name in enumerate(names, 1):
            call = self._rasa.run(name, status=status if number == len(names) else OK)
            failed = call.status not in {OK, REJECTED} and self._in_flow
            if failed:
                self._break_off()
            self._follow_up()
            left = names[number:]
            if left and (failed or tracker.followup_action == LISTEN):
                raise _over(left, f"{name} ended the turn")

    def _follow_up(self) -> None:
        """Run what actions asked for, until none asks or one ends the turn."""
        for _ in range(MOST_FOLLOWUPS):
            followup = self._rasa.tracker.followup_action
            if followup in {None, LISTEN}:
                return
            self._rasa.run(str(followup))
            if followup == SESSION_START:
                self._heard_at = None
        raise ImpossibleTurn(
            f"More than {MOST_FOLLOWUPS} actions in a row asked for the next one; Rasa stops there."
        )

    def _break_off(self) -> None:
        """Cancel the flow whose action failed, as `pattern_internal_error` does."""
        self.end_flow((), (), "flow_cancelled")
        pattern = {"frame_type": "pattern_internal_error", "flow_id": "pattern_internal_error"}
        self._rasa.apply(stack_event(pattern))
        self._rasa.apply(stack_event())

    @property
    def _flow(self) -> str | None:
        """The flow that is running; what Rasa says after the end of one is none."""
        running = (str(frame.get("flow_id")) for frame in reversed(self._rasa.tracker.stack))
        return next((flow for flow in running if flow != COMPLETED), None)

    @property
    def _in_flow(self) -> bool:
        return bool(self._rasa.tracker.stack) and self.system is not System.NLU

    def _session_is_due(self) -> bool:
        if not self._rasa.tracker.applied_events():
            return True
        expiry, heard = self._rasa.domain.expires_after, self._heard_at
        return expiry is not None and heard is not None and self._rasa.clock.now - heard > expiry

    def _sent(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Return the metadata with which a message comes."""
        told = {} if self.user_id is None else {"user_id": self.user_id}
        return {**told, **self.metadata, **metadata}


def _over(names: Sequence[str], why: str) -> ImpossibleTurn:
    return ImpossibleTurn(
        f"{', '.join(names)} would not run: {why}. In Rasa nothing comes after that before the "
        "user speaks again."
    )
