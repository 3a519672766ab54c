"""Rasa assistants in coexistence keep what users told them, whichever system was told.

In your `actions/__init__.py`:

    import coexistence

    coexistence.install()
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rasa_sdk import Action

    from coexistence.errors import (
        CoexistenceError,
        InvalidLeaveOut,
        RoutingSlotWritten,
        UnknownSlot,
    )
    from coexistence.profile_action import ProfileAction, Turn
    from coexistence.routing import reset_routing
    from coexistence.system import RoutingState, System, routing_state

__all__ = [
    "CoexistenceError",
    "InvalidLeaveOut",
    "ProfileAction",
    "RoutingSlotWritten",
    "RoutingState",
    "System",
    "Turn",
    "UnknownSlot",
    "install",
    "reset_routing",
    "routing_state",
]

_HOMES = {
    "CoexistenceError": "errors",
    "InvalidLeaveOut": "errors",
    "ProfileAction": "profile_action",
    "RoutingSlotWritten": "errors",
    "RoutingState": "system",
    "System": "system",
    "Turn": "profile_action",
    "UnknownSlot": "errors",
    "reset_routing": "routing",
    "routing_state": "system",
}
"""Where each name is from. They are imported when asked for: pytest loads the plug-in of this
package in every test-suite of an environment, which must not wait a second for the Rasa SDK."""


if not TYPE_CHECKING:  # it would make every name a known one to type checkers

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


def install(*, every_action: bool = False, leave_out: Collection[str | type[Action]] = ()) -> None:
    """Register the six profile actions and the server plug-in with the Rasa SDK.

    Call it once, where your actions are imported. With `every_action` your plain actions, too,
    find the profile in their slots and have what they return stored, as if each were a
    `ProfileAction`; all but those to `leave_out`, given by name or class. Impossible settings
    end the process with one line that names them: an assistant that silently keeps nothing would
    be found out too late.

    Raises:
        InvalidLeaveOut: when what is to be left out is no action, or nothing is surrounded.
    """
    from coexistence import profile_actions as _registers_on_import  # noqa: F401
    from coexistence import redaction, runtime
    from coexistence.every_action import surroundings
    from profile_store import InvalidSettings

    try:
        runtime.current()
    except InvalidSettings as error:
        raise SystemExit(f"rasa-coexistence: {error}") from None
    surroundings.listen()
    redaction.install()
    if every_action:
        surroundings.enable(leave_out)
    elif leave_out:
        from coexistence.errors import InvalidLeaveOut

        raise InvalidLeaveOut("leave_out of coexistence.install() needs every_action=True.")
    if (
        "rasa_sdk.grpc_server" in sys.modules
    ):  # else gRPC is not served, and costs a third of a second
        from coexistence import grpc_service

        grpc_service.stand_in()
