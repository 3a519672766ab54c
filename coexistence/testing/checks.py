"""What a test may ask for: its slots and events are looked at before anything is applied.

No sentence repeats a value; the values may have come from users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from coexistence.shared_slots import DomainSlots
from coexistence.system import ROUTING_SLOT
from coexistence.testing import responses
from coexistence.testing.errors import ImpossibleTurn

_BY_HAND = 'apply({"event": "slot", "name": ..., "value": ...})'


def check_filled(slots: object, declared: DomainSlots) -> None:
    """Check what a user message is to fill.

    Stricter than Rasa on types: its text slots take any value, but a number in one is a slip of
    the test far more often than an entity that is a number.

    Raises:
        ImpossibleTurn: when it is no mapping, or a slot cannot be filled so.
    """
    if not isinstance(slots, Mapping):
        raise ImpossibleTurn(
            '`slots` maps names to values, as in slots={"customer_name": "Ann"}; here it is a '
            f"{type(slots).__name__}."
        )
    for slot, value in slots.items():
        if slot not in declared:
            raise ImpossibleTurn(
                f"Slot {slot} cannot be filled: the domain lacks it. Declare it under `slots`, or "
                "correct its name."
            )
        if slot == ROUTING_SLOT:
            raise ImpossibleTurn(
                f"{slot} is the router's, and no message fills it: nlu_turn() and calm_turn() set "
                "it, and reset_routing() makes it null."
            )
        refusal = declared[slot].refusal(value)
        if refusal is not None:
            raise ImpossibleTurn(
                f"Slot {slot} cannot be filled: {refusal}. Correct the value; one that an action "
                f"or an entity brings nevertheless is applied by hand, with {_BY_HAND}."
            )


def check_collected(slots: Iterable[str], declared: DomainSlots) -> None:
    """Check what is to be filled while no flow is running: CALM ignores what no flow asks for.

    Raises:
        ImpossibleTurn: when only a flow could collect a slot: NLU does not extract it.
    """
    for slot in slots:
        if all(mapping.get("type") == "from_llm" for mapping in declared[slot].mappings):
            raise ImpossibleTurn(
                f"Slot {slot} would not be filled: no flow is running that asks for it. Say which "
                "one, with calm_turn(..., flow=...)."
            )


def check_ended(slots: Iterable[str], persisted: object, known: Iterable[str]) -> None:
    """Check which slots a flow is to reset, and which it is to leave.

    Raises:
        ImpossibleTurn: when the domain lacks one, or `persisted` is a single name.
    """
    if isinstance(persisted, str):
        raise ImpossibleTurn('`persisted` is a list of names, as in persisted=["customer_name"].')
    names = set(known)
    for slot in slots:
        if slot not in names:
            raise ImpossibleTurn(
                f"Slot {slot} is not in the domain, so that no flow resets or persists it; "
                "correct its name."
            )


def check_events(
    events: Sequence[object], slots: DomainSlots, known: Iterable[str], rasa: responses.Version
) -> None:
    """Check events that a test applies by hand, as Rasa checks those of an action.

    Raises:
        ImpossibleTurn: when Rasa would refuse or ignore one.
    """
    given = [dict(event) if isinstance(event, Mapping) else event for event in events]
    reasons = responses.violations({"events": given}, rasa)
    if not reasons:
        accepted = [event for event in given if isinstance(event, dict)]
        reasons = responses.ignored(accepted, slots, known)
    if reasons:
        raise ImpossibleTurn(
            f"Rasa takes no such events: {' '.join(reasons)} apply() takes them one by one, as "
            f"actions return them: {_BY_HAND}."
        )
