"""The assistant for Rasa Open Source 3.6, derived from the one for Rasa Pro."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from examples.derive_open_source import derive, load, shared_slots

SOURCE = Path(__file__).parents[2] / "examples" / "assistant"


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("derived")
    derive(SOURCE, out)
    return out


def test_nothing_is_left_that_open_source_refuses(derived: Path) -> None:
    for path in derived.rglob("*.yml"):
        for word in ("shared_for_coexistence", "from_llm", "controlled", "flows:", "Router"):
            assert word not in path.read_text(), path


def test_shared_slots_are_named_in_the_settings_instead(derived: Path) -> None:
    store = load(derived / "endpoints.yml")["profile_store"]
    assert store["shared_slots"]["include"] == ["account", "customer_name", "savings_goal"]
    assert store["identity"] == ["metadata:user_id", "sender_id"]
    assert store["shared_slots"]["include"] == shared_slots(load(SOURCE / "domain.yml"))


def test_every_action_of_the_domain_is_called_by_something(derived: Path) -> None:
    domain = load(derived / "domain.yml")
    texts = "".join(path.read_text() for path in derived.rglob("data/*.yml"))
    by_rasa = {"action_session_start", "action_sync_profile"}
    unused = {
        action for action in set(domain["actions"]) - by_rasa if f"action: {action}" not in texts
    }
    # stored by the reset override and by every turn; there for those who want it said
    assert unused == {"action_store_profile"}


def test_every_skill_ends_its_routing_session(derived: Path) -> None:
    rules: list[dict[str, Any]] = load(derived / "data" / "rules.yml")["rules"]
    for rule in rules:
        actions = [step["action"] for step in rule["steps"] if "action" in step]
        starts_form = any(step.get("active_loop") for step in rule["steps"])
        chitchat = all(action.startswith("utter_") for action in actions) and len(actions) == 1
        assert starts_form or chitchat or actions[-1] == "action_reset_routing", rule["rule"]
