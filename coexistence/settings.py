"""Settings of the Rasa side, in the same `profile_store:` section of `endpoints.yml`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import pydantic

from coexistence.identity import METADATA_PREFIX, SENDER_ID, USER_ID
from coexistence.shared_slots import RASA_SLOTS
from profile_store import InvalidSettings, endpoints
from profile_store import settings as store_settings


def _identity_rule(rule: str) -> str:
    if rule in {USER_ID, SENDER_ID}:
        return rule
    if rule.startswith(METADATA_PREFIX) and len(rule) > len(METADATA_PREFIX):
        return rule
    raise ValueError(f"write {USER_ID}, {SENDER_ID} or {METADATA_PREFIX}<key>")


class SharedSlotSettings(pydantic.BaseModel):
    """Which slots are shared beside those that the domain flags `shared_for_coexistence`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    include: list[str] = pydantic.Field(
        default_factory=list,
        description="Slots that are kept though the domain does not flag them.",
    )
    exclude: list[str] = pydantic.Field(
        default_factory=list, description="Slots that are not kept though the domain flags them."
    )

    @pydantic.model_validator(mode="after")
    def _possible(self) -> SharedSlotSettings:
        for slot in self.include:
            if slot in self.exclude:
                raise ValueError(f"slot {slot} is both included and excluded; remove one of them")
            if slot in RASA_SLOTS:
                raise ValueError(f"slot {slot} is Rasa's own and never kept; do not include it")
        return self


class Settings(store_settings.StoreSettings):
    """Everything that `profile_store:` in `endpoints.yml` may say."""

    identity: list[Annotated[str, pydantic.AfterValidator(_identity_rule)]] = pydantic.Field(
        default_factory=lambda: [USER_ID, SENDER_ID],
        min_length=1,
        description="Who a user is, first present wins: `user_id` (Rasa's, from the message "
        "metadata), `sender_id` (the conversation), `metadata:<key>`.",
    )
    shared_slots: SharedSlotSettings = pydantic.Field(
        default_factory=SharedSlotSettings,
        description="`include` and `exclude`: lists of slots, beside what the domain flags.",
    )
    max_body_bytes: int = pydantic.Field(
        default=33_554_432,
        ge=1024,
        le=104_857_600,
        description="The largest request answered, in bytes, inflated if it came deflated; "
        "it grows with the conversation.",
    )


def load(path: Path | None = None) -> Settings:
    """Return the settings of the environment and of an endpoints file.

    Without a path that is `PROFILE_STORE_ENDPOINTS`, or the `--endpoints` that the action server
    was started with, or `endpoints.yml`.

    Raises:
        profile_store.InvalidSettings: one line that names each setting that is impossible.
    """
    if path is None and not os.environ.get(endpoints.ENDPOINTS_VARIABLE):
        path = _from_command_line(sys.argv)
    _refuse_unknown_variables()
    return store_settings.make(Settings, endpoints.read_section(path))


def _refuse_unknown_variables() -> None:
    """Raise when the environment sets what is no setting: the one meant would not be set."""
    prefix = store_settings.ENV_PREFIX
    known = {f"{prefix}{name.upper()}" for name in Settings.model_fields}
    for variable in sorted(os.environ):
        if (
            variable.startswith(prefix)
            and variable != endpoints.ENDPOINTS_VARIABLE
            and variable not in known
        ):
            raise InvalidSettings(
                f"{variable}: no such setting; correct or unset it. {store_settings.LISTED}"
            )


def _from_command_line(arguments: list[str]) -> Path | None:
    for position, argument in enumerate(arguments):
        if argument == "--endpoints" and position + 1 < len(arguments):
            return Path(arguments[position + 1])
        if argument.startswith("--endpoints="):
            return Path(argument.partition("=")[2])
    return None
