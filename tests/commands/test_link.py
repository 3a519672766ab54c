"""`coexist profile link`: one profile is merged into another, and erased where it was."""

from __future__ import annotations

import pytest

from profile_store import SlotWrite, SQLProfileStore
from tests.commands.conftest import ANN, PHONE, Coexist, T, wait
from tests.conftest import OpenStore
from tests.profile_store.sealed import NEW, OLD

PHONE_TO_ANN = ("profile", "link", "phone-1", "ann", "--conversation")


def test_a_conversation_s_profile_becomes_a_user_s(
    known: SQLProfileStore, coexist: Coexist
) -> None:
    done = coexist(*PHONE_TO_ANN, "--yes")
    assert (done.code, done.err) == (0, "")
    assert done.document == {
        "namespace": "bank",
        "source": "conversation/phone-1",
        "target": "ann",
        "slots": ["language", "name"],
        "left": [],
    }
    profile = wait(known.fetch(ANN))
    assert (profile["name"], profile["language"]) == ("Annie", "en")
    assert dict(wait(known.fetch(PHONE))) == {}
    again = coexist(*PHONE_TO_ANN, "--yes")
    assert (again.code, again.out) == (3, "")


def test_a_user_may_become_another(known: SQLProfileStore, coexist: Coexist) -> None:
    assert coexist("profile", "link", "bob", "ann", "--yes").code == 0
    assert wait(known.fetch(ANN))["name"] == "Anna", "the newer one"


def test_a_dry_run_tells_and_changes_nothing(known: SQLProfileStore, coexist: Coexist) -> None:
    before = [wait(known.export(key)) for key in (ANN, PHONE)]
    done = coexist("profile", "link", "bob", "ann", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert (done.document["slots"], done.document["changed"]) == (["name"], [])
    done = coexist(*PHONE_TO_ANN, "--dry-run")
    assert done.document["changed"] == ["language", "name"]
    assert done.document["dry_run"] is True
    assert [wait(known.export(key)) for key in (ANN, PHONE)] == before


def test_people_are_asked(known: SQLProfileStore, coexist: Coexist) -> None:
    before = wait(known.export(ANN))
    done = coexist(*PHONE_TO_ANN, stdin="n\n", terminal=True)
    assert (done.code, done.out) == (1, "")
    assert "conversation/phone-1 into ann (namespace bank)" in done.err
    assert wait(known.export(ANN)) == before
    done = coexist(*PHONE_TO_ANN, stdin="y\n", terminal=True)
    assert done.code == 0
    assert "language, name" in done.out


@pytest.mark.parametrize("same", [("ann", "ann")])
def test_a_profile_is_not_linked_to_itself(coexist: Coexist, same: tuple[str, str]) -> None:
    done = coexist("profile", "link", *same)
    assert (done.code, done.out) == (2, "")
    assert "the same profile" in done.err


def test_what_cannot_be_read_stays_and_is_named(
    bank: SQLProfileStore, open_store: OpenStore, coexist: Coexist
) -> None:
    wait(open_store(encryption_keys=OLD).store(PHONE, [SlotWrite("name", "Ann", T)]))
    wait(open_store(encryption_keys=NEW).store(PHONE, [SlotWrite("city", "Bath", T)]))
    new = {"encryption_keys": NEW}
    preview = coexist(*PHONE_TO_ANN, "--dry-run", settings=new).document
    assert (preview["slots"], preview["left"]) == (["city"], ["name"])
    done = coexist(*PHONE_TO_ANN, "--yes", settings=new)
    assert done.code == 1
    assert (done.document["slots"], done.document["left"]) == (["city"], ["name"])
    assert "1 slots stay where they were" in done.complaints[-1]


def test_a_full_profile_takes_no_more(known: SQLProfileStore, coexist: Coexist) -> None:
    full = {"max_slots": "3"}
    assert coexist(*PHONE_TO_ANN, "--dry-run", settings=full).document["left"] == ["language"]
    done = coexist(*PHONE_TO_ANN, "--yes", settings=full)
    assert (done.code, done.document["left"]) == (1, ["language"])
    assert wait(known.fetch(PHONE))["language"] == "en"
