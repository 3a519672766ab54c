"""In process and over HTTP: the same calls, a store of the test's own, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
import threading
import types
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from coexistence import ProfileAction, Turn, runtime
from coexistence.testing import ActionFailed, Conversation, ImpossibleTurn, ResponseRefused
from coexistence.testing.private import behaviour
from profile_store import InvalidSettings
from tests.testing.conftest import Talk
from tests.testing.scripted import SLOTS, action, domain, raises, slot

Respond = Callable[[dict[str, Any]], tuple[int, bytes]]


class ActionTell(ProfileAction):
    def name(self) -> str:
        return "action_tell_name"

    async def act(self, turn: Turn) -> None:
        known = turn.profile.get("customer_name") if turn.available else "no database"
        turn.dispatcher.utter_message(text=str(known))


@contextlib.contextmanager
def answering(respond: Respond) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve raw answers to action calls; yield the address and the calls."""
    calls: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, content = respond(calls[-1])
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


DOMAIN = domain(action("action_x"))
DONE = b'{"events": [], "responses": []}'


def test_a_call_is_made_without_the_domain_and_repeated_with_it_when_asked() -> None:
    def respond(call: dict[str, Any]) -> tuple[int, bytes]:
        return (200, DONE) if "domain" in call else (449, b'{"error": "", "action_name": ""}')

    with answering(respond) as (url, calls), Conversation(DOMAIN, url) as conversation:
        conversation.nlu_turn("x", action="action_x")

    asked, repeated = calls
    assert "domain" not in asked
    assert repeated["domain"] == DOMAIN
    assert asked["domain_digest"] == repeated["domain_digest"]
    assert asked["version"] == "3.21.0"
    assert asked["tracker"]["user_id"] == "user-1"


def test_an_old_rasa_always_sends_the_domain_and_knows_no_user() -> None:
    with (
        answering(lambda _: (200, DONE)) as (url, calls),
        Conversation(DOMAIN, url, rasa_version="3.6.21") as conversation,
    ):
        conversation.nlu_turn("x", action="action_x")

    (call,) = calls
    assert call["domain"] == DOMAIN
    assert "domain_digest" not in call
    assert not {"user_id", "stack"} & set(call["tracker"])
    assert call["tracker"]["latest_message"]["metadata"] == {"user_id": "user-1"}


@pytest.mark.parametrize(
    ("status", "body", "error", "why"),
    [
        (200, b"<html>", ActionFailed, "came to no answer"),
        (200, b"null", ResponseRefused, "must be an object, not null"),
        (404, b"", ActionFailed, "came to status 404"),
        (500, b'{"error": "RuntimeError in the action server"}', ActionFailed, "RuntimeError"),
        (400, b"Bad Request", ActionFailed, "came to status 400"),
    ],
)
def test_answers_that_are_none_fail_the_test(
    status: int, body: bytes, error: type[Exception], why: str
) -> None:
    with (
        answering(lambda _: (status, body)) as (url, _),
        Conversation(DOMAIN, url) as conversation,
        pytest.raises(error, match=why),
    ):
        conversation.nlu_turn("x", action="action_x")


def test_a_400_that_rasas_client_breaks_on_is_no_rejection() -> None:
    with (
        answering(lambda _: (400, b"Bad Request")) as (url, _),
        Conversation(DOMAIN, url) as conversation,
        pytest.raises(ResponseRefused, match="without `action_name`"),
    ):
        conversation.nlu_turn("x", action="action_x", status=400)


