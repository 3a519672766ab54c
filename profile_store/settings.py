"""Settings, written as Rasa users write them: a `profile_store:` section in `endpoints.yml`.

The environment wins over the file: each setting is also `PROFILE_STORE_<NAME>`.
"""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pydantic
import pydantic_settings
import sqlalchemy as sa
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from profile_store import errors
from profile_store.profile import MAX_NAMESPACE

SECTION = "profile_store"
ENDPOINTS_VARIABLE = "PROFILE_STORE_ENDPOINTS"
DEFAULT_ENDPOINTS = "endpoints.yml"
ENV_PREFIX = "PROFILE_STORE_"

_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class StoreSettings(pydantic_settings.BaseSettings):
    """Where profiles are kept and within which limits."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    type: Literal["SQL"] = pydantic.Field("SQL", description="The kind of store; SQL is the one.")
    dialect: str = pydantic.Field(
        "sqlite", description="`sqlite`, `postgresql`, `mysql` or `mariadb`."
    )
    url: str | None = pydantic.Field(
        None, description="The database's host, or a whole SQLAlchemy URL."
    )
    port: int | None = pydantic.Field(None, ge=1, le=65535, description="The database's port.")
    db: str = pydantic.Field(
        "profiles.db", description="The database's name; for SQLite the file, or `:memory:`."
    )
    username: str | None = pydantic.Field(None, description="Who logs in to the database.")
    password: pydantic.SecretStr | None = pydantic.Field(
        None, description="The password; better `${DB_PASSWORD}` than in the file."
    )
    query: dict[str, str] = pydantic.Field(
        default_factory=dict, description="Further options of the driver, such as `sslmode`."
    )
    namespace: str = pydantic.Field(
        "default",
        min_length=1,
        max_length=MAX_NAMESPACE,
        description="Whose profiles: one name an assistant; assistants with one name share them.",
    )
    timeout: float = pydantic.Field(
        3.0,
        gt=0,
        le=240,
        description="Seconds that an action waits for the database before it goes on without. "
        "Rasa itself gives up after 300.",
    )
    connect_timeout: float = pydantic.Field(
        2.0, gt=0, le=60, description="Seconds that connecting to the database may take."
    )
    retry_after: float = pydantic.Field(
        1.0,
        ge=0,
        le=300,
        description="Seconds for which calls fail at once after the database could not be reached.",
    )
    queue_size: int = pydantic.Field(
        10_000, ge=1, description="How many calls may wait for the database in one process."
    )
    batch_size: int = pydantic.Field(
        256, ge=1, le=10_000, description="How many waiting calls share one transaction."
    )
    max_value_bytes: int = pydantic.Field(
        65_536, ge=1, le=1_048_576, description="The largest value kept, in bytes of JSON."
    )
    max_slots: int = pydantic.Field(
        256, ge=1, le=100_000, description="How many slots one profile may hold."
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
            InvalidSettings: for an unknown dialect or a URL that is none.
        """
        if self.url and "://" in self.url:
            try:
                url = sa.make_url(self.url)
            except (sa.exc.ArgumentError, ValueError) as error:
                raise errors.InvalidSettings(
                    f"{SECTION}.url is not a database URL; "
                    "write it as dialect://user:password@host:port/database."
                ) from error
            return url.set(drivername=_driver(url.drivername)).update_query_dict(self.query)
        driver = _driver(self.dialect)
        if driver == "sqlite":
            return sa.URL.create(driver, database=self.db, query=self.query)
        return sa.URL.create(
            driver,
            username=self.username,
            password=self.password.get_secret_value() if self.password else None,
            host=self.url or "localhost",
            port=self.port,
            database=self.db,
            query=self.query,
        )


def _driver(name: str) -> str:
    if "+" in name and name.partition("+")[0] in _DRIVERS:
        return name if name in _DRIVERS.values() else _driver(name.partition("+")[0])
    if name not in _DRIVERS:
        raise errors.InvalidSettings(
            f"{SECTION}.dialect: {name!r} is not one of sqlite, postgresql, mysql, mariadb."
        )
    return _DRIVERS[name]


def missing_driver(url: sa.URL) -> errors.InvalidSettings:
    """Return the error for a database whose driver is not installed, with the remedy."""
    extra = _EXTRAS.get(url.get_backend_name(), "")
    return errors.InvalidSettings(
        f"{SECTION}: the driver for {url.get_backend_name()} is not installed; "
        f"run: pip install 'rasa-coexistence[{extra}]'"
    )


def endpoints_path() -> Path:
    """Return the file that holds the settings: `PROFILE_STORE_ENDPOINTS`, or `endpoints.yml`."""
    return Path(os.environ.get(ENDPOINTS_VARIABLE) or DEFAULT_ENDPOINTS)


def read_section(path: Path | None = None) -> dict[str, Any]:
    """Return the `profile_store:` section of an endpoints file, `${VARS}` filled in; {} if absent.

    Raises:
        InvalidSettings: when a file that was asked for is missing, or is not YAML.
    """
    asked_for = path is not None or bool(os.environ.get(ENDPOINTS_VARIABLE))
    path = path or endpoints_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if asked_for:
            raise errors.InvalidSettings(
                f"{path}: no such file; correct {ENDPOINTS_VARIABLE} or --endpoints."
            ) from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidSettings(f"{path} cannot be read: {_reason(error)}.") from error
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where is not None else ""
        raise errors.InvalidSettings(f"{path}{line}: not valid YAML; correct it.") from error
    section = document.get(SECTION) if isinstance(document, Mapping) else None
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise errors.InvalidSettings(
            f"{path}: {SECTION} must be a mapping of settings, such as `dialect: sqlite`."
        )
    return {str(name): _expand(value, f"{SECTION}.{name}") for name, value in section.items()}


def _reason(error: Exception) -> str:
    return error.strerror or "unreadable" if isinstance(error, OSError) else "not UTF-8"


def _expand(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _expand(item, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, where) for item in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise errors.InvalidSettings(
                f"{where}: the environment variable {name} is not set; "
                f"set it or remove ${{{name}}}."
            )
        return os.environ[name]

    return _VARIABLE.sub(variable, value)


def explain(error: pydantic.ValidationError) -> errors.InvalidSettings:
    """Return one line that names each impossible setting, without its value."""
    problems = []
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join([SECTION, *map(str, problem["loc"])])
        if problem["type"] == "extra_forbidden":
            problems.append(f"{name}: no such setting")
        else:
            problems.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return errors.InvalidSettings(
        "; ".join(problems) + ". The settings are listed in docs/settings.md."
    )


def load(path: Path | None = None) -> StoreSettings:
    """Return the settings of the environment and of an endpoints file; other rooms' are left out.

    Raises:
        InvalidSettings: naming each setting that is impossible.
    """
    section = read_section(path)
    known = {name: value for name, value in section.items() if name in StoreSettings.model_fields}
    try:
        return StoreSettings(**known)
    except pydantic.ValidationError as error:
        raise explain(error) from error
