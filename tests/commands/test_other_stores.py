"""Stores of a class of one's own: what goes through their interface works, the rest says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Coexist, T

STORE = '''
from tests.profile_store.memory_store import MemoryStore

_profiles, _histories = {}, {}


class Store(MemoryStore):
    """Profiles that outlive a command of the same process."""

    def __init__(self, config):
        super().__init__(config)
        self._profiles = _profiles
        self._histories = _histories
'''

LINE: dict[str, Any] = {
    "namespace": "bank",
    "user_id": "ann",
    "slots": {
        "name": {"value": "Anna", "written_at": T + 1},
        "iban": {"value": "DE89", "written_at": T, "released_at": T + 5},
    },
    "history": [
        {"slot": "name", "value": "Anna", "written_at": T + 1},
        {"slot": "iban", "value": "DE89", "written_at": T},
        {"slot": "name", "value": "Ann", "written_at": T},
    ],
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a store's class, which is found as the action server finds it."""
    name = f"project_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(STORE)
    monkeypatch.setenv("PROFILE_STORE_TYPE", f"{name}.Store")


def counts(done: Any) -> tuple[int, int, int]:
    return done.document["merged"], done.document["unchanged"], done.document["refused_slots"]


def test_one_user_is_imported_shown_exported_linked_and_forgotten(coexist: Coexist) -> None:
    given = json.dumps(LINE)
    assert counts(coexist("profile", "import", "-", "--dry-run", stdin=given)) == (1, 0, 0)
    assert coexist("profile", "show", "ann").code == 3
    assert counts(coexist("profile", "import", "-", stdin=given)) == (1, 0, 0)
    assert counts(coexist("profile", "import", "-", stdin=given)) == (0, 1, 0)
    exported = json.loads(coexist("profile", "export", "ann").out)
    assert [write["value"] for write in exported["history"]] == ["Anna", "DE89", "Ann"]
    assert exported["slots"]["iban"]["released_at"] == T + 5
    assert coexist("profile", "link", "ann", "bob", "--yes").code == 0
    shown = coexist("profile", "show", "bob", settings={"sensitive_slots": '["iban"]'}).document
    assert (shown["slots"]["name"]["value"], shown["masked"]) == ("Anna", ["iban"])
    assert coexist("profile", "forget", "bob", "--yes").document["slots"] == ["iban", "name"]
    again = coexist("profile", "import", "-", stdin=given.replace('"ann"', '"bob"'))
    assert counts(again) == (0, 1, 0)


def test_erasures_are_refused_by_name(coexist: Coexist) -> None:
    slots = {**LINE["slots"], "city": {"value": None, "written_at": T, "erased": True}}
    given = json.dumps({**LINE, "slots": slots, "erased_at": T - 5})
    done = coexist("profile", "import", "-", stdin=given)
    assert (done.code, counts(done)) == (1, (1, 0, 2))
    assert done.complaints == [
        "coexist: line 1: the erasure of the whole profile; this kind of store takes none.",
        "coexist: line 1: slot city: it was erased, and this kind of store takes no erasures.",
    ]


@pytest.mark.parametrize("command", [("export", "--all"), ("purge",)])
def test_what_needs_sql_says_so(coexist: Coexist, command: tuple[str, ...]) -> None:
    done = coexist("profile", *command)
    assert (done.code, done.out) == (1, "")
    (complaint,) = done.complaints
    assert complaint.startswith(
        f"coexist: {command[-1]} needs a store of type SQL; profile_store.type is "
    )


def test_a_hashed_id_is_refused(coexist: Coexist) -> None:
    given = json.dumps({**LINE, "hashed": {"with": "00000000", "user_id": True}})
    done = coexist("profile", "import", "-", stdin=given)
    assert (done.code, done.document["refused"]) == (1, 1)
