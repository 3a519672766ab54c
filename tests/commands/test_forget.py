"""`coexist profile forget`: what would go is shown, asked for, erased, and told on a receipt."""

from __future__ import annotations

import time

import pytest

from profile_store import SlotWrite, SQLProfileStore
from tests.commands.conftest import ANN, IBAN, PHONE, Coexist, T, wait
from tests.conftest import OpenStore
from tests.profile_store.sealed import NEW, OLD


def test_a_program_gets_a_receipt(known: SQLProfileStore, coexist: Coexist) -> None:
    before = time.time()
    done = coexist("profile", "forget", "ann", "--yes")
    assert (done.code, done.err) == (0, "")
    receipt = done.document
    assert before <= receipt["erased_at"] <= time.time() + 1
    assert (receipt["namespace"], receipt["user_id"]) == ("bank", "ann")
    assert receipt["slots"] == ["iban", "name"]
    assert dict(wait(known.fetch(ANN))) == {}
    assert wait(known.history(ANN)) == []


def test_people_are_shown_what_goes_and_asked(known: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "forget", "ann", stdin="y\n", terminal=True)
    assert done.code == 0
    preview, asked, _ = done.err.partition("Erase it?")
    assert asked
    assert "2023-11-14 22:13:21" in preview
    assert "city" not in preview, "it is erased already"
    assert "iban, name" in done.out
    assert dict(wait(known.fetch(ANN))) == {}


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_nothing_is_changed(
    known: SQLProfileStore, coexist: Coexist, answer: str
) -> None:
    before = wait(known.export(ANN))
    done = coexist("profile", "forget", "ann", stdin=answer)
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith("coexist: nothing is changed; --yes does it without asking.\n")
    assert wait(known.export(ANN)) == before


def test_a_dry_run_tells_and_changes_nothing(known: SQLProfileStore, coexist: Coexist) -> None:
    before = wait(known.export(ANN))
    done = coexist("profile", "forget", "ann", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert done.document == {
        "namespace": "bank",
        "user_id": "ann",
        "slots": {
            "iban": {"written_at": T, "history": 1},
            "name": {"written_at": T + 1, "history": 2},
        },
        "dry_run": True,
    }
    assert (
        "writes in the history"
        in coexist("profile", "forget", "ann", "--dry-run", terminal=True).out
    )
    assert wait(known.export(ANN)) == before


def test_only_named_slots_go(known: SQLProfileStore, coexist: Coexist) -> None:
    named = ("--slot", "iban", "--slot", "pin")
    assert list(coexist("profile", "forget", "ann", *named, "--dry-run").document["slots"]) == [
        "iban"
    ]
    assert coexist("profile", "forget", "ann", *named, "--yes").document["slots"] == ["iban"]
    assert dict(wait(known.fetch(ANN))) == {"name": "Anna"}


def test_an_old_tracker_brings_nothing_back(known: SQLProfileStore, coexist: Coexist) -> None:
    coexist("profile", "forget", "ann", "--yes")
    wait(known.store(ANN, [SlotWrite("iban", IBAN, T + 100), SlotWrite("city", "Bath", T + 100)]))
    assert dict(wait(known.fetch(ANN))) == {}


def test_a_conversation_is_forgotten_and_not_a_user(
    known: SQLProfileStore, coexist: Coexist
) -> None:
    done = coexist("profile", "forget", "phone-1", "--conversation", "--yes")
    assert done.document["slots"] == ["language", "name"]
    assert dict(wait(known.fetch(PHONE))) == {}
    assert wait(known.fetch(ANN))["name"] == "Anna"


def test_nobody_is_forgotten_all_the_same(known: SQLProfileStore, coexist: Coexist) -> None:
    """Their last message may be on its way."""
    done = coexist("profile", "forget", "carol", "--yes")
    assert (done.code, done.document["slots"]) == (0, [])
    again = coexist("profile", "forget", "carol", stdin="y\n", terminal=True)
    assert again.code == 0
    assert "Nothing is kept of it about carol (namespace bank)." in again.err
    assert "none held a value" in again.out


def test_what_cannot_be_read_can_be_erased(
    bank: SQLProfileStore, open_store: OpenStore, coexist: Coexist
) -> None:
    wait(open_store(encryption_keys=OLD).store(ANN, [SlotWrite("name", "Ann", T)]))
    new = {"encryption_keys": NEW}
    preview = coexist("profile", "forget", "ann", "--dry-run", settings=new)
    assert (preview.code, preview.document["slots"]["name"]["history"]) == (0, None)
    assert (
        "unreadable"
        in coexist("profile", "forget", "ann", "--dry-run", settings=new, terminal=True).out
    )
    assert coexist("profile", "forget", "ann", "--yes", settings=new).document["slots"] == ["name"]
    assert coexist("profile", "show", "ann", settings=new).document["slots"] == {}
