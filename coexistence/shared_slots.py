"""The slots of a domain: which both systems share, and what values each takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import msgspec

from coexistence.system import ROUTING_SLOT

# Slots that Rasa fills for itself (rasa 3.6 and rasa-pro 3.21): never part of a profile.
RASA_SLOTS = frozenset(
    {
        ROUTING_SLOT,
        "requested_slot",
        "session_started_metadata",
        "knowledge_base_listed_objects",
        "knowledge_base_last_object",
        "knowledge_base_last_object_type",
        "dialogue_stack",
        "flow_hashes",
        "mocked_datetime",
        "return_value",
        "context",
    }
)

STATUS_SLOT = "profile_status"
"""The text slot in which the profile actions say how it went, where the domain declares it."""

FORGET_SLOT = "profile_forget"
"""The slot that names what `action_forget_profile` erases, where the domain declares it."""


class SlotSpec(msgspec.Struct, frozen=True):
    """One slot as the domain declares it."""

    name: str
    kind: str = "any"
    flagged: bool = False
    initial_value: Any = None
    choices: tuple[str, ...] = ()
    mappings: tuple[Mapping[str, Any], ...] = ()

    def refusal(self, value: Any) -> str | None:
        """Return why a value is none for this slot, without the value; None when it is one.

        The types are those of Rasa's domain; a type of the assistant's own takes any value.
        """
        if value is None or (self.kind == "text" and type(value) is str):
            return None
        fits = _CHECKS.get(self.kind)
        if fits is not None and not fits(value):
            return f"a {type(value).__name__} is no value for a slot of type {self.kind}"
        if self.kind == "strict_categorical" and _choice(value) not in self.choices:
            return "the value is not among those that the domain lists for it"
        return None

    def own(self, value: Any) -> Any:
        """Return a stored value as this slot has it: a number of a float slot as a float."""
        return float(value) if self.kind == "float" and type(value) is int else value

    def filled_by(self, message: Mapping[str, Any], in_loop: bool) -> bool:
        """Return whether the slot's mappings take a value out of this user message."""
        return any(_applies(mapping, message, in_loop) for mapping in self.mappings)


def _choice(value: Any) -> str:
    """Return what Rasa compares of a categorical slot's value; over gRPC, 3 came as 3.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "float": _is_number,
    "list": lambda value: isinstance(value, list),
    "categorical": lambda value: isinstance(value, str | int | float),
    "strict_categorical": lambda value: isinstance(value, str | int | float),
}


def _applies(mapping: Mapping[str, Any], message: Mapping[str, Any], in_loop: bool) -> bool:
    kind = mapping.get("type")
    if kind == "from_entity":
        return any(
            isinstance(entity, Mapping) and entity.get("entity") == mapping.get("entity")
            for entity in message.get("entities") or ()
        )
    if kind in {"from_intent", "from_trigger_intent"}:
        intent = message.get("intent")
        named = intent.get("name") if isinstance(intent, Mapping) else None
        wanted = mapping.get("intent")
        return named in wanted if isinstance(wanted, list) else wanted in {None, named}
    return kind == "from_text" and (in_loop or not mapping.get("conditions"))


class DomainSlots(Mapping[str, SlotSpec]):
    """All slots of a domain, in its order, and which of them are shared.

    Shared are those flagged `shared_for_coexistence: true`, and those that the settings include;
    never those that the settings exclude, the routing slot, or Rasa's own.
    """

    def __init__(
        self,
        domain: Mapping[str, Any],
        include: Collection[str] = (),
        exclude: Collection[str] = (),
    ) -> None:
        declared = domain.get("slots")
        self._specs = (
            {
                str(name): _spec(str(name), spec if isinstance(spec, Mapping) else {})
                for name, spec in declared.items()
            }
            if isinstance(declared, Mapping)
            else {}
        )
        self.any_flagged = any(spec.flagged for spec in self._specs.values())
        self.shared = {
            name: spec
            for name, spec in self._specs.items()
            if (spec.flagged or name in include)
            and name not in exclude
            and name not in RASA_SLOTS
            and name not in {STATUS_SLOT, FORGET_SLOT}
        }
        session = domain.get("session_config")
        carry = (
            session.get("carry_over_slots_to_new_session") if isinstance(session, Mapping) else None
        )
        self.carries_over = carry is None or bool(carry)

    def __getitem__(self, name: str) -> SlotSpec:
        return self._specs[name]

    def __contains__(self, name: object) -> bool:
        return name in self._specs

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)


def _spec(name: str, declared: Mapping[str, Any]) -> SlotSpec:
    kind = declared.get("type")
    choices = declared.get("values")
    mappings = declared.get("mappings")
    return SlotSpec(
        name=name,
        kind=kind if isinstance(kind, str) else "any",
        flagged=declared.get("shared_for_coexistence") is True,
        initial_value=declared.get("initial_value"),
        choices=tuple(_choice(choice) for choice in choices) if isinstance(choices, list) else (),
        mappings=tuple(mapping for mapping in mappings if isinstance(mapping, Mapping))
        if isinstance(mappings, list)
        else (),
    )


class DomainCache:
    """The newest domain, read once: Rasa sends the same one with every call, or a digest of it."""

    def __init__(self, include: Collection[str] = (), exclude: Collection[str] = ()) -> None:
        self._include = frozenset(include)
        self._exclude = frozenset(exclude)
        self._newest: tuple[Mapping[str, Any], DomainSlots] | None = None

    def read(self, domain: Mapping[str, Any]) -> DomainSlots:
        """Return a domain's slots."""
        newest = self._newest
        if newest is not None:
            known, slots = newest
            if known is domain or (
                known.get("slots") == domain.get("slots")
                and known.get("session_config") == domain.get("session_config")
            ):
                return slots
        slots = DomainSlots(domain, self._include, self._exclude)
        self._newest = (domain, slots)
        return slots
