"""Profiles for plain actions: what `ProfileAction` does, without editing any of them."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Collection
from typing import Any

from rasa_sdk import Action, Tracker, utils
from rasa_sdk.events import EventType
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher
from rasa_sdk.interfaces import ActionMissingDomainException

from coexistence import failures
from coexistence.errors import InvalidLeaveOut, RoutingSlotWritten
from coexistence.profile_action import ProfileAction
from coexistence.profiled_call import ProfiledCall

logger = logging.getLogger(__name__)

_OURS = "coexistence."


class WithProfile:
    """A plain action's `run`: the profile fetched before, what it returns stored after.

    It is pickled into worker processes with the executor that holds it.
    """

    def __init__(self, name: str, run: Callable[..., Any]) -> None:
        self._name = name
        self._run = run

    async def __call__(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        call = await self._begin(tracker, domain)
        returned = await utils.call_potential_coroutine(self._run(dispatcher, tracker, domain))
        events = list(returned or ())
        return events if call is None else await self._finish(call, events)

    async def _begin(self, tracker: Tracker, domain: Any) -> ProfiledCall | None:
        try:
            return await ProfiledCall.begin(tracker, domain, self._name)
        except ActionMissingDomainException:
            raise  # Rasa repeats the call with the domain
        except Exception as error:  # noqa: BLE001 - the action ran without us before, and does now
            failures.log(logger, f"{self._name} runs without the profile", error)
            return None

    async def _finish(self, call: ProfiledCall, events: list[EventType]) -> list[EventType]:
        try:
            return await call.finish(events)
        except RoutingSlotWritten:
            raise
        except Exception as error:  # noqa: BLE001 - what it returned is Rasa's, stored or not
            failures.log(logger, f"What {self._name} returned is not stored", error)
            return events


class Surroundings:
    """Which plain actions are surrounded by a fetch and a store, once `enable` was called."""

    def __init__(self) -> None:
        self._enabled = False
        self._left_out: frozenset[str] = frozenset()

    def enable(self, leave_out: Collection[str | type[Action]]) -> None:
        """Give the profile to all plain actions that are registered from now on, but for some.

        Raises:
            InvalidLeaveOut: when what is to be left out is neither a name nor an action's class.
        """
        self._left_out = frozenset(_name(left_out) for left_out in leave_out)
        if not self._enabled:
            self._enabled = True
            _on_registration(self._registered)

    def _registered(self, executor: ActionExecutor, name: str, run: Callable[..., Any]) -> None:
        action = getattr(run, "__self__", None)
        if (
            isinstance(action, Action)
            and not isinstance(action, ProfileAction)
            and not type(action).__module__.startswith(_OURS)
            and name not in self._left_out
        ):
            executor.actions[name] = WithProfile(name, run)


def _name(left_out: Any) -> str:
    if isinstance(left_out, str) and left_out:
        return left_out
    if inspect.isclass(left_out) and issubclass(left_out, Action):
        made: Any = left_out()
        return str(made.name())
    raise InvalidLeaveOut(
        f"leave_out of coexistence.install() holds a {type(left_out).__name__}; "
        "write the names of actions, or their classes."
    )


def _on_registration(hear: Callable[[ActionExecutor, str, Callable[..., Any]], None]) -> None:
    """Call `hear` after each registration of a function for an action, in any executor.

    The SDK (rasa-sdk 3.11 to 3.21) has no hook for it. Its HTTP and gRPC servers, its reload
    and Rasa's direct execution all register by this method.
    """
    register = ActionExecutor.register_function

    @functools.wraps(register)
    def register_function(self: ActionExecutor, action_name: str, f: Callable[..., Any]) -> None:
        register(self, action_name, f)
        hear(self, action_name, f)

    ActionExecutor.register_function = register_function


surroundings = Surroundings()
"""This process's; the SDK's class is one a process, too."""
