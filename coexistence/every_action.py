"""Profiles for plain actions: what `ProfileAction` does, without editing any of them."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Collection
from typing import Any

from rasa_sdk import Action, Tracker, ValidationAction, utils
from rasa_sdk.events import EventType
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher
from rasa_sdk.interfaces import ActionMissingDomainException

from coexistence import calls, failures, metrics
from coexistence.errors import InvalidLeaveOut, RoutingSlotWritten
from coexistence.profile_action import ProfileAction
from coexistence.profiled_call import ProfiledCall
from coexistence.system import RESET_ACTION

logger = logging.getLogger(__name__)

_OURS = "coexistence."


class WithProfile:
    """A plain action's `run`: the profile fetched before, what it returns stored after.

    It is pickled into worker processes with the executor that holds it.
    """

    def __init__(self, name: str, run: Callable[..., Any], validates: bool = False) -> None:
        self._name = name
        self._run = run
        self._validates = validates

    async def __call__(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Any
    ) -> list[EventType]:
        with calls.Call(self._name, tracker.sender_id):
            call = await self._begin(tracker, domain)
            returned = await utils.call_potential_coroutine(self._run(dispatcher, tracker, domain))
            events = list(returned or ())
            return events if call is None else await self._finish(call, events)

    async def _begin(self, tracker: Tracker, domain: Any) -> ProfiledCall | None:
        try:
            return await ProfiledCall.begin(tracker, domain, self._name, validates=self._validates)
        except ActionMissingDomainException:
            raise  # Rasa repeats the call with the domain
        except Exception as error:  # noqa: BLE001 - the action ran without us before, and does now
            failures.log(logger, f"{self._name} runs without the profile", error)
            calls.went(calls.WITHOUT_PROFILE, metrics.INTERNAL)
            return None

    async def _finish(self, call: ProfiledCall, events: list[EventType]) -> list[EventType]:
        try:
            return await call.finish(events)
        except RoutingSlotWritten:
            raise
        except Exception as error:  # noqa: BLE001 - what it returned is Rasa's, stored or not
            failures.log(logger, f"What {self._name} returned is not stored", error)
            calls.went(calls.WITHOUT_PROFILE, metrics.INTERNAL)
            return events


class Surroundings:
    """Which plain actions are surrounded by a fetch and a store, once `enable` was called."""

    def __init__(self) -> None:
        self._listening = False
        self._enabled = False
        self._names: set[str] = set()
        self._classes: tuple[type[Action], ...] = ()

    def listen(self) -> None:
        """Hear of every action that is registered from now on; a second call does nothing."""
        if not self._listening:
            self._listening = True
            _on_registration(self._registered, self._all_registered)

    def enable(self, leave_out: Collection[str | type[Action]]) -> None:
        """Give the profile to all plain actions that are registered from now on, but for some.

        What several calls leave out is left out together.

        Raises:
            InvalidLeaveOut: when what is to be left out is neither a name nor an action's class.
        """
        if isinstance(leave_out, str):
            raise InvalidLeaveOut(
                "leave_out of coexistence.install() is one name; write a list of names or classes."
            )
        for left_out in leave_out:
            if isinstance(left_out, str) and left_out:
                self._names.add(left_out)
            elif inspect.isclass(left_out) and issubclass(left_out, Action):
                self._classes += (left_out,)
            else:
                raise InvalidLeaveOut(
                    f"leave_out of coexistence.install() holds a {type(left_out).__name__}; "
                    "write the names of actions, or their classes."
                )
        self._enabled = True

    def _registered(
        self, executor: ActionExecutor, name: str, run: Any, kind: type[Any], before: Any
    ) -> None:
        """Take note of an action's `run`, which has come to the place of the one `before`."""
        if kind.__module__.startswith(_OURS):
            if before is not None and not _is_ours(before):
                logger.info("%s is your own action; the package's is not used.", name)
                executor.actions[name] = before
        elif (
            self._enabled
            and name != RESET_ACTION  # it is the one that sets the routing slot
            and name not in self._names
            and not issubclass(kind, (ProfileAction, *self._classes))
        ):
            executor.actions[name] = WithProfile(name, run, issubclass(kind, ValidationAction))

    def _all_registered(self, executor: ActionExecutor) -> None:
        if not self._enabled:
            return
        surrounded = [
            name for name, run in executor.actions.items() if isinstance(run, WithProfile)
        ]
        logger.info("The profile surrounds %d plain actions.", len(surrounded))
        for name in sorted(self._names - set(executor.actions)):
            logger.warning(
                "leave_out of coexistence.install() names %s, which no action is called; "
                "correct it.",
                name,
            )


def _is_ours(run: Any) -> bool:
    return type(getattr(run, "__self__", None)).__module__.startswith(_OURS)


def _on_registration(
    hear: Callable[[ActionExecutor, str, Any, type[Any], Any], None],
    hear_all: Callable[[ActionExecutor], None],
) -> None:
    """Call `hear` after each registration of an action, in any executor, and `hear_all` at the end.

    The SDK (rasa-sdk 3.11 to 3.21) has no hook for it. Its HTTP and gRPC servers, its reload
    and Rasa's direct execution all register by these methods.
    """
    register_action = ActionExecutor.register_action
    register_package = ActionExecutor.register_package

    @functools.wraps(register_action)
    def registering_action(self: ActionExecutor, action: Any) -> None:
        before = dict(self.actions)
        register_action(self, action)
        kind = action if inspect.isclass(action) else type(action)
        for name, run in list(self.actions.items()):
            if before.get(name) is not run:
                hear(self, name, run, kind, before.get(name))

    @functools.wraps(register_package)
    def registering_package(self: ActionExecutor, package: Any) -> None:
        register_package(self, package)
        hear_all(self)

    ActionExecutor.register_action = registering_action
    ActionExecutor.register_package = registering_package


surroundings = Surroundings()
"""This process's; the SDK's class is one a process, too."""
