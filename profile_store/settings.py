"""Settings, written as Rasa users write them: a `profile_store:` section in `endpoints.yml`.

The environment wins over the file: each setting is also `PROFILE_STORE_<NAME>`.
"""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
import pydantic_settings
import sqlalchemy as sa

from profile_store import errors
from profile_store.endpoints import SECTION, read_section
from profile_store.profile import MAX_NAMESPACE, ProfileKey

ENV_PREFIX = "PROFILE_STORE_"
SQL = "SQL"
LISTED = "The settings are listed in docs/settings.md."

_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
_CLASS_PATH = re.compile(r"(?:[^\W\d]\w*\.)+[^\W\d]\w*")
_HOST_AND_PORT = re.compile(r"([^:/]+):(\d+)")


def _kind(value: str) -> str:
    if value.upper() == SQL:
        return SQL
    if not _CLASS_PATH.fullmatch(value):
        raise ValueError(f"write {SQL}, or the path of a class of yours: package.module.Class")
    return value


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
        "`dialect`, `port` and `db`, too.",
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
        password = self.password.get_secret_value() if self.password else None
        if self.url and "://" in self.url:
            url = _parsed(self.url).update_query_dict(self.query)
            if url.drivername == "sqlite":
                return url
            return url.set(
                username=url.username or self.username, password=url.password or password
            )
        driver = _driver(self.dialect, "dialect")
        if driver == "sqlite":
            if self.url:
                raise errors.InvalidSettings(
                    f"{origin('url')}: SQLite has no host; set {SECTION}.db to its file, "
                    f"{SECTION}.dialect to another database, or give a whole URL."
                )
            return sa.URL.create(driver, database=self.db, query=self.query)
        host, port = self.url or "localhost", self.port
        if with_port := _HOST_AND_PORT.fullmatch(host):
            host, port = with_port[1], int(with_port[2])
        return sa.URL.create(
            driver,
            username=self.username,
            password=password,
            host=host,
            port=port,
            database=self.db,
            query=self.query,
        )


def _parsed(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # without its cause, which quotes the text and so the password
        raise errors.InvalidSettings(
            f"{origin('url')} is not a database URL; "
            "write it as dialect://user:password@host:port/database."
        ) from None
    if "@" in (url.host or ""):
        raise errors.InvalidSettings(
            f"{origin('url')}: an @ in the password must be written %40; "
            f"or leave the password to {SECTION}.password."
        )
    return url.set(drivername=_driver(url.drivername, "url"))


def _driver(name: str, setting: str) -> str:
    dialect = name.partition("+")[0]
    if dialect not in _DRIVERS:
        raise errors.InvalidSettings(
            f"{origin(setting)}: the dialect is none of sqlite, postgresql, mysql, mariadb."
        )
    return _DRIVERS[dialect]


def origin(setting: str) -> str:
    """Return what a setting is called where it was set: a variable, or a key in the file."""
    variable = f"{ENV_PREFIX}{setting.upper()}"
    return variable if os.environ.get(variable) else f"{SECTION}.{setting}"


def missing_driver(url: sa.URL) -> errors.InvalidSettings:
    """Return the error for a database whose driver is not installed, with the remedy."""
    extra = _EXTRAS.get(url.get_backend_name(), "")
    return errors.InvalidSettings(
        f"{SECTION}: the driver for {url.get_backend_name()} is not installed; "
        f"run: pip install 'rasa-coexistence[{extra}]'"
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
