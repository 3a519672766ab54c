"""An action server on a store of somebody's own, which `type` in the settings names."""

from __future__ import annotations

from pathlib import Path

from tests.server.action_server import ActionServer
from tests.server.test_http import SHARED, call, new_conversation, slots_of


def test_profiles_are_kept_in_it(tmp_path: Path) -> None:
    (tmp_path / "endpoints.yml").write_text(
        "profile_store:\n"
        "  type: tests.profile_store.memory_store.MemoryStore\n"
        "  url: memory://here\n"
    )
    with ActionServer(tmp_path) as running:
        assert running.get("/ready").json() == {"status": "ready"}
        body = call("action_store_profile", tracker={"user_id": "ann"})
        assert running.post(body).status_code == 200
        assert slots_of(running.post(new_conversation("elsewhere", "ann"))) == SHARED
        assert list(tmp_path.glob("profiles.db*")) == []


def test_one_that_does_not_exist_stops_the_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "endpoints.yml").write_text("profile_store:\n  type: bank.stores.RedisStore\n")
    server = ActionServer(tmp_path)
    assert server.launch().wait(60) != 0
    assert (
        "rasa-coexistence: profile_store.type: bank.stores cannot be imported "
        "(No module named 'bank'); correct it, or install what it needs.\n"
    ) in server.log
    assert "Traceback" not in server.log
