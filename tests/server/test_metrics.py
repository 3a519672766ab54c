"""`/metrics` of real servers: the sum of all workers, whichever answers, and gRPC's own port."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.action_server import ActionServer, free_port
from tests.server.test_http import call
from tests.transports import ways
from tests.transports.ways import GRPC

ON = {"PROFILE_STORE_METRICS": "true"}
TWO = {**ON, "ACTION_SERVER_SANIC_WORKERS": "2"}
DONE = 'profile_store_calls_total{action="action_sync_profile",outcome="done"}'
DEPTH = "profile_store_queue_depth"
DEADLINE = 30


def read(text: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def metrics(server: ActionServer) -> dict[str, float]:
    response = server.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return read(response.text)


def sync(user_id: str = "ann") -> dict[str, Any]:
    return call("action_sync_profile", tracker={"user_id": user_id})


def files(folder: Path) -> set[int]:
    """The workers that have counted a call in a directory."""
    return {
        int(file.stem.rpartition("_")[2])
        for file in folder.glob("counter_*.db")
        if b"action_sync_profile" in file.read_bytes()
    }


def post_until_all_have_served(server: ActionServer, folder: Path, workers: int = 2) -> int:
    """Call an action until so many workers have served one; return how often it was called."""
    deadline = time.monotonic() + DEADLINE
    calls = 0
    while len(files(folder)) < workers:
        assert time.monotonic() < deadline, "one worker was never given a call"
        assert server.post(sync()).status_code == 200
        calls += 1
    return calls


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_whichever_worker_answers_tells_the_sum_of_all(tmp_path: Path, method: str) -> None:
    shared = tmp_path / "shared"
    env = {**TWO, "SANIC_STARTS_BY": method, "PROMETHEUS_MULTIPROC_DIR": str(shared)}
    with ActionServer(tmp_path, path=ways.ASSISTANT, env=env) as running:
        calls = post_until_all_have_served(running, shared)
        told = [metrics(running) for _ in range(10)]
        assert {one[DONE] for one in told} == {calls}
        assert {one["profile_store_slots_stored_total"] for one in told} == {3.0}
        assert {one[DEPTH] for one in told} == {0.0}
    assert "one worker only" not in running.log
    assert "Traceback" not in running.log


def test_a_worker_that_died_keeps_its_counts_and_loses_its_gauges(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    env = {**TWO, "PROMETHEUS_MULTIPROC_DIR": str(shared)}
    with ActionServer(tmp_path, env=env) as running:
        calls = post_until_all_have_served(running, shared)
        dead = sorted(files(shared))[0]
        os.kill(dead, signal.SIGKILL)
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                told = metrics(running)
            except httpx.TransportError:  # the connection was the dead one's
                assert time.monotonic() < deadline
                continue
            if not list(shared.glob(f"gauge_livesum_{dead}.db")):
                break
            assert time.monotonic() < deadline, "the dead worker's gauges are still there"
            time.sleep(0.1)
        assert told[DONE] == calls
        assert told[DEPTH] == 0.0
        running.kill()


def test_a_directory_is_emptied_at_start_and_one_of_the_servers_own_goes_with_it(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    own = tmp_path_factory.mktemp("own")  # short: a socket's path has 107 characters at most
    (shared / "counter_1.db").write_bytes(b"left behind by a server that was killed")
    with ActionServer(tmp_path, env={**ON, "PROMETHEUS_MULTIPROC_DIR": str(shared)}) as running:
        assert not (shared / "counter_1.db").exists()
        assert running.get("/metrics").status_code == 200
    with ActionServer(tmp_path, env={**ON, "TMPDIR": str(own)}) as running:
        assert running.post(sync()).status_code == 200
        assert metrics(running)[DONE] == 1
        (folder,) = own.glob("rasa-coexistence-metrics-*")
        assert folder.stat().st_mode & 0o077 == 0, "nobody else may read or write there"
    assert not list(own.iterdir())


def test_metrics_tell_nothing_of_users_and_nothing_that_a_caller_made_up(tmp_path: Path) -> None:
    with ActionServer(tmp_path, env=ON) as running:
        body = call("action_sync_profile", tracker={"sender_id": "SECRET", "user_id": "SECRET-2"})
        body["tracker"]["slots"]["customer_name"] = "SECRET-3"
        assert running.post(body).status_code == 200
        assert running.post({**body, "next_action": "action_SECRET"}).status_code == 404
        text = running.get("/metrics").text
    assert DONE in text
    assert "SECRET" not in text


def test_a_newer_format_is_spoken_with_who_asks_for_it(tmp_path: Path) -> None:
    with ActionServer(tmp_path, env=ON) as running:
        accept = {"accept": "application/openmetrics-text; version=1.0.0"}
        response = httpx.get(f"{running.url}/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def test_without_the_setting_there_is_no_such_path(tmp_path: Path) -> None:
    with ActionServer(tmp_path) as running:
        assert running.get("/metrics").status_code == 404


def test_a_metric_of_the_assistants_own_is_told_with_ours(tmp_path: Path) -> None:
    package = tmp_path / "mine" / "actions"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import coexistence\n"
        "from prometheus_client import Counter\n"
        "from rasa_sdk import Action\n"
        "coexistence.install()\n"
        "PAID = Counter('bank_payments', 'Payments made.')\n"
        "class Pay(Action):\n"
        "    def name(self): return 'action_pay'\n"
        "    async def run(self, dispatcher, tracker, domain): PAID.inc()\n"
    )
    with ActionServer(tmp_path, path=tmp_path / "mine", env=ON) as running:
        assert running.post(call("action_pay")).status_code == 200
        assert metrics(running)["bank_payments_total"] == 1


@pytest.mark.parametrize("named", [False, True], ids=["no directory named", "one named"])
def test_forked_workers_that_cannot_share_say_so(tmp_path: Path, named: bool) -> None:
    package = tmp_path / "mine" / "actions"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import coexistence, prometheus_client\n"
        "from sanic import Sanic\n"
        "Sanic.start_method = 'fork'\n"
        "coexistence.install()\n"
    )
    env = {**TWO, **({"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "shared")} if named else {})}
    with ActionServer(tmp_path, path=tmp_path / "mine", env=env) as running:
        assert running.post(sync()).status_code == 200
        assert running.get("/metrics").status_code == 200
    assert ("Set PROMETHEUS_MULTIPROC_DIR to an empty directory" in running.log) is not named


def test_a_grpc_server_serves_metrics_on_a_port_of_its_own_on_loopback(tmp_path: Path) -> None:
    port = free_port()
    with GRPC(tmp_path, {**ON, "PROFILE_STORE_METRICS_PORT": str(port)}) as running:
        assert running.call(sync()).outcome == "done"
        told = read(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
        assert told[DONE] == 1
        assert f"http://127.0.0.1:{port}/metrics" in running.log
        assert "Traceback" not in running.log


def test_a_grpc_server_without_a_port_says_that_nobody_can_read_them(tmp_path: Path) -> None:
    with GRPC(tmp_path, ON) as running:
        assert running.call(sync()).outcome == "done"
        assert "profile_store.metrics_port" in running.log


def test_a_port_that_is_taken_stops_a_grpc_server_with_one_line(tmp_path: Path) -> None:
    with ActionServer(tmp_path) as other:
        taken = GRPC(tmp_path, {**ON, "PROFILE_STORE_METRICS_PORT": str(other.port)})
        with pytest.raises(AssertionError):
            taken.__enter__()
    last = taken.log.strip().splitlines()[-1]
    assert last.startswith(f"rasa-coexistence: profile_store.metrics_port: 127.0.0.1:{other.port}")
    assert "Traceback" not in taken.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_logs_json_does_so_in_every_worker(tmp_path: Path, workers: str) -> None:
    env = {"PROFILE_STORE_LOGS": "json", "ACTION_SERVER_SANIC_WORKERS": workers}
    with ActionServer(tmp_path, env=env) as running:
        body = call("action_sync_profile", tracker={"sender_id": "web-7"})
        body["tracker"]["events"].append(
            {"event": "slot", "name": "customer_name", "value": ["SECRET"], "timestamp": 1e9}
        )
        assert running.post(body).status_code == 200
        assert running.post({**body, "next_action": "action_nobody_wrote"}).status_code == 404
    _, began, served = running.log.partition('{"time"')
    assert began, running.log
    records = [json.loads(line) for line in (began + served).splitlines()]
    (refused,) = [one for one in records if one["message"].startswith("Slot customer_name")]
    assert (refused["action"], refused["conversation"]) == ("action_sync_profile", "web-7")
    assert refused["logger"] == "coexistence.observation"
    assert "SECRET" not in running.log


def test_what_an_action_raised_is_logged_with_its_call(tmp_path: Path) -> None:
    package = tmp_path / "mine" / "actions"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import coexistence\n"
        "from rasa_sdk import Action\n"
        "coexistence.install()\n"
        "class Failing(Action):\n"
        "    def name(self): return 'action_failing'\n"
        "    async def run(self, dispatcher, tracker, domain):\n"
        "        raise ValueError(f'failed for {tracker.slots}')\n"
    )
    env = {"PROFILE_STORE_LOGS": "json", "PROFILE_STORE_LOG_CONVERSATIONS": "hashed"}
    with ActionServer(tmp_path, path=tmp_path / "mine", env=env) as running:
        tracker = {"sender_id": "web-7", "slots": {"a": "SECRET"}}
        assert running.post(call("action_failing", tracker=tracker)).status_code == 500
    (record,) = [json.loads(line) for line in running.log.splitlines() if "ValueError" in line]
    assert (record["action"], record["conversation"]) == ("action_failing", "08b9c31e2f76d7f2")
    assert "SECRET" not in running.log
    assert "web-7" not in running.log
