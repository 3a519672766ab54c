"""Locks after a fork: a child inherits those that its parent's threads held, which nobody frees."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forking(Protocol):
    """What has locks."""

    def renew_locks(self) -> None:
        """Take new ones: this is a child, and whoever held the old ones is not in it."""


_forking: WeakSet[Forking] = WeakSet()


def renew_locks_of(owner: Forking) -> None:
    """Let something renew its locks in every child, for as long as it lives."""
    _forking.add(owner)


def _renew_all() -> None:
    for owner in list(_forking):
        owner.renew_locks()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_renew_all)
