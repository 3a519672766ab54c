"""Rasa assistants in coexistence keep what users told them, whichever system was told.

In your `actions/__init__.py`:

    import coexistence

    coexistence.install()
"""

from coexistence.errors import CoexistenceError, RoutingSlotWritten, UnknownSlot
from coexistence.profile_action import ProfileAction, Turn
from coexistence.routing import reset_routing
from coexistence.system import RoutingState, System, routing_state

__all__ = [
    "CoexistenceError",
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


def install() -> None:
    """Register the six profile actions and the server plug-in with the Rasa SDK.

    Call it once, where your actions are imported. Impossible settings end the process with one
    line that names them: an assistant that silently keeps nothing would be found out too late.
    """
    from coexistence import profile_actions as _registers_on_import  # noqa: F401
    from coexistence import runtime
    from profile_store import InvalidSettings

    try:
        runtime.current()
    except InvalidSettings as error:
        raise SystemExit(f"rasa-coexistence: {error}") from None
