"""The action server over HTTP, with bodies that Rasa really sends and those that it never does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.action_server import ActionServer

PAYLOADS = Path(__file__).parents[1] / "payloads"
CALM = json.loads((PAYLOADS / "calm-rasa-pro-3.21.json").read_text())
NLU = json.loads((PAYLOADS / "nlu-rasa-open-source-3.6.json").read_text())
SHARED = {"customer_name": "Ann", "loyalty_tier": "gold", "prefs": {"a": [1, 2, None]}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionServer]:
    with ActionServer(tmp_path_factory.mktemp("server")) as running:
        yield running


def call(action: str, body: dict[str, Any] = CALM, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {**json.loads(json.dumps(body)), "next_action": action}
    tracker_changes = changes.pop("tracker", {})
    made.update(changes)
    made["tracker"].update(tracker_changes)
    return made


def new_conversation(sender_id: str, user_id: str) -> dict[str, Any]:
    """A first call of another conversation: no events, no slots."""
    slots = dict.fromkeys(CALM["tracker"]["slots"])
    tracker = {"sender_id": sender_id, "user_id": user_id, "slots": slots, "events": []}
    return call("action_fetch_profile", sender_id=sender_id, tracker=tracker)


def slots_of(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return {e["name"]: e["value"] for e in response.json()["events"] if e["event"] == "slot"}


def test_a_calm_body_without_a_domain_is_answered_with_449_then_served(
    server: ActionServer,
) -> None:
    body = call("action_store_profile", tracker={"user_id": "calm-user"}, domain_digest="fresh")
    domain = body.pop("domain")
    refused = server.post(body)
    assert refused.status_code == 449
    assert refused.json()["action_name"] == "action_store_profile"
    assert server.post({**body, "domain": domain}).status_code == 200
    assert server.post(body).status_code == 200, "the digest is known now"
    assert slots_of(server.post(new_conversation("elsewhere", "calm-user"))) == SHARED


def test_the_calm_override_resets_and_puts_back(server: ActionServer) -> None:
    body = call("action_reset_routing", tracker={"user_id": "reset-user"})
    body["tracker"]["slots"]["customer_name"] = None
    events = server.post(body).json()["events"]
    assert events[0] == {"event": "routing_session_ended", "timestamp": None}
    assert (events[1]["name"], events[1]["value"]) == ("route_session_to_calm", None)
    assert (events[2]["name"], events[2]["value"]) == ("customer_name", "Ann")


def test_the_nlu_body_of_open_source_is_reset_with_plain_slot_events(tmp_path: Path) -> None:
    (tmp_path / "endpoints.yml").write_text(
        "profile_store: {shared_slots: {include: [name, loyalty_tier]}}"
    )
    with ActionServer(tmp_path) as running:
        assert slots_of(running.post(call("action_sync_profile", NLU))) == {}
        body = call("action_reset_routing", NLU)
        body["tracker"]["slots"]["name"] = None
        response = running.post(body)
        assert slots_of(response) == {
            "name": "bob", "turn_count": None, "route_session_to_calm": None,
        }  # fmt: skip
        assert {event["event"] for event in response.json()["events"]} == {"slot"}


def test_a_deflated_body_is_served(server: ActionServer) -> None:
    body = zlib.compress(json.dumps(call("action_fetch_profile")).encode())
    headers = {"Content-Encoding": "deflate", "Content-Type": "application/json"}
    response = httpx.post(f"{server.url}/webhook", content=body, headers=headers, timeout=30)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{SECRET", 400),
        (b'["SECRET"]', 422),
        (b'{"next_action": "x"}', 422),
        (b'{"tracker": {"sender_id": "SECRET"}}', 422),
        (b'{"next_action": "x", "tracker": {"sender_id": ["SECRET"]}}', 422),
        (b"[" * 10_000, 422),
        (b'{"a":"SECRET' + b"x" * 50_000_000, 413),
    ],
    ids=["not-json", "no-object", "no-tracker", "no-action", "wrong-type", "deep", "50-MB"],
)
@pytest.mark.parametrize("path", ["/webhook", "/webhook/"])
def test_bad_bodies_get_one_shape_of_client_error_and_leave_the_server_alive(
    server: ActionServer, path: str, body: bytes, status: int
) -> None:
    response = httpx.post(f"{server.url}{path}", content=body, timeout=60)
    assert response.status_code == status
    assert set(response.json()) == {"error", "action_name"}
    assert "SECRET" not in response.text
    assert "SECRET" not in server.log
    assert server.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/x", 404), ("PUT", "/webhook", 405)]
)
def test_unknown_paths_and_methods_get_the_same_shape(
    server: ActionServer, method: str, path: str, status: int
) -> None:
    response = httpx.request(method, f"{server.url}{path}")
    assert response.status_code == status
    assert set(response.json()) == {"error", "action_name"}


def test_an_unknown_action_is_the_sdks_own_404(server: ActionServer) -> None:
    response = server.post(call("action_nobody_wrote"))
    assert response.status_code == 404
    assert response.json()["action_name"] == "action_nobody_wrote"


def with_action(folder: Path, does: str) -> Path:
    """Write `action_mine`, which does something; return the path to serve it from."""
    package = folder / "mine" / "actions"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import coexistence\n"
        "from rasa_sdk import Action\n"
        "coexistence.install()\n"
        "class Mine(Action):\n"
        "    def name(self): return 'action_mine'\n"
        "    async def run(self, dispatcher, tracker, domain):\n"
        f"        {does}\n"
    )
    return folder / "mine"


def test_a_failing_action_repeats_and_logs_nothing_of_the_request(tmp_path: Path) -> None:
    path = with_action(tmp_path, "raise ValueError(f'failed for {tracker.slots}')")
    with ActionServer(tmp_path, path=path) as running:
        response = running.post(call("action_mine", tracker={"slots": {"a": "SECRET"}}))
        assert response.status_code == 500
        assert set(response.json()) == {"error", "action_name"}
        assert "ValueError" in response.json()["error"]
        assert "SECRET" not in response.text
        assert "SECRET" not in running.log
        assert "__init__.py" in running.log, "the developer sees where"


def test_events_that_nest_too_deep_for_the_action_that_reads_them_are_a_client_error(
    tmp_path: Path,
) -> None:
    path = with_action(tmp_path, "return [] if tracker.events else []")
    body = call("action_mine")
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    with ActionServer(tmp_path, path=path) as running:
        assert running.post(body).status_code == 200
        body["tracker"]["events"][0]["odd"] = deep
        refused = running.post(body)
        assert refused.status_code == 422
        assert refused.json() == {
            "error": "The body is nested deeper than 200.",
            "action_name": "",
        }


def test_ready_tells_that_the_database_answers(server: ActionServer) -> None:
    response = server.get("/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


def test_ready_tells_why_it_is_not(tmp_path: Path) -> None:
    env = {"PROFILE_STORE_URL": f"sqlite:///{tmp_path}/nowhere/profiles.db"}
    with ActionServer(tmp_path, env=env) as running:
        response = running.get("/ready")
        assert response.status_code == 503
        assert "unable to open database file" in response.json()["reason"]
        assert running.get("/health").status_code == 200
        assert slots_of(running.post(call("action_sync_profile"))) == {}, "it goes on"


def test_ready_tells_that_the_tables_are_of_another_version(tmp_path: Path) -> None:
    with ActionServer(tmp_path) as running:
        assert running.get("/ready").status_code == 200
        with (
            contextlib.closing(sqlite3.connect(tmp_path / "profiles.db")) as connection,
            connection,
        ):
            connection.execute("UPDATE profile_store_version SET version_num = '9999'")
        response = running.get("/ready")
        assert response.status_code == 503
        assert "9999" in response.json()["reason"]
        assert "coexist db upgrade" in response.json()["reason"]


@pytest.mark.parametrize("setting", ["tpye: SQL", "dialect: oracle", "timeout: -1", "db: ${NOPE}"])
def test_an_impossible_setting_stops_the_start_with_one_line_that_names_it(
    tmp_path: Path, setting: str
) -> None:
    (tmp_path / "endpoints.yml").write_text(f"profile_store:\n  {setting}\n")
    server = ActionServer(tmp_path)
    process = server.launch()
    assert process.wait(60) != 0
    assert "Traceback" not in server.log
    (line,) = [line for line in server.log.splitlines() if line.startswith("rasa-coexistence:")]
    assert f"profile_store.{setting.partition(':')[0]}" in line


def test_settings_come_from_the_file_that_endpoints_names(tmp_path: Path) -> None:
    other = tmp_path / "other.yml"
    other.write_text("profile_store: {db: elsewhere.db}")
    with ActionServer(tmp_path, arguments=("--endpoints", str(other))) as running:
        assert running.get("/ready").status_code == 200
    assert (tmp_path / "elsewhere.db").exists()


async def test_two_workers_share_one_profile(server: ActionServer, tmp_path: Path) -> None:
    with ActionServer(tmp_path, env={"ACTION_SERVER_SANIC_WORKERS": "2"}) as running:
        async with httpx.AsyncClient(timeout=60) as client:

            async def say(number: int) -> None:
                body = call(
                    "action_store_profile",
                    tracker={"sender_id": f"c{number}", "user_id": f"user-{number % 5}"},
                )
                response = await client.post(f"{running.url}/webhook", json=body)
                assert response.status_code == 200

            await asyncio.gather(*(say(number) for number in range(100)))
            for number in range(5):
                body = new_conversation("elsewhere", f"user-{number}")
                response = await client.post(f"{running.url}/webhook", json=body)
                assert slots_of(response) == SHARED
        assert len(running.workers) > len(server.workers), "with one worker they are as many"


def test_the_server_ends_cleanly(tmp_path: Path) -> None:
    with ActionServer(tmp_path) as running:
        assert running.post(call("action_store_profile")).status_code == 200
    assert "Traceback" not in running.log
    assert not (tmp_path / "profiles.db-wal").exists(), "closing the database empties its WAL"


def say(sender_id: str, action: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    """A call of an anonymous conversation, whose domain wants to know how it went."""
    slots = {
        "profile_status": {"type": "text"},
        "a": {"type": "any", "shared_for_coexistence": True},
    }
    tracker = {"sender_id": sender_id, "slots": dict.fromkeys(slots), "events": events}
    return {"next_action": action, "tracker": tracker, "domain": {"slots": slots}}


A_WRITE = [{"event": "slot", "name": "a", "value": "kept", "timestamp": 1_700_000_000.0}]


@pytest.mark.parametrize(
    "sender_id",
    ["o'neil", '"; DROP TABLE profile; --', "😀", "%s %(x)s ?", "../../etc/passwd", "x" * 241, " "],
)
def test_an_odd_sender_id_is_a_key_like_any_other(server: ActionServer, sender_id: str) -> None:
    stored = slots_of(server.post(say(sender_id, "action_store_profile", A_WRITE)))
    assert stored == {"profile_status": "stored"}
    fetched = slots_of(server.post(say(sender_id, "action_fetch_profile", [])))
    assert fetched == {"a": "kept", "profile_status": "loaded"}
    other = slots_of(server.post(say(sender_id + "x", "action_fetch_profile", [])))
    assert "a" not in other


@pytest.mark.parametrize("sender_id", ["SECRET" + "x" * 1_000, "SECRET\0", "SECRET\ud800"])
def test_a_sender_id_that_no_database_keeps_is_refused_and_the_conversation_goes_on(
    server: ActionServer, sender_id: str
) -> None:
    stored = slots_of(server.post(say(sender_id, "action_store_profile", A_WRITE)))
    assert stored == {"profile_status": "unavailable"}
    assert "no profile. The user id" in server.log
    assert "SECRET" not in server.log


def test_an_unfit_value_is_refused_and_named_and_the_others_are_kept(server: ActionServer) -> None:
    slots = {name: {"type": kind, "shared_for_coexistence": True} for name, kind in
             {"fits": "text", "wrong_type": "text", "too_large": "any"}.items()}  # fmt: skip
    values = {"fits": "kept", "wrong_type": ["SECRET"], "too_large": "SECRET" * 20_000,
              "in_no_domain": "SECRET"}  # fmt: skip
    events = [
        {"event": "slot", "name": name, "value": value, "timestamp": 1_700_000_000.0}
        for name, value in values.items()
    ]
    tracker = {"sender_id": "unfit", "slots": dict.fromkeys(slots), "events": events}
    body = {"tracker": tracker, "domain": {"slots": slots}}
    assert slots_of(server.post({**body, "next_action": "action_store_profile"})) == {}
    body["tracker"] = {**tracker, "events": []}
    assert slots_of(server.post({**body, "next_action": "action_fetch_profile"})) == {
        "fits": "kept"
    }
    for refused in ("wrong_type", "too_large"):
        assert f"Slot {refused} is not stored" in server.log
    assert "SECRET" not in server.log
