"""Where a test's actions run: in the test's own process, or in an action server over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib
import inspect
import json
import pkgutil
import sys
import tempfile
import types
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from rasa_sdk import Action, utils
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import (
    ActionExecutionRejection,
    ActionMissingDomainException,
    ActionNotFoundException,
)

from coexistence import identity, routing, runtime
from coexistence.runtime import Runtime
from coexistence.testing.domain import Domain
from coexistence.testing.errors import ImpossibleTurn
from coexistence.testing.private import private_settings

OK = 200
REJECTED = 400
NO_SUCH_ACTION = 404
MISSING_DOMAIN = 449
FAILED = 500

CALL_SECONDS = 300.0
"""How long Rasa waits for an action server."""

Actions = str | types.ModuleType | Sequence[type[Action]]
Result = TypeVar("Result")


class Answer(NamedTuple):
    """What came back of a call: the HTTP status, and the body as JSON has it.

    Status None stands for a server that was not reached or not in time, and for a body of status
    200 that is not JSON; `error` says which, and in process is what the action raised. `notes`
    are what the SDK dropped before it answered.
    """

    status: int | None
    body: Any = None
    error: BaseException | None = None
    notes: tuple[str, ...] = ()


class Runner(Protocol):
    """Runs one action call."""

    def call(self, body: Mapping[str, Any]) -> Answer:
        """Return the answer to a call as Rasa sends it."""

    def close(self) -> None:
        """Let go of everything."""


def ask(runner: Runner, body: Mapping[str, Any], domain: Domain) -> Answer:
    """Return the answer to a call as Rasa Pro makes it: with the domain only when asked (449)."""
    answer = runner.call({**body, "domain_digest": domain.digest})
    if answer.status == MISSING_DOMAIN:
        answer = runner.call({**body, "domain_digest": domain.digest, "domain": domain.raw})
    return answer


class InProcess:
    """The user's actions in this process, with a profile store on a SQLite file of their own.

    Raises:
        ImportError: when the actions cannot be imported.
        profile_store.InvalidSettings: when the settings are impossible.
    """

    def __init__(
        self,
        actions: Actions,
        *,
        settings: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._opened = contextlib.ExitStack()
        if folder is None:
            made = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="coexist-"))
            folder = Path(made)
        self._settings = {**(settings or {}), "db": str(folder / "profiles.db")}
        self._nowhere = str(folder / "nowhere" / "profiles.db")
        self._opened.callback(runtime.use, None)
        self._executor = _Executor()
        try:
            self._runtime = self._use(self._settings)
            # in place before the actions are imported: `coexistence.install()` looks at it
            _register(self._executor, actions)
            self._loop = asyncio.new_event_loop()
        except BaseException:
            self._opened.close()
            raise

    def call(self, body: Mapping[str, Any]) -> Answer:
        """Run an action as the server does, JSON there and back included."""
        if self._loop.is_closed():
            raise ImpossibleTurn("The conversation is closed.")
        if not runtime.is_in_place(self._runtime):
            raise ImpossibleTurn(
                "Another conversation has put its own profile store in place since. One process "
                "has one: get the second conversation from this one, with on_channel()."
            )
        return self.wait(self._answer(json.loads(json.dumps(body))))

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what a coroutine returns, run on the conversation's own event loop.

        Raises:
            ImpossibleTurn: when an event loop is running here already.
        """
        if not _in_event_loop():
            return self._loop.run_until_complete(work)
        work.close()
        raise ImpossibleTurn(
            "A conversation is synchronous, and this is an async test: make it a plain `def`, or "
            "call it as `await asyncio.to_thread(conversation.nlu_turn, ...)`."
        )

    @property
    def runtime(self) -> Runtime:
        """The settings and the store that the actions use."""
        return self._runtime

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Let the database be out of reach until the block ends."""
        self._runtime = self._use({**self._settings, "db": self._nowhere})
        try:
            yield
        finally:
            self._runtime = self._use(self._settings)

    def close(self) -> None:
        """Close the store and the event loop; a second call does nothing."""
        self._opened.close()
        if not self._loop.is_closed():
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    @staticmethod
    def _use(settings: Mapping[str, Any]) -> Runtime:
        made = Runtime(private_settings(settings))
        runtime.use(made)
        return made

    async def _answer(self, call: dict[str, Any]) -> Answer:
        # what the server's plug-in reads off the body
        routing.rasa_version.set(call.get("version"))
        identity.told_user_id.set(call["tracker"].get("user_id"))
        self._executor.dropped.clear()
        try:
            result = await self._executor.run(call)
            body = None if result is None else result.model_dump()
            # over HTTP as well an answer that is not JSON is an error of the server's
            encoded = json.dumps(body, allow_nan=False)
        except ActionExecutionRejection as rejection:
            body = {"error": rejection.message, "action_name": rejection.action_name}
            return Answer(REJECTED, body, rejection)
        except ActionNotFoundException as unknown:
            return Answer(NO_SUCH_ACTION, error=unknown)
        except ActionMissingDomainException as lacking:
            return Answer(MISSING_DOMAIN, error=lacking)
        except Exception as error:  # noqa: BLE001 - the server answers 500, whatever it was
            return Answer(FAILED, error=error)
        return Answer(OK, json.loads(encoded), notes=tuple(self._executor.dropped))


def _in_event_loop() -> bool:
    # apart, so that no error of an action has "no running event loop" as its context
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Executor(ActionExecutor):  # type: ignore[misc]
    """The SDK's, which drops events that it takes for none; this one remembers that it did."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[str] = []

    def validate_events(self, events: Any, action_name: str) -> Any:
        for number, event in enumerate(events):
            if not (isinstance(event, dict) and event.get("event")):
                self.dropped.append(
                    f"events[{number}] is no event with an `event` key: the SDK drops it, and the "
                    "server's log is all that tells."
                )
        return super().validate_events(events, action_name)


