"""`coexist profile show`: what is kept about a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from profile_store import ProfileKey, SlotWrite, SQLProfileStore
from tests.commands.conftest import ANN, IBAN, Coexist, T, wait
from tests.conftest import OpenStore
from tests.profile_store.sealed import NEW, OLD


def test_a_program_gets_json(known: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "show", "ann")
    assert (done.code, done.err) == (0, "")
    shown = done.document
    assert list(shown) == ["namespace", "user_id", "erased_at", "slots"]
    assert shown["slots"]["name"] == {
        "value": "Anna",
        "written_at": T + 1,
        "released_at": None,
        "erased": False,
        "system": "nlu",
        "action": None,
        "conversation": "web-7",
    }
    assert shown["slots"]["city"]["erased"] is True


def test_people_get_tables(known: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "show", "ann", "--history", terminal=True)
    assert (done.code, done.err) == (0, "")
    now, past = done.out.split("History, newest first")
    for shown in (
        "ann (namespace bank)",
        '"Anna"',
        "2023-11-14 22:13:21",
        "released 2023-11-14 22:13:25",
        "erased 2023-11-14 22:13:22",
        "action_transfer",
        "web-7",
        IBAN,
    ):
        assert shown in now
    assert '"Ann"' in past
    assert '"Ann"' not in now
    assert "Bath" not in done.out


def test_people_get_json_when_they_ask(known: SQLProfileStore, coexist: Coexist) -> None:
    asked = coexist("profile", "show", "ann", "--json", "--history", terminal=True)
    piped = coexist("profile", "show", "ann", "--history")
    assert asked.document == piped.document
    assert [write["value"] for write in piped.document["history"]] == ["Anna", IBAN, "Ann"]


def test_a_conversation_is_no_user_of_its_name(known: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "show", "phone-1", "--conversation")
    assert done.document["slots"]["name"]["value"] == "Annie"
    assert coexist("profile", "show", "conversation/phone-1").code == 3
    assert coexist("profile", "show", "phone-1").code == 3


def test_nobody_is_a_line_and_a_code_of_its_own(known: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "show", "carol")
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        "coexist: nothing is kept under that id in namespace bank; an anonymous conversation's is "
        "found with --conversation.\n"
    )
    assert coexist("profile", "show", "ann", "--namespace", "shop").code == 3


def test_who_was_erased_is_not_unknown(known: SQLProfileStore, coexist: Coexist) -> None:
    wait(known.forget(ANN, at=T + 9))
    done = coexist("profile", "show", "ann")
    assert (done.code, done.document["erased_at"], done.document["slots"]) == (0, T + 9, {})
    assert "erased 2023-11-14 22:13:29 UTC" in coexist("profile", "show", "ann", terminal=True).out


def test_what_a_user_said_does_not_speak_to_the_terminal(
    bank: SQLProfileStore, coexist: Coexist
) -> None:
    said = "[red]\x1b[31m\x9b2J\N{RIGHT-TO-LEFT OVERRIDE}\N{SNOWMAN}"
    wait(bank.store(ANN, [SlotWrite("name", said, T)]))
    done = coexist("profile", "show", "ann", terminal=True)
    assert "[red]\\u001b[31m\\u009b2J\\u202e\N{SNOWMAN}" in done.out
    ours = done.out.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert not {"\x1b", "\x9b", "\N{RIGHT-TO-LEFT OVERRIDE}"} & set(ours)


def test_half_a_surrogate_pair_is_shown(bank: SQLProfileStore, coexist: Coexist) -> None:
    wait(bank.store(ANN, [SlotWrite("name", "\ud83d", T)]))
    assert coexist("profile", "show", "ann").document["slots"]["name"]["value"] == "\ud83d"
    assert "\\ud83d" in coexist("profile", "show", "ann", terminal=True).out


@pytest.mark.parametrize("terminal", [False, True])
def test_what_cannot_be_read_is_named_and_the_rest_is_shown(
    bank: SQLProfileStore, open_store: OpenStore, coexist: Coexist, terminal: bool
) -> None:
    wait(open_store(encryption_keys=OLD).store(ANN, [SlotWrite("name", "Ann", T)]))
    wait(open_store(encryption_keys=NEW).store(ANN, [SlotWrite("city", "Bath", T)]))
    done = coexist(
        "profile", "show", "ann", "--history", terminal=terminal, settings={"encryption_keys": NEW}
    )
    assert done.code == 1
    (complaint,) = done.complaints
    assert complaint.startswith("coexist: Slot name cannot be read: none of profile_store.")
    assert "Bath" in done.out
    assert "Ann" not in done.out
    if not terminal:
        assert done.document["slots"]["name"]["unreadable"] == complaint.removeprefix("coexist: ")
        assert [write["slot"] for write in done.document["history"]] == ["city"]


def test_no_database_is_made_by_looking(coexist: Coexist, tmp_path: Path) -> None:
    done = coexist("profile", "show", "ann")
    assert done.code == 1
    assert done.complaints[0].startswith("coexist: There is no profile database sqlite:///")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["show", ""], "The user id is empty"),
        (["show", "x" * 300], "The user id has 300 characters"),
        (["show", "ann", "--namespace", ""], "The namespace is empty"),
        (["show", "ann", "--endpoints", "none.yml"], "none.yml: no such file"),
    ],
)
def test_what_is_impossible_is_one_line(
    known: SQLProfileStore, coexist: Coexist, arguments: list[str], problem: str
) -> None:
    done = coexist("profile", *arguments)
    assert (done.code, done.out) == (1, "")
    assert problem in done.complaints[0]
    assert len(done.err.splitlines()) == 1


def test_hashed_ids_are_found_by_whoever_has_the_key(
    bank: SQLProfileStore, open_store: OpenStore, coexist: Coexist
) -> None:
    wait(open_store(user_id_key=OLD).store(ProfileKey("bank", "ann"), [SlotWrite("n", 1, T)]))
    assert coexist("profile", "show", "ann", settings={"user_id_key": OLD}).code == 0
    assert coexist("profile", "show", "ann").code == 3
