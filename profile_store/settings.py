"""Settings, written as Rasa users write them: a `profile_store:` section in `endpoints.yml`.

The environment wins over the file: each setting is also `PROFILE_STORE_<NAME>`.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
import pydantic_settings
import sqlalchemy as sa

from profile_store import errors, keys, urls
from profile_store.endpoints import ENV_PREFIX, origin, read_section
from profile_store.profile import MAX_NAMESPACE, ProfileKey
from profile_store.retention import RetentionSettings

SQL = "SQL"
LISTED = "The settings are listed in docs/settings.md."

_CLASS_PATH = re.compile(r"(?:[^\W\d]\w*\.)+[^\W\d]\w*")


def _kind(value: str) -> str:
    if value.upper() == SQL:
        return SQL
    if not _CLASS_PATH.fullmatch(value):
        raise ValueError(f"write {SQL}, or the path of a class of yours: package.module.Class")
    return value


def _joined(value: Any) -> Any:
    """Return a list of keys as one text, as the environment gives them."""
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return value


def _keys(value: pydantic.SecretStr) -> pydantic.SecretStr:
    keys.parse(value.get_secret_value())
    return value


def _one_key(value: pydantic.SecretStr) -> pydantic.SecretStr:
    if len(keys.parse(value.get_secret_value())) > 1:
        raise ValueError("there is one key for user ids; changing it loses every profile")
    return value


_Keys = Annotated[pydantic.SecretStr, pydantic.AfterValidator(_keys)]
_Key = Annotated[pydantic.SecretStr, pydantic.AfterValidator(_one_key)]


def _namespace(value: str) -> str:
    try:
        ProfileKey(value, "anybody")
    except errors.InvalidKey as error:
        raise ValueError(str(error)) from None
    return value


class StoreSettings(pydantic_settings.BaseSettings):
    """Where profiles are kept and within which limits."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    type: Annotated[str, pydantic.AfterValidator(_kind)] = pydantic.Field(
        default=SQL,
        description="`SQL`, or the path of a store's class of your own: `package.module.Class`.",
    )
    dialect: str = pydantic.Field(
        default="sqlite", description="`sqlite`, `postgresql`, `mysql` or `mariadb`."
    )
    url: str | None = pydantic.Field(
        default=None,
        repr=False,
        description="The database's host, `host:port`, or a whole SQLAlchemy URL, which stands for "
        "`dialect`, `port` and `db`, too. PostgreSQL: several hosts with commas between, of which "
        "the one that takes writes is used.",
    )
    port: int | None = pydantic.Field(
        default=None, ge=1, le=65535, description="The database's port."
    )
    db: str = pydantic.Field(
        default="profiles.db",
        description="The database's name; for SQLite the file, or `:memory:`.",
    )
    username: str | None = pydantic.Field(default=None, description="Who logs in to the database.")
    password: pydantic.SecretStr | None = pydantic.Field(
        default=None, description="The password; better `${DB_PASSWORD}` than in the file."
    )
    query: dict[str, str] = pydantic.Field(
        default_factory=dict,
        repr=False,
        description="Further options of the driver, such as `sslmode`.",
    )
    namespace: Annotated[str, pydantic.AfterValidator(_namespace)] = pydantic.Field(
        default="default",
        min_length=1,
        max_length=MAX_NAMESPACE,
        description="Whose profiles: one name an assistant; assistants with one name share them.",
    )
    timeout: float = pydantic.Field(
        default=3.0,
        gt=0,
        le=240,
        description="Seconds that an action waits for the database before it goes on without. "
        "Rasa itself gives up after 300.",
    )
    connect_timeout: float = pydantic.Field(
        default=2.0, gt=0, le=60, description="Seconds that connecting to the database may take."
    )
    retry_after: float = pydantic.Field(
        default=1.0,
        ge=0,
        le=300,
        description="Seconds for which calls fail at once after the database could not be reached.",
    )
    queue_size: int = pydantic.Field(
        default=10_000, ge=1, description="How many calls may wait for the database in one process."
    )
    batch_size: int = pydantic.Field(
        default=256, ge=1, le=10_000, description="How many waiting calls share one transaction."
    )
    synchronous: Literal["normal", "full"] = pydantic.Field(
        default="normal",
        description="SQLite only: `normal` keeps what was acknowledged when the server is killed; "
        "`full` also when the power fails, and waits for the disk at every commit. Erasures "
        "always wait.",
    )
    max_value_bytes: int = pydantic.Field(
        default=65_536, ge=1, le=1_048_576, description="The largest value kept, in bytes of JSON."
    )
    max_slots: int = pydantic.Field(
        default=256, ge=1, le=100_000, description="How many slots one profile may hold."
    )
    retention: RetentionSettings = pydantic.Field(
        default_factory=RetentionSettings,
        description="`default`, `slots` and `erasures`: how long what is kept.",
    )

    encryption_keys: Annotated[_Keys | None, pydantic.BeforeValidator(_joined)] = pydantic.Field(
        default=None,
        description="Seals values with AES-256-GCM: keys of 32 bytes in URL-safe base64, with "
        "commas between or as a list. The first one writes, all of them read.",
    )
    refuse_unsealed: bool = pydantic.Field(
        default=False,
        description="Takes values that are not sealed for unreadable: set it once `coexist "
        "rotate-keys` has sealed what was stored before there were keys.",
    )
    user_id_key: _Key | None = pydantic.Field(
        default=None,
        description="Stores user and conversation ids as a hash with this key (32 bytes in "
        "URL-safe base64). Profiles are not found again with another key, or with none.",
    )

    @pydantic.field_validator("user_id_key")
    @classmethod
    def _is_a_key_of_its_own(
        cls, value: pydantic.SecretStr | None, info: pydantic.ValidationInfo
    ) -> pydantic.SecretStr | None:
        sealing = info.data.get("encryption_keys")
        if value and sealing:
            (own,) = keys.parse(value.get_secret_value())
            if own in keys.parse(sealing.get_secret_value()):
                raise ValueError("it is one of encryption_keys, which are changed; make another")
        return value

    @pydantic.field_validator("refuse_unsealed")
    @classmethod
    def _refuses_for_a_reason(cls, value: bool, info: pydantic.ValidationInfo) -> bool:
        if value and info.data.get("encryption_keys", "?") is None:
            raise ValueError("nothing could be read without encryption_keys; set them")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: builtins.type[pydantic_settings.BaseSettings],
        init_settings: pydantic_settings.PydanticBaseSettingsSource,
        env_settings: pydantic_settings.PydanticBaseSettingsSource,
        dotenv_settings: pydantic_settings.PydanticBaseSettingsSource,
        file_secret_settings: pydantic_settings.PydanticBaseSettingsSource,
    ) -> tuple[pydantic_settings.PydanticBaseSettingsSource, ...]:
        """Let the environment win over what was read from the file."""
        return env_settings, init_settings

    def secret_keys(self) -> tuple[bytes, ...]:
        """Return the keys that seal values, the one that writes first; none if they stay plain."""
        return keys.parse(self.encryption_keys.get_secret_value()) if self.encryption_keys else ()

    def sqlalchemy_url(self) -> sa.URL:
        """Return the database's URL with the driver that this package uses.

        Raises:
            InvalidSettings: for an unknown dialect, a URL that is none, or a store of another type.
        """
        if self.type != SQL:
            raise errors.InvalidSettings(
                f"{origin('type')}: {self.type} looks after its database itself; "
                f"tables are made for {SQL} only."
            )
        return urls.build(
            dialect=self.dialect,
            url=self.url,
            port=self.port,
            db=self.db,
            username=self.username,
            password=self.password.get_secret_value() if self.password else None,
            query=self.query,
        )


