"""Answers of a server with the plug-in and of a bare one: the same, whoever writes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.action_server import ActionServer
from tests.server.test_http import NLU, call

ACTIONS = """
import math, os
from datetime import date
from pydantic import BaseModel
from rasa_sdk import Action
from rasa_sdk.events import SlotSet
from rasa_sdk.interfaces import ActionExecutionRejection

if os.environ.get("WITH_PLUGIN"):
    import coexistence
    coexistence.install()


class Amount(BaseModel):
    euros: int


class Said(Action):
    def name(self): return "action_said"
    async def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="hé \\U0001f600", buttons=[{"title": "a", "payload": "/a"}])
        return [SlotSet("heard", [event["event"] for event in tracker.events])]

class Nothing(Action):
    def name(self): return "action_nothing"
    def run(self, dispatcher, tracker, domain): return None

class Rejecting(Action):
    def name(self): return "action_rejecting"
    async def run(self, dispatcher, tracker, domain):
        raise ActionExecutionRejection(self.name(), "not now")

class Returning(Action):
    def name(self): return "action_returning"
    async def run(self, dispatcher, tracker, domain):
        what = tracker.get_slot("what")
        return [SlotSet("odd", {
            "model": Amount(euros=5), "nan": math.nan, "infinite": math.inf, "date": date(2026, 1, 1),
            "set": {1}, "tuple": (1, 2), "bytes": b"abc", "large": 2**70, "key": {1: 2},
            "half": "\\ud800", "slash": "</script>", "deep": [[[{}]]], "no event": None,
        }[what])]

class Malformed(Action):
    def name(self): return "action_malformed"
    async def run(self, dispatcher, tracker, domain): return [{"no": "event"}, 5]
"""  # noqa: E501
TRACING = "tracing:\n  type: otlp\n  endpoint: '127.0.0.1:1'\n  service_name: x\n"
ODD = ["model", "nan", "infinite", "date", "set", "tuple", "bytes", "large", "key", "half", "slash",
       "deep", "no event"]  # fmt: skip


def written(folder: Path) -> Path:
    (folder / "mine" / "actions").mkdir(parents=True)
    (folder / "mine" / "actions" / "__init__.py").write_text(ACTIONS)
    return folder / "mine"


Pair = tuple[ActionServer, ActionServer]


@pytest.fixture(scope="module", params=["as it is", "traced", "auto-reload"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """A server with the plug-in, and a bare one."""
    folders = [tmp_path_factory.mktemp("with"), tmp_path_factory.mktemp("bare")]
    if request.param == "traced":
        for folder in folders:
            (folder / "endpoints.yml").write_text(TRACING)
    options: dict[str, Any] = {
        "arguments": ("--auto-reload",) if request.param == "auto-reload" else ()
    }
    with (
        ActionServer(
            folders[0], path=written(folders[0]), env={"WITH_PLUGIN": "yes"}, **options
        ) as ours,
        ActionServer(folders[1], path=written(folders[1]), **options) as bare,
    ):
        yield ours, bare
        if request.param == "traced":
            kill(ours, bare)


def kill(*servers: ActionServer) -> None:
    """End servers that would wait a minute for somebody to take their traces."""
    for server in servers:
        server.kill()


def assert_same(servers: Pair, body: Any) -> httpx.Response:
    ours, bare = (server.post(body) for server in servers)
    assert (ours.status_code, ours.text) == (bare.status_code, bare.text)
    assert ours.headers["content-type"] == bare.headers["content-type"]
    return ours


@pytest.mark.parametrize("action", ["action_said", "action_nothing", "action_rejecting"])
def test_what_an_action_answers_is_sent_as_a_bare_server_does(servers: Pair, action: str) -> None:
    assert_same(servers, call(action))
    assert_same(servers, call(action, NLU, version="3.6.21"))


def test_an_unknown_action_is_refused_as_by_a_bare_server(servers: Pair) -> None:
    assert assert_same(servers, call("action_nobody_wrote")).status_code == 404


def test_a_missing_domain_is_asked_for_as_by_a_bare_server(servers: Pair) -> None:
    body = call("action_said", domain_digest="one nobody knows")
    del body["domain"]
    assert assert_same(servers, body).status_code == 449


@pytest.mark.parametrize("what", ODD)
def test_an_odd_value_is_sent_or_refused_as_by_a_bare_server(servers: Pair, what: str) -> None:
    body = call("action_returning", tracker={"slots": {"what": what}})
    ours, bare = (server.post(body) for server in servers)
    assert ours.status_code == bare.status_code
    if bare.status_code == 200:
        assert ours.text == bare.text


def test_malformed_events_are_dropped_as_by_a_bare_server(servers: Pair) -> None:
    assert_same(servers, call("action_malformed"))


@pytest.mark.parametrize(
    ("endpoints", "arguments", "ours"),
    [("", (), True), (TRACING, (), False), ("", ("--auto-reload",), False)],
    ids=["as it is", "traced", "auto-reload"],
)
def test_the_sdks_own_answering_stays_where_it_does_more(
    tmp_path: Path, endpoints: str, arguments: tuple[str, ...], ours: bool
) -> None:
    (tmp_path / "endpoints.yml").write_text(endpoints)
    path = written(tmp_path)
    (path / "actions" / "who.py").write_text(
        "from rasa_sdk import Action\n"
        "from rasa_sdk.events import SlotSet\n"
        "import inspect\n"
        "class Who(Action):\n"
        "    def name(self): return 'action_who'\n"
        "    async def run(self, dispatcher, tracker, domain):\n"
        "        return [SlotSet('callers', [f.filename for f in inspect.stack()])]\n"
    )
    with ActionServer(
        tmp_path, path=path, env={"WITH_PLUGIN": "yes"}, arguments=arguments
    ) as running:
        answer = running.post(call("action_who")).json()
        if endpoints:
            kill(running)
    (callers,) = [event["value"] for event in answer["events"]]
    assert any(file.endswith("coexistence/answering.py") for file in callers) == ours


def test_a_changed_action_is_reloaded(tmp_path: Path) -> None:
    path = written(tmp_path)
    file = path / "actions" / "__init__.py"
    with ActionServer(
        tmp_path, path=path, env={"WITH_PLUGIN": "yes"}, arguments=("--auto-reload",)
    ) as running:
        assert "hé" in running.post(call("action_said")).json()["responses"][0]["text"]
        changed = file.stat().st_mtime + 10
        file.write_text(ACTIONS.replace("hé", "changed"))
        os.utime(file, (changed, changed))
        assert "changed" in running.post(call("action_said")).json()["responses"][0]["text"]
        assert running.get("/ready").status_code == 200
