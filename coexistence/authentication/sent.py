"""What callers send to be let in, as Rasa's `action_endpoint` spells it (Rasa 3.0 to 3.21)."""

from __future__ import annotations

from typing import Annotated

import pydantic

ORDINARY_HEADERS = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "accept-language", "connection",
        "content-encoding", "content-length", "content-type", "host", "traceparent", "tracestate",
        "transfer-encoding", "user-agent",
    }
)  # fmt: skip
"""Headers that any client may send, and any proxy change: no secrets, and not asked for."""


def _not_empty(secret: pydantic.SecretStr) -> pydantic.SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("it is empty; give it a value or remove it")
    return secret


Secret = Annotated[pydantic.SecretStr, pydantic.AfterValidator(_not_empty)]


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class BasicAuth(_Model):
    """A user and a password."""

    username: str
    password: Secret


class Sent(_Model):
    """What one caller sends with every call: all of it is asked for."""

    token: Secret | None = pydantic.Field(
        default=None,
        description="A token that callers may send, in the query or as `Authorization: Bearer`.",
    )
    token_name: str = pydantic.Field(
        default="token", min_length=1, description="What the query calls the token."
    )
    basic_auth: BasicAuth | None = pydantic.Field(
        default=None, description="A `username` and a `password` that callers may send."
    )
    headers: dict[str, Secret] = pydantic.Field(
        default_factory=dict,
        description="Headers, and over gRPC metadata, that callers may send: all of an entry.",
    )

    @pydantic.model_validator(mode="after")
    def _has_a_secret(self) -> Sent:
        if not (self.token or self.basic_auth or self.secret_headers):
            raise ValueError("write a token, basic_auth or headers with a secret")
        return self

    @property
    def secret_headers(self) -> dict[str, str]:
        """The headers that are asked for: names in lower case, and values."""
        return {
            name.lower(): value.get_secret_value()
            for name, value in self.headers.items()
            if name.lower() not in ORDINARY_HEADERS
        }
