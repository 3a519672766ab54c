"""The `profile_store:` section of the endpoints file, as Rasa users write it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError

from profile_store import errors

SECTION = "profile_store"
ENDPOINTS_VARIABLE = "PROFILE_STORE_ENDPOINTS"
DEFAULT_ENDPOINTS = "endpoints.yml"
ENV_PREFIX = "PROFILE_STORE_"

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def endpoints_path() -> Path:
    """Return the file that holds the settings: `PROFILE_STORE_ENDPOINTS`, or `endpoints.yml`."""
    return Path(os.environ.get(ENDPOINTS_VARIABLE) or DEFAULT_ENDPOINTS)


def origin(setting: str) -> str:
    """Return what a setting is called where it was set: a variable, or a key in the file."""
    variable = f"{ENV_PREFIX}{setting.upper()}"
    return variable if os.environ.get(variable) else f"{SECTION}.{setting}"


def read_section(path: Path | None = None) -> dict[str, Any]:
    """Return the `profile_store:` section of an endpoints file, `${VARS}` filled in; {} if absent.

    Raises:
        InvalidSettings: when a file that was asked for is missing, or is not YAML.
    """
    section = as_written(SECTION, path)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise errors.InvalidSettings(
            f"{path or endpoints_path()}: {SECTION} must be a mapping of settings, "
            "such as `dialect: sqlite`."
        )
    return {str(name): expand(value, f"{SECTION}.{name}") for name, value in section.items()}


def as_written(section: str, path: Path | None = None) -> Any:
    """Return any section of an endpoints file, its `${VARS}` as they are; None if absent.

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
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidSettings(f"{path} cannot be read: {_reason(error)}.") from error
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _AsWritten
    try:
        document = yaml.load(text)
    except YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where is not None else ""
        # without its cause, which quotes the file and so, perhaps, a password
        raise errors.InvalidSettings(f"{path}{line}: not valid YAML; correct it.") from None
    if not isinstance(document, Mapping | None):
        raise errors.InvalidSettings(
            f"{path}: the file must be a mapping of sections, such as `{SECTION}:`."
        )
    return document.get(section) if document else None


class _AsWritten(SafeConstructor):
    """Takes plain values as their text, as the environment gives them.

    A password 0123 keeps its zero, and a namespace 2024-01-01 is no date.
    """


for _kind in ("int", "float", "bool", "timestamp"):
    _AsWritten.add_constructor(f"tag:yaml.org,2002:{_kind}", SafeConstructor.construct_yaml_str)


def _reason(error: Exception) -> str:
    return error.strerror or "unreadable" if isinstance(error, OSError) else "not UTF-8"


def expand(value: Any, where: str) -> Any:
    """Return a value with the `${VARS}` in it filled in, wherever in it they are.

    Raises:
        InvalidSettings: naming a variable that is not set, and where it is asked for.
    """
    if isinstance(value, Mapping):
        return {str(name): expand(item, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [expand(item, where) for item in value]
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
