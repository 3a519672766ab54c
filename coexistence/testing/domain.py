"""A domain as Rasa reads it: a mapping, a YAML file, or a folder of them merged into one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from coexistence.system import ROUTING_SLOT
from coexistence.testing.errors import ImpossibleTurn

DomainSource = Mapping[str, Any] | str | Path

DEFAULT_EXPIRY_MINUTES = 60
"""Rasa's own `session_expiration_time` where a domain says nothing."""


class EveryTurn(NamedTuple):
    """A slot mapping that makes Rasa call an action on user messages."""

    slot: str
    action: str
    shared: bool
    system: str | None


class Domain:
    """What the kit asks a domain; `raw` is what is sent to the action server."""

    def __init__(self, source: DomainSource) -> None:
        """Read a domain.

        Raises:
            ImpossibleTurn: when there is none, or it is not YAML, or not a mapping.
        """
        self.raw: dict[str, Any] = (
            dict(source) if isinstance(source, Mapping) else _read(Path(source))
        )
        self.slots: dict[str, Mapping[str, Any]] = {
            name: spec or {} for name, spec in (self.raw.get("slots") or {}).items()
        }
        self._actions = {
            next(iter(listed)) if isinstance(listed, Mapping) else listed
            for listed in self.raw.get("actions") or ()
        }
        self.routes = ROUTING_SLOT in self.slots
        self.every_turn = [
            EveryTurn(
                slot,
                action,
                spec.get("shared_for_coexistence") is True,
                mapping.get("coexistence_system"),
            )
            for slot, spec in self.slots.items()
            for mapping in spec.get("mappings") or ()
            if mapping.get("type") in {"controlled", "custom"}
            and (action := mapping.get("run_action_every_turn") or mapping.get("action"))
        ]

    def lists(self, action: str) -> bool:
        """Return whether the domain has an action under `actions`: Rasa calls the server for it."""
        return action in self._actions

    @property
    def carries_over(self) -> bool:
        """Whether a new session takes over the slots of the one before; Rasa's default is true."""
        return bool(self._session.get("carry_over_slots_to_new_session", True))

    @property
    def expires_after(self) -> float | None:
        """Seconds of silence after which a session is over; None when sessions never expire."""
        minutes = float(self._session.get("session_expiration_time", DEFAULT_EXPIRY_MINUTES))
        return minutes * 60 if minutes > 0 else None

    @property
    def digest(self) -> str:
        """What Rasa sends instead of a domain that the action server may know already."""
        return hashlib.sha256(json.dumps(self.raw, default=str).encode()).hexdigest()

    def carrying_over(self, carry_over: bool) -> Domain:
        """Return the same domain with another `carry_over_slots_to_new_session`."""
        session = {**self._session, "carry_over_slots_to_new_session": carry_over}
        return Domain({**self.raw, "session_config": session})

    def entities(self, slots: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the entities from which NLU would fill these slots, by their mappings."""
        return [
            {"entity": mapping["entity"], "value": value}
            for slot, value in slots.items()
            for mapping in self.slots[slot].get("mappings") or ()
            if mapping.get("type") == "from_entity"
        ]

    def response(self, name: str, slots: Mapping[str, Any]) -> str | None:
        """Return the text of a response, slots filled in; None when the domain has none."""
        variations = (self.raw.get("responses") or {}).get(name) or ()
        # one whose condition holds goes before one without any
        for variation in sorted(variations, key=lambda one: not one.get("condition")):
            if all(
                slots.get(condition.get("name")) == condition.get("value")
                for condition in variation.get("condition") or ()
            ):
                return _filled(str(variation.get("text") or ""), slots)
        return None

    @property
    def _session(self) -> Mapping[str, Any]:
        return self.raw.get("session_config") or {}


def _filled(text: str, slots: Mapping[str, Any]) -> str:
    for name, value in slots.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def _read(path: Path) -> dict[str, Any]:
    if path.is_dir():
        parts = sorted(p for p in path.rglob("*") if p.suffix in {".yml", ".yaml"})
    else:
        parts = [path]
    merged: dict[str, Any] = {}
    for part in parts:
        for section, content in _load(part).items():
            merged[section] = _merged(merged.get(section), content)
    if not merged:
        raise ImpossibleTurn(f"{path}: there is no domain; give its file, its folder or a mapping.")
    return merged


def _merged(one: Any, other: Any) -> Any:
    """Return two files' content of one section, as Rasa merges them: mappings and lists add up."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **other}
    if isinstance(one, list) and isinstance(other, list):
        return [*one, *(item for item in other if item not in one)]
    return one if other is None else other


def _load(path: Path) -> dict[str, Any]:
    try:
        loaded = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImpossibleTurn(f"{path}: the domain cannot be read: {error.strerror}.") from error
    except YAMLError as error:
        raise ImpossibleTurn(f"{path}: the domain is not valid YAML: {error}") from error
    if not isinstance(loaded, dict | None):
        raise ImpossibleTurn(f"{path}: a domain is a mapping of sections, such as `slots:`.")
    return loaded or {}
