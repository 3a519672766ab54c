"""What one process shares between its actions: the settings, the store, the domain read last.

Actions are pickled into worker processes and may run in any event loop, so they hold none of it:
they ask here, and it is made when first asked for.
"""

from __future__ import annotations

import atexit
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from coexistence import metrics, settings
from coexistence.identity import JWT
from coexistence.settings import Settings
from coexistence.shared_slots import DomainCache
from coexistence.telemetry import Telemetry
from profile_store import InvalidSettings, ProfileKey, ProfileStore, SQLProfileStore, opening
from profile_store.endpoints import SECTION
from profile_store.retention import Retention

if TYPE_CHECKING:
    from coexistence.signed_tokens import SignedTokens

_LINKS_REMEMBERED = 10_000


class Runtime:
    """Settings, a store, the tokens believed and a cache of the domain, made for one another.

    Raises:
        profile_store.InvalidSettings: when tokens are to be believed and their key is none.
    """

    def __init__(self, config: Settings, store: ProfileStore | None = None) -> None:
        self.settings = config
        self.retention = Retention(config.retention)
        self.tokens = _signed_tokens(config)
        self.meter = metrics.make(config.metrics)
        self.store = store or opening.open_store(config)
        self._is_observed = False
        if self.meter is not None:
            self.observe()
        self.domains = DomainCache(config.shared_slots.include, config.shared_slots.exclude)
        self._linked: OrderedDict[tuple[ProfileKey, ProfileKey, float], None] = OrderedDict()

    def observe(self) -> None:
        """Let the store tell of its work from now on; a second call does nothing."""
        if not self._is_observed and isinstance(self.store, SQLProfileStore):
            self._is_observed = True
            self.store.observe(Telemetry(self.meter))

    def is_linked(self, source: ProfileKey, target: ProfileKey, since: float) -> bool:
        """Return whether this process has linked two profiles for what came before a time.

        A conversation may be anonymous again, perhaps in another process, and gain its id anew.
        """
        return (source, target, since) in self._linked

    def remember_link(self, source: ProfileKey, target: ProfileKey, since: float) -> None:
        """Note that two profiles are linked, so that the next turn need not ask again."""
        self._linked[source, target, since] = None
        if len(self._linked) > _LINKS_REMEMBERED:
            self._linked.popitem(last=False)


def _signed_tokens(config: Settings) -> SignedTokens | None:
    if JWT not in config.identity or config.jwt is None:
        return None
    try:
        from coexistence.signed_tokens import SignedTokens
    except ImportError:
        raise InvalidSettings(
            f"{SECTION}.identity: the rule {JWT} needs PyJWT and cryptography; "
            "run: pip install 'rasa-coexistence[jwt]'"
        ) from None
    return SignedTokens(config.jwt)


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


def made() -> Runtime | None:
    """Return this process's runtime if there is one, and make none."""
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
