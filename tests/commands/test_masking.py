"""Slots that are marked sensitive: no output has their values, unless they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from profile_store import SlotWrite, SQLProfileStore
from tests.commands.conftest import ANN, BOB, IBAN, Coexist, T, wait

SENSITIVE = {"sensitive_slots": '["iban", "otp"]'}
OLDER = "GB33BUKB20201555555555"

COMMANDS = [
    ("show", "ann"),
    ("show", "ann", "--history"),
    ("show", "ann", "--history", "--json"),
    ("export", "ann"),
    ("export", "--all"),
    ("export", "ann", "-o", "ann.jsonl"),
    ("import", "given.jsonl", "--dry-run"),
    ("import", "given.jsonl"),
    ("import", "bad.jsonl"),
    ("link", "bob", "ann", "--dry-run"),
    ("link", "bob", "ann", "--yes"),
    ("purge", "--dry-run"),
    ("purge",),
    ("forget", "ann", "--dry-run"),
    ("forget", "ann"),
    ("forget", "ann", "--yes"),
]


@pytest.fixture
def secretive(known: SQLProfileStore) -> SQLProfileStore:
    """The same, with a user who has had two account numbers, and another with one."""
    wait(known.store(ANN, [SlotWrite("iban", OLDER, T - 1), SlotWrite("otp", 123_456_789, T)]))
    wait(known.store(ANN, [SlotWrite("iban", OLDER, T + 7)]))
    wait(known.store(BOB, [SlotWrite("iban", IBAN, T)]))
    return known


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_no_output_has_them(secretive: SQLProfileStore, coexist: Coexist, terminal: bool) -> None:
    Path("given.jsonl").write_text(coexist("profile", "export", "--all").out)
    slots = {"iban": {"value": IBAN, "written_at": IBAN}, "otp": {"value": OLDER}}
    bad = [
        json.dumps({"namespace": "bank", "user_id": "ann", "slots": {slot: held}})
        for slot, held in slots.items()
    ]
    Path("bad.jsonl").write_text("\n".join(bad))
    printed = ""
    for command in COMMANDS:
        done = coexist("profile", *command, stdin="n\n", terminal=terminal, settings=SENSITIVE)
        assert done.code in {0, 1}
        printed += done.out + done.err
    printed += Path("ann.jsonl").read_text()
    assert '"masked":true' in printed
    for secret in (IBAN, OLDER, "123456789"):
        assert secret not in printed
    assert "Anna" in printed


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize(
    "command", [("show", "ann", "--history"), ("export", "ann"), ("export", "--all")]
)
def test_they_are_there_when_they_are_asked_for(
    secretive: SQLProfileStore, coexist: Coexist, command: tuple[str, ...], terminal: bool
) -> None:
    out = coexist("profile", *command, "--reveal", terminal=terminal, settings=SENSITIVE).out
    assert IBAN in out
    assert OLDER in out
    assert "123456789" in out
    assert "masked" not in out


def test_a_mask_is_alike_for_all_values(secretive: SQLProfileStore, coexist: Coexist) -> None:
    shown = coexist("profile", "show", "ann", terminal=True, settings=SENSITIVE).out
    masks = [line.split()[1] for line in shown.splitlines() if line.startswith(("iban", "otp"))]
    assert masks == ["******", "******"]
    slots = coexist("profile", "show", "ann", settings=SENSITIVE).document["slots"]
    assert "value" not in slots["iban"]
    assert "value" not in slots["otp"]


def test_a_masked_export_says_so_and_is_imported_but_for_them(
    secretive: SQLProfileStore, coexist: Coexist
) -> None:
    given = coexist("profile", "export", "ann", settings=SENSITIVE).out
    assert json.loads(given)["masked"] == ["iban", "otp"]
    done = coexist("profile", "import", "-", "--namespace", "shop", stdin=given)
    assert done.code == 1
    assert done.complaints == [
        f"coexist: line 1: slot {slot}: it is masked; export with --reveal what is to be imported."
        for slot in ("iban", "otp")
    ]
    slots = coexist("profile", "show", "ann", "--namespace", "shop").document["slots"]
    assert set(slots) == {"city", "name"}


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("value", ["******", None, ""])
def test_no_mask_can_pass_for_a_value(
    secretive: SQLProfileStore, coexist: Coexist, value: object
) -> None:
    """Whoever edits an export by hand must take out each sign of it, and write a value."""
    line = json.loads(coexist("profile", "export", "ann", settings=SENSITIVE).out)
    del line["masked"]
    there = ("profile", "import", "-", "--namespace", "shop")
    done = coexist(*there, stdin=json.dumps(line))
    assert "slot iban: it is masked" in done.err
    for entry in (line["slots"]["iban"], line["slots"]["otp"], *line["history"]):
        entry.pop("masked", None)
    done = coexist(*there, stdin=json.dumps(line))
    assert done.complaints == ["coexist: line 1: slots.iban.value: missing."]
    line["masked"] = ["iban", "otp"]
    for entry in (line["slots"]["iban"], line["slots"]["otp"], *line["history"]):
        entry.setdefault("value", value)
    done = coexist(*there, stdin=json.dumps(line))
    assert done.document["refused_slots"] == 2
    assert set(coexist("profile", "show", "ann", "--namespace", "shop").document["slots"]) == {
        "city",
        "name",
    }


def test_what_is_erased_has_nothing_to_mask(secretive: SQLProfileStore, coexist: Coexist) -> None:
    coexist("profile", "forget", "ann", "--slot", "iban", "--slot", "otp", "--yes")
    exported = coexist("profile", "export", "ann", settings=SENSITIVE).out
    assert "masked" not in exported
    assert coexist("profile", "import", "-", stdin=exported).code == 0


@pytest.mark.parametrize("backend", ["sqlite"])
def test_the_setting_is_a_list_of_names(bank: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "show", "ann", settings={"sensitive_slots": '[""]'})
    assert done.code == 1
    assert "PROFILE_STORE_SENSITIVE_SLOTS" in done.complaints[0]