@pytest.mark.parametrize("address", ["ftp://localhost", "http://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ImpossibleTurn, match="http:// or https:// address"):
        Conversation(DOMAIN, address)


def test_what_json_cannot_carry_is_an_error_in_process_as_it_is_over_http(talk: Talk) -> None:
    for value in ({1, 2}, float("nan")):
        with pytest.raises(ActionFailed, match="came to status 500"):
            talk(action("action_x", slot("scratch", value))).nlu_turn("x", action="action_x")


def test_an_action_cannot_change_the_conversations_own_tracker(talk: Talk) -> None:
    def change(_: Any, tracker: Any, __: Any) -> list[Any]:
        tracker.slots["scratch"] = "changed"
        tracker.events.clear()
        return []

    conversation = talk(action("action_x", does=change))
    conversation.nlu_turn("x", action="action_x")
    assert conversation.slots["scratch"] == "init"
    assert conversation.tracker.events


def test_profiles_are_read_from_the_private_store(talk: Talk, tmp_path: Path) -> None:
    conversation = talk(ActionTell, user_id="ann")
    assert conversation.profile == {}

    conversation.nlu_turn("x", slots={"customer_name": "Ann"}, action="action_tell_name")

    assert conversation.profile == {"customer_name": "Ann"}
    web = conversation.on_channel("web")
    assert web.nlu_turn("x", action="action_tell_name").text == "Ann"
    assert web.slots["customer_name"] == "Ann"
    assert (tmp_path / "profiles.db").exists()


def test_without_a_user_id_a_profile_is_the_conversations(talk: Talk) -> None:
    conversation = talk(ActionTell, user_id=None)
    conversation.nlu_turn("x", slots={"customer_name": "Ann"}, action="action_tell_name")
    assert conversation.profile == {"customer_name": "Ann"}
    assert conversation.on_channel("web").profile == {}


def test_an_outage_is_over_when_its_block_ends(talk: Talk) -> None:
    conversation = talk(ActionTell)
    with conversation.outage():
        said = conversation.nlu_turn("x", slots={"customer_name": "Ann"}, action="action_tell_name")
        assert said.text == "no database"
    assert conversation.run("action_tell_name").text == "Ann"


def test_over_http_the_store_is_the_servers() -> None:
    with Conversation(DOMAIN, "http://127.0.0.1:1") as conversation:
        with pytest.raises(ImpossibleTurn, match="profile is for actions that run in this"):
            _ = conversation.profile
        with pytest.raises(ImpossibleTurn, match=r"outage\(\) is for"):
            conversation.outage()


def test_settings_are_the_tests_own_whatever_the_environment_says(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROFILE_STORE_URL", f"sqlite:///{tmp_path}/developers.db")
    monkeypatch.setenv("PROFILE_STORE_NO_SUCH_SETTING", "1")
    conversation = talk(ActionTell, settings={"shared_slots": {"include": ["scratch"]}})
    conversation.nlu_turn("x", slots={"scratch": "kept"}, action="action_tell_name")
    assert conversation.profile == {"scratch": "kept"}
    assert not (tmp_path / "developers.db").exists()


def test_an_impossible_setting_is_named() -> None:
    with pytest.raises(InvalidSettings, match="no_such: no such setting"):
        Conversation(DOMAIN, [], settings={"no_such": 1})


def test_tests_share_what_the_endpoints_file_says_of_the_profile_and_not_where_it_is(
    tmp_path: Path,
) -> None:
    file = tmp_path / "endpoints.yml"
    assert behaviour(file) == {}
    file.write_text("action_endpoint: {url: x}")
    assert behaviour(file) == {}
    file.write_text(
        "profile_store: {dialect: postgresql, password: '${NOT_SET}', namespace: bank,\n"
        "  identity: [user_id], shared_slots: {include: [tier]}}"
    )
    assert behaviour(file) == {
        "namespace": "bank", "identity": ["user_id"], "shared_slots": {"include": ["tier"]},
    }  # fmt: skip


def test_a_second_conversation_with_a_store_of_its_own_is_told_apart(talk: Talk) -> None:
    first = talk(action("action_x"))
    talk()
    with pytest.raises(ImpossibleTurn, match=r"with on_channel\(\)"):
        first.nlu_turn("x", action="action_x")


async def test_in_an_async_test_it_says_how_to_be_called(talk: Talk) -> None:
    conversation = talk(action("action_x", slot("scratch", "new")))
    with pytest.raises(ImpossibleTurn, match=r"asyncio\.to_thread"):
        conversation.nlu_turn("x", action="action_x")
    await asyncio.to_thread(conversation.nlu_turn, "x", action="action_x")
    assert conversation.slots["scratch"] == "new"


def test_the_trace_of_a_failing_action_begins_with_its_own_error(talk: Talk) -> None:
    error = RuntimeError("no bank")
    with pytest.raises(ActionFailed) as failed:
        talk(raises("action_x", error)).nlu_turn("x", action="action_x")
    assert failed.value.__cause__ is error
    assert error.__context__ is None


def test_nothing_is_left_when_it_is_closed() -> None:
    before = set(threading.enumerate())
    with Conversation({"slots": SLOTS, "actions": ["action_tell_name"]}, [ActionTell]) as talking:
        mine = runtime.current()
        talking.nlu_turn("x", action="action_tell_name")
        folder = Path(str(mine.settings.db)).parent
        assert folder.is_dir()
        assert set(threading.enumerate()) > before
    talking.close()
    assert set(threading.enumerate()) <= before
    assert not folder.exists()
    with pytest.raises(ImpossibleTurn, match="is closed"):
        talking.run("action_tell_name")


def test_a_package_is_loaded_with_its_modules_as_the_server_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "skills_of_this_test"
    package.mkdir()
    (package / "__init__.py").write_text("import coexistence\ncoexistence.install()\n")
    (package / "one.py").write_text(
        "from rasa_sdk import Action\n"
        "class One(Action):\n"
        "    def name(self): return 'action_one'\n"
        "    async def run(self, dispatcher, tracker, domain):\n"
        "        dispatcher.utter_message(text='one')\n"
        "        return []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    listed = {"slots": SLOTS, "actions": ["action_one", "action_fetch_profile"]}
    # of the same names, but those of a test: the package's own are run
    others = [action("action_one"), action("action_fetch_profile", {"event": "sing"})]
    try:
        with Conversation(listed, package.name, folder=tmp_path) as conversation:
            said = conversation.nlu_turn("x", action=["action_fetch_profile", "action_one"])
        assert said.text == "one"
        with Conversation(listed, sys.modules[package.name], folder=tmp_path) as conversation:
            assert conversation.nlu_turn("x", action="action_one").text == "one"
    finally:
        del others
        for name in [name for name in sys.modules if name.startswith(package.name)]:
            del sys.modules[name]


OTHER_TESTS = """
from rasa_sdk import Action

class ListContacts(Action):
    def name(self): return "action_list_contacts"
    def run(self, *_): raise AssertionError

class CannotBeMade(Action):
    def __init__(self): raise RuntimeError
    def name(self): return "action_impossible"
"""


@pytest.fixture
def _other_tests() -> Iterator[None]:
    """A module of other tests, with actions of its own."""
    module = sys.modules["test_of_others"] = types.ModuleType("test_of_others")
    exec(OTHER_TESTS, vars(module))
    yield
    del sys.modules["test_of_others"]
    vars(module).clear()
    gc.collect()  # the SDK finds actions by their base class, as long as they live


@pytest.mark.usefixtures("_other_tests")
def test_actions_of_other_test_modules_are_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_BANK_DB", str(tmp_path / "bank.db"))
    listed = {"slots": SLOTS, "actions": ["action_list_contacts"]}
    with Conversation(listed, "actions", folder=tmp_path) as conversation:
        said = conversation.nlu_turn("x", action="action_list_contacts").text
    assert said == "You have no contacts yet."


def test_actions_that_are_not_there_are_told_of_and_nothing_is_left(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(ImpossibleTurn, match="no module of actions named no_such_actions"):
        Conversation(DOMAIN, "no_such_actions", folder=tmp_path)
    assert set(threading.enumerate()) <= before
