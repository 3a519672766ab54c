"""Settings of the Rasa side, in the same `profile_store:` section of `endpoints.yml`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from coexistence.authentication.sent import Sent
from coexistence.identity import JWT, METADATA_PREFIX, SENDER_ID, USER_ID
from coexistence.shared_slots import RASA_SLOTS
from profile_store import InvalidSettings, endpoints
from profile_store import settings as store_settings


def _identity_rule(rule: str) -> str:
    if rule in {USER_ID, SENDER_ID, JWT}:
        return rule
    if rule.startswith(METADATA_PREFIX) and len(rule) > len(METADATA_PREFIX):
        return rule
    raise ValueError(f"write {USER_ID}, {SENDER_ID}, {JWT} or {METADATA_PREFIX}<key>")


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


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Algorithm = Literal["RS256", "ES256", "HS256"]
Text = Annotated[str, pydantic.StringConstraints(min_length=1)]


class JwtSettings(pydantic.BaseModel):
    """How the rule `jwt` knows a user: which signed tokens it believes, and what it reads there."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    metadata_key: Text = pydantic.Field(
        default="token", description="The key of the message metadata that holds the token."
    )
    algorithms: Annotated[list[Algorithm], pydantic.BeforeValidator(_one_or_more)] = pydantic.Field(
        default=["RS256"],
        min_length=1,
        description="How tokens may be signed: `RS256`, `ES256`, or `HS256` alone.",
    )
    key: pydantic.SecretStr | None = pydantic.Field(
        default=None,
        description="The issuer's public key in PEM, or the secret of `HS256`: 32 bytes or more, "
        "better `${JWT_SECRET}` than in the file. One of the three, and only one.",
    )
    key_file: Path | None = pydantic.Field(
        default=None, description="A file with that key, read once, at the start."
    )
    jwks_file: Path | None = pydantic.Field(
        default=None,
        description="A file with a JSON Web Key Set, read again whenever it changes; the token's "
        "`kid` names its key.",
    )
    audience: Annotated[list[Text], pydantic.BeforeValidator(_one_or_more)] = pydantic.Field(
        default_factory=list,
        description="Whom a token must be for (`aud`): a name, or a list of which one must be "
        "there. Without it a token that is for somebody is refused.",
    )
    issuer: Text | None = pydantic.Field(
        default=None, description="Who must have issued a token (`iss`)."
    )
    claim: Text = pydantic.Field(
        default="sub", description="The claim that is the user id: text, or a whole number."
    )
    leeway: float = pydantic.Field(
        default=30.0,
        ge=0,
        le=300,
        description="Seconds by which the issuer's clock may differ from this server's.",
    )

    @pydantic.model_validator(mode="after")
    def _possible(self) -> JwtSettings:
        if [self.key, self.key_file, self.jwks_file].count(None) != 2:
            raise ValueError("give one of key, key_file and jwks_file, and only one")
        if "HS256" in self.algorithms and set(self.algorithms) != {"HS256"}:
            # Else a token signed with a key that everybody may read could pass for one of HS256.
            raise ValueError(
                "HS256 goes with no other of the algorithms; a secret is no public key"
            )
        return self


class Settings(store_settings.StoreSettings):
    """Everything that `profile_store:` in `endpoints.yml` may say."""

    identity: list[Annotated[str, pydantic.AfterValidator(_identity_rule)]] = pydantic.Field(
        default_factory=lambda: [USER_ID, SENDER_ID],
        min_length=1,
        description="Who a user is, first present wins: `user_id` (Rasa's, from the message "
        "metadata), `sender_id` (the conversation), `jwt` (a signed token in the message "
        "metadata), `metadata:<key>`.",
    )
    jwt: JwtSettings | None = pydantic.Field(
        default=None, validate_default=True, description="What the rule `jwt` believes."
    )
    shared_slots: SharedSlotSettings = pydantic.Field(
        default_factory=SharedSlotSettings,
        description="`include` and `exclude`: lists of slots, beside what the domain flags.",
    )
    sensitive_slots: list[Text] = pydantic.Field(
        default_factory=list,
        description="Slots whose values no `coexist` command prints unless `--reveal` is given.",
    )
    max_body_bytes: int = pydantic.Field(
        default=33_554_432,
        ge=1024,
        le=104_857_600,
        description="The largest request answered, in bytes, inflated if it came deflated; "
        "it grows with the conversation.",
    )
    metrics: bool = pydantic.Field(
        default=False,
        description="Whether to count for Prometheus ([operations.md](operations.md#metrics)); "
        "needs the extra `metrics`.",
    )
    metrics_port: int | None = pydantic.Field(
        default=None,
        ge=1,
        le=65535,
        description="gRPC servers only: the port on which metrics are served; none without it. "
        "HTTP servers have `/metrics`.",
    )
    metrics_host: str = pydantic.Field(
        default="127.0.0.1",
        min_length=1,
        description="The address to serve them on; nobody is asked who he is there.",
    )
    logs: Literal["text", "json"] = pydantic.Field(
        default="text",
        description="What the action server logs: `text` leaves it as the SDK has it, `json` "
        "makes every record a line of JSON.",
    )
    log_conversations: Literal["plain", "hashed", "none"] = pydantic.Field(
        default="plain",
        description="How records name the conversation: by its `sender_id`, by the beginning of "
        "its SHA-256, or not at all.",
    )
    also_accept: list[Sent] = pydantic.Field(
        default_factory=list,
        repr=False,
        description="A list of what callers may send beside what `action_endpoint` has Rasa send.",
    )
    serve_without_secret: bool = pydantic.Field(
        default=False,
        description="Without any secret the action server listens on loopback only; `true` lets "
        "it listen anywhere, and answer anyone.",
    )

    @pydantic.field_validator("jwt")
    @classmethod
    def _told(cls, jwt: JwtSettings | None, info: pydantic.ValidationInfo) -> JwtSettings | None:
        if jwt is None and JWT in info.data.get("identity", ()):
            raise ValueError(f"the rule {JWT} in identity needs it; give its key and algorithms")
        if jwt is not None and JWT not in info.data.get("identity", (JWT,)):
            raise ValueError(f"no token is asked for; list the rule {JWT} in identity")
        return jwt


def load(path: Path | None = None) -> Settings:
    """Return the settings of the environment and of an endpoints file.

    Without a path that is `PROFILE_STORE_ENDPOINTS`, or the `--endpoints` that the action server
    was started with, or `endpoints.yml`.

    Raises:
        profile_store.InvalidSettings: one line that names each setting that is impossible.
    """
    path = path or endpoints_file()
    _refuse_unknown_variables()
    return store_settings.make(Settings, endpoints.read_section(path))


def endpoints_file() -> Path | None:
    """Return the file that was asked for on the command line, unless a variable names one."""
    if os.environ.get(endpoints.ENDPOINTS_VARIABLE):
        return None
    return _from_command_line(sys.argv)


def cors_is_asked_for() -> bool:
    """Return whether the action server was started with `--cors`."""
    return any(argument.partition("=")[0] == "--cors" for argument in sys.argv)


def _refuse_unknown_variables() -> None:
    """Raise when the environment sets what is no setting: the one meant would not be set."""
    prefix = endpoints.ENV_PREFIX
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
