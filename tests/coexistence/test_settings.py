"""Settings of the Rasa side: who a user is, which slots are shared, how large a body may be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coexistence import runtime, settings
from coexistence.settings import Settings
from coexistence.shared_slots import RASA_SLOTS
from profile_store import InvalidSettings

pytestmark = pytest.mark.usefixtures("bare_place")


def load(section: str) -> Settings:
    indented = "".join(f"  {line}\n" for line in section.strip().splitlines())
    Path("endpoints.yml").write_text(f"profile_store:\n{indented}", encoding="utf-8")
    return settings.load()


def refusal(section: str) -> str:
    with pytest.raises(InvalidSettings) as refused:
        load(section)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_user_is_the_user_id_or_else_the_sender() -> None:
    assert settings.load().identity == ["user_id", "sender_id"]


def test_the_order_of_the_identity_is_kept() -> None:
    rules = ["metadata:customer", "sender_id", "user_id"]
    assert load(f"identity: [{', '.join(rules)}]").identity == rules


@pytest.mark.parametrize(
    "rule", ["sender", "metadata:", "metadata", "slot:customer_id", "USER_ID", "", "5"]
)
def test_an_unknown_identity_is_refused_with_those_there_are(rule: str) -> None:
    assert refusal(f"identity: [user_id, '{rule}']") == (
        "profile_store.identity.1: write user_id, sender_id, jwt or metadata:<key>. "
        "The settings are listed in docs/settings.md."
    )


@pytest.mark.parametrize("identity", ["[]", "user_id", "{user_id: sender_id}"])
def test_an_identity_is_a_list_of_at_least_one(identity: str) -> None:
    assert refusal(f"identity: {identity}").startswith("profile_store.identity: ")


def test_slots_are_included_and_excluded_by_name() -> None:
    shared = load("shared_slots:\n  include: [tier, 2]\n  exclude: [note]").shared_slots
    assert (shared.include, shared.exclude) == (["tier", "2"], ["note"])


def test_a_slot_cannot_be_both_included_and_excluded() -> None:
    assert refusal("shared_slots: {include: [a, tier], exclude: [tier]}").startswith(
        "profile_store.shared_slots: slot tier is both included and excluded; "
    )


@pytest.mark.parametrize("slot", sorted(RASA_SLOTS))
def test_a_slot_of_rasa_s_own_cannot_be_included(slot: str) -> None:
    assert f"slot {slot} is Rasa's own" in refusal(f"shared_slots: {{include: [{slot}]}}")


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("shared_slots: {include: tier}", "shared_slots.include"),
        ("shared_slots: [tier]", "shared_slots"),
        ("shared_slots: {only: [tier]}", "shared_slots.only"),
        ("max_body_bytes: 1023", "max_body_bytes"),
        ("max_body_bytes: 104857601", "max_body_bytes"),
        ("max_body_bytes: 32 MB", "max_body_bytes"),
        ("identiy: [user_id]", "identiy"),
    ],
)
def test_an_impossible_setting_is_named(section: str, name: str) -> None:
    assert refusal(section).startswith(f"profile_store.{name}: ")


def test_settings_of_the_database_stand_in_the_same_section() -> None:
    loaded = load("db: my.db\nidentity: [sender_id]")
    assert (loaded.db, loaded.identity) == ("my.db", ["sender_id"])


def test_an_impossible_database_is_found_before_anything_starts() -> None:
    assert refusal("dialect: oracle").startswith("profile_store.dialect: ")


def test_lists_are_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_IDENTITY", '["metadata:customer"]')
    monkeypatch.setenv("PROFILE_STORE_SHARED_SLOTS", '{"include": ["tier"]}')
    loaded = load("identity: [sender_id]")
    assert loaded.identity == ["metadata:customer"]
    assert loaded.shared_slots.include == ["tier"]


def test_a_list_that_is_not_json_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_IDENTITY", "user_id,sender_id")
    assert refusal("db: my.db").startswith("PROFILE_STORE_IDENTITY: not valid JSON")


def test_a_variable_that_is_no_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROFILE_STORE_NAMESPCAE", "s3cret")
    message = refusal("db: my.db")
    assert message.startswith("PROFILE_STORE_NAMESPCAE: no such setting")
    assert "s3cret" not in message


@pytest.mark.parametrize("arguments", [["--endpoints", "other.yml"], ["--endpoints=other.yml"]])
def test_the_file_is_the_one_that_the_action_server_was_given(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["rasa_sdk", "--actions", "actions", *arguments])
    Path("other.yml").write_text("profile_store:\n  namespace: there\n")
    assert load("namespace: here").namespace == "there"


def test_the_variable_for_the_file_wins_over_the_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rasa_sdk", "--endpoints", "argument.yml"])
    monkeypatch.setenv("PROFILE_STORE_ENDPOINTS", "variable.yml")
    Path("variable.yml").write_text("profile_store:\n  namespace: from the variable\n")
    assert settings.load().namespace == "from the variable"


@pytest.mark.parametrize("name", ["argument.yml", "."])
def test_a_file_that_was_given_must_be_readable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rasa_sdk", "--endpoints", name])
    with pytest.raises(InvalidSettings, match=rf"^{name}"):
        settings.load()


def test_impossible_settings_end_the_action_server_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "actions.py").write_text("import coexistence\n\ncoexistence.install()\n")
    (tmp_path / "endpoints.yml").write_text("profile_store:\n  timeout: s3cret\n")
    ended = subprocess.run(
        [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    shown = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert "rasa-coexistence: profile_store.timeout: " in shown
    assert "Traceback" not in shown
    assert "s3cret" not in shown


def test_nothing_is_read_before_a_setting_is_asked_for() -> None:
    runtime.use(None)
    load("namespace: bank")
    assert runtime.current().settings.namespace == "bank"
