"""Reading domains: a mapping, a file, a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexistence.testing import ImpossibleTurn
from coexistence.testing.domain import Domain

EXAMPLE = Path(__file__).parents[2] / "examples" / "assistant" / "domain.yml"


def test_a_file_is_read() -> None:
    domain = Domain(EXAMPLE)
    assert domain.routes
    assert domain.carries_over
    assert domain.expires_after == 3600
    assert domain.lists("action_reset_routing")
    (every_turn,) = domain.every_turn
    assert every_turn == ("profile_sync", "action_sync_profile", True, None)


def test_the_files_of_a_folder_add_up(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "a.yml").write_text("slots: {a: {type: text}}\nactions: [action_a, action_b]")
    (tmp_path / "more" / "b.yaml").write_text(
        "slots: {b: {type: text}}\nactions: [action_b, action_c: {send_domain: true}]"
    )
    (tmp_path / "notes.txt").write_text("not: [a domain")
    domain = Domain(tmp_path)
    assert set(domain.slots) == {"a", "b"}
    assert domain.raw["actions"] == ["action_a", "action_b", {"action_c": {"send_domain": True}}]
    assert domain.lists("action_c")


def test_without_a_session_config_rasas_defaults_hold() -> None:
    domain = Domain({"slots": {"a": None}})
    assert (domain.carries_over, domain.expires_after) == (True, 3600)
    assert domain.slots == {"a": {}}


def test_another_domain_has_another_digest() -> None:
    domain = Domain({"slots": {}})
    assert domain.digest == Domain({"slots": {}}).digest
    assert domain.digest != domain.carrying_over(False).digest


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "cannot be read"), ("slots: [", "not valid YAML"), ("- a", "mapping of sections"),
     ("", "there is no domain")],
)  # fmt: skip
def test_a_file_that_is_no_domain_is_named(tmp_path: Path, text: str | None, why: str) -> None:
    file = tmp_path / "domain.yml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ImpossibleTurn, match=why) as refused:
        Domain(file)
    assert str(file) in str(refused.value)