def explain(error: pydantic.ValidationError) -> errors.InvalidSettings:
    """Return one line that names each impossible setting, without its value."""
    problems = []
    for problem in error.errors(include_input=False, include_url=False):
        setting, *inside = map(str, problem["loc"])
        name = ".".join([origin(setting), *inside])
        if problem["type"] == "extra_forbidden":
            problems.append(f"{name}: no such setting")
        else:
            problems.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return errors.InvalidSettings("; ".join(problems) + f". {LISTED}")


Made = TypeVar("Made", bound=StoreSettings)


def make(kind: type[Made], section: Mapping[str, Any]) -> Made:
    """Return the settings of a section and the environment, checked as far as they can be.

    Raises:
        InvalidSettings: one line that names each setting that is impossible.
    """
    try:
        made = kind(**section)
    except pydantic.ValidationError as error:
        raise explain(error) from error
    except ValueError as error:
        # pydantic-settings' own (old releases do not export it):
        # "error parsing value for field "identity" from source ..."
        field = next((name for name in kind.model_fields if f'"{name}"' in str(error)), "?")
        raise errors.InvalidSettings(
            f"{origin(field)}: not valid JSON, as lists and mappings are written there. {LISTED}"
        ) from None
    if made.type == SQL:
        made.sqlalchemy_url()
    return made


def load(path: Path | None = None) -> StoreSettings:
    """Return the settings of the environment and of an endpoints file; other rooms' are left out.

    Raises:
        InvalidSettings: naming each setting that is impossible.
    """
    section = read_section(path)
    known = {name: value for name, value in section.items() if name in StoreSettings.model_fields}
    return make(StoreSettings, known)