def _register(executor: ActionExecutor, actions: Actions) -> None:
    if not isinstance(actions, str | types.ModuleType):
        for action in actions:
            executor.register_action(action)
        return
    package = _imported(actions) if isinstance(actions, str) else actions
    for found in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
        importlib.import_module(found.name)
    # Like the server, all that were imported; but a test's process has those of other tests as
    # well. Of several with one name the package's own wins, then this distribution's.
    for action in sorted(_importable(), key=lambda action: _rank(action, package.__name__)):
        try:
            executor.register_action(action)
        except Exception:
            if _rank(action, package.__name__) == _OWN:
                raise  # it would stop the server, too


_ELSEWHERE, _OURS, _OWN = range(3)


def _rank(action: type[Action], package: str) -> int:
    module = f"{action.__module__}."
    if module.startswith(f"{package}."):
        return _OWN
    return _OURS if module.startswith("coexistence.") else _ELSEWHERE


def _importable() -> Iterator[type[Action]]:
    """Yield the concrete actions of all modules, less those that a function made for itself."""
    known: list[type[Action]] = utils.all_subclasses(Action)
    for action in known:
        found: object = getattr(sys.modules.get(action.__module__), action.__name__, None)
        if found is not action or inspect.isabstract(action):
            continue
        if not action.__module__.startswith("rasa_sdk."):
            yield action


def _imported(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # one of the actions' own imports
        raise ImpossibleTurn(
            f"Python finds no module of actions named {name}; correct the name, or put its folder "
            "on the path (in pytest's settings: `pythonpath = .`)."
        ) from None


class OverHTTP:
    """An action server that is running: `url` is its address, or that of its `/webhook`."""

    def __init__(self, url: str, *, timeout: float = CALL_SECONDS) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ImpossibleTurn(
                "An action server has an http:// or https:// address; a module of actions is "
                "given by its dotted name."
            )
        path = parts.path if parts.path.strip("/") else "/webhook"
        self._url = parts._replace(path=path).geturl()
        self._timeout = timeout
        # loopback must not go through a proxy
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, body: Mapping[str, Any]) -> Answer:
        """Post a call, and return what the server answered."""
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                content, status = response.read(), response.status
        except urllib.error.HTTPError as refusal:
            with refusal:
                content, status = refusal.read(), refusal.code
        except (OSError, http.client.HTTPException) as error:
            return Answer(None, error=error)
        try:
            return Answer(status, json.loads(content))
        except ValueError as error:
            return Answer(None if status == OK else status, error=error)

    def close(self) -> None:
        """Do nothing: each call has a connection of its own."""
