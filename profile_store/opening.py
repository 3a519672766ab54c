"""Opening the store that the settings name: one of SQL, or a class of somebody's own."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable

from profile_store import endpoints, errors, settings
from profile_store.sql_store import SQLProfileStore
from profile_store.store import ProfileStore


def open_store(config: settings.StoreSettings) -> ProfileStore:
    """Return a new store of the kind that `type` names, made from the settings.

    Raises:
        InvalidSettings: when there is no such class, or it is not a whole `ProfileStore`.
    """
    make = SQLProfileStore if config.type == settings.SQL else _named(config.type)
    return make(config)


def _named(path: str) -> Callable[[settings.StoreSettings], ProfileStore]:
    where = endpoints.origin("type")
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise errors.InvalidSettings(
            f"{where}: {module_name} cannot be imported ({error}); "
            "correct it, or install what it needs."
        ) from error
    kind = getattr(module, name, None)
    if not inspect.isclass(kind):
        raise errors.InvalidSettings(f"{where}: {module_name} has no class {name}; correct it.")
    if not issubclass(kind, ProfileStore):
        raise errors.InvalidSettings(
            f"{where}: {path} is no profile_store.ProfileStore; derive it from that."
        )
    if kind.__abstractmethods__:
        lacking = ", ".join(sorted(kind.__abstractmethods__))
        raise errors.InvalidSettings(f"{where}: {path} lacks {lacking}; see docs/stores.md.")
    return kind
