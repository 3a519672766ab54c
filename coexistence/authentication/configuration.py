"""What is accepted: from the endpoints file that Rasa reads, the environment and the settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic

from coexistence import settings
from coexistence.authentication.credentials import Credentials
from coexistence.authentication.sent import Sent
from coexistence.settings import Settings
from profile_store import InvalidSettings, endpoints

SECTION = "action_endpoint"
TOKENS_VARIABLE = "ACTION_SERVER_TOKEN"


def load(config: Settings) -> Credentials:
    """Return what is accepted; nothing, when no secret is set.

    Raises:
        profile_store.InvalidSettings: naming what of `action_endpoint` is impossible.
    """
    by_rasa = sent_by_rasa()
    names = {sent.token_name for sent in by_rasa} | {Sent.model_fields["token_name"].default}
    tokens = (token.strip() for token in os.environ.get(TOKENS_VARIABLE, "").split(","))
    further = [
        Sent(token=pydantic.SecretStr(token), token_name=name)
        for token in tokens
        if token
        for name in sorted(names)
    ]
    return Credentials([*by_rasa, *further, *config.also_accept])


def at_start(config: Settings) -> Credentials:
    """Return what is accepted; what is impossible ends the process with one line that names it."""
    try:
        return load(config)
    except InvalidSettings as impossible:
        sys.exit(f"rasa-coexistence: {impossible}")


def sent_by_rasa() -> list[Sent]:
    """Return what `action_endpoint` has Rasa send: one set of secrets, one a list entry, or none.

    Raises:
        profile_store.InvalidSettings: naming what of it is impossible.
    """
    section = endpoints.as_written(SECTION, settings.endpoints_file())
    entries = section if isinstance(section, list) else [section]
    return [
        sent
        for number, entry in enumerate(entries)
        if isinstance(entry, Mapping)
        for sent in _sent(entry, f"{SECTION}.{number}" if entries is section else SECTION)
    ]


def _sent(entry: Mapping[str, Any], where: str) -> Iterator[Sent]:
    # the rest is Rasa's own affair, and its variables need not be set here
    said = {
        name: endpoints.expand(entry[name], f"{where}.{name}")
        for name in Sent.model_fields
        if entry.get(name) not in (None, {})
    }
    if not {"token", "basic_auth", "headers"} & said.keys():
        return
    try:
        yield Sent(**said)
    except pydantic.ValidationError as error:
        problems = [
            problem
            for problem in error.errors(include_input=False, include_url=False)
            if problem["loc"]  # headers without a secret: there is none then
        ]
        if problems:
            raise InvalidSettings(_explained(where, problems)) from None


def _explained(where: str, problems: list[Any]) -> str:
    told = (
        f"{'.'.join([where, *map(str, problem['loc'])])}: "
        f"{problem['msg'].removeprefix('Value error, ')}"
        for problem in problems
    )
    return "; ".join(told) + ". docs/security.md shows how it is written."
