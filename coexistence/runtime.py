"""What one process shares between its actions: the settings, the store, the domain read last.

Actions are pickled into worker processes and may run in any event loop, so they hold none of it:
they ask here, and it is made when first asked for.
"""

from __future__ import annotations

import atexit
import threading
from collections import OrderedDict

from coexistence import settings
from coexistence.settings import Settings
from coexistence.shared_slots import DomainCache
from profile_store import ProfileKey, ProfileStore, SQLProfileStore

_LINKS_REMEMBERED = 10_000


class Runtime:
    """Settings, a store and a cache of the domain, made for one another."""

    def __init__(self, config: Settings, store: ProfileStore | None = None) -> None:
        self.settings = config
        self.store = store or SQLProfileStore(config)
        self.domains = DomainCache(config.shared_slots.include, config.shared_slots.exclude)
        self._linked: OrderedDict[tuple[ProfileKey, ProfileKey], None] = OrderedDict()

    def is_linked(self, source: ProfileKey, target: ProfileKey) -> bool:
        """Return whether this process has linked two profiles lately."""
        return (source, target) in self._linked

    def remember_link(self, source: ProfileKey, target: ProfileKey) -> None:
        """Note that two profiles are linked, so that the next turn need not ask again."""
        self._linked[source, target] = None
        if len(self._linked) > _LINKS_REMEMBERED:
            self._linked.popitem(last=False)


_lock = threading.Lock()
_current: Runtime | None = None


def current() -> Runtime:
    """Return this process's runtime, made from the settings when there is none.

    Raises:
        profile_store.InvalidSettings: when the settings are impossible.
    """
    global _current
    if _current is None:
        with _lock:
            if _current is None:
                _current = Runtime(settings.load())
    return _current


def is_in_place(runtime: Runtime) -> bool:
    """Return whether a runtime is this process's now; none is made."""
    return _current is runtime


def use(runtime: Runtime | None) -> None:
    """Put another runtime in place, such as a test's, and close the store of the one before."""
    global _current
    with _lock:
        before, _current = _current, runtime
    if before is not None and before is not runtime:
        before.store.close()


def close() -> None:
    """Close the store, if one was made."""
    use(None)


atexit.register(close)
