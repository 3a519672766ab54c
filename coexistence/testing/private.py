"""Settings of a test's own: nothing of the environment, and no database but a private SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic_settings
from ruamel.yaml import YAML

from coexistence.settings import Settings
from profile_store import settings as store_settings
from profile_store.endpoints import SECTION

BEHAVIOUR = ("namespace", "identity", "shared_slots", "max_slots", "max_value_bytes")
"""The settings of an assistant that its tests share: what is kept and whose it is, not where."""


class _PrivateSettings(Settings):
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[pydantic_settings.BaseSettings],
        init_settings: pydantic_settings.PydanticBaseSettingsSource,
        env_settings: pydantic_settings.PydanticBaseSettingsSource,
        dotenv_settings: pydantic_settings.PydanticBaseSettingsSource,
        file_secret_settings: pydantic_settings.PydanticBaseSettingsSource,
    ) -> tuple[pydantic_settings.PydanticBaseSettingsSource, ...]:
        """Take what the test says and nothing else: a developer's shell must not change a test."""
        return (init_settings,)


def private_settings(section: Mapping[str, Any]) -> Settings:
    """Return settings that the environment does not touch.

    Raises:
        profile_store.InvalidSettings: one line that names each setting that is impossible.
    """
    return store_settings.make(_PrivateSettings, section)


def behaviour(endpoints: Path) -> dict[str, Any]:
    """Return what an endpoints file says of `BEHAVIOUR`; {} where there is no file or section."""
    if not endpoints.is_file():
        return {}
    document = YAML(typ="safe", pure=True).load(endpoints.read_text(encoding="utf-8"))
    section = document.get(SECTION) if isinstance(document, Mapping) else None
    if not isinstance(section, Mapping):
        return {}
    return {name: section[name] for name in BEHAVIOUR if name in section}
