"""`coexist profile purge`, and what retention and erasures mean for the other commands."""

from __future__ import annotations

import json
import time

import pytest

from profile_store import ProfileKey, SlotWrite, SQLProfileStore
from tests.commands.conftest import ANN, BOB, Coexist, T, wait
from tests.conftest import OpenStore

RETENTION = {"retention": '{"default": "365d", "slots": {"otp": "10m"}}'}
OTP = "8274-1939"


@pytest.fixture
def old(bank: SQLProfileStore) -> SQLProfileStore:
    """A user with a value that is past its time and one that is not, and one with old ones only."""
    now = time.time()
    wait(bank.store(ANN, [SlotWrite("otp", "0000", now - 4000)]))
    wait(bank.store(ANN, [SlotWrite("otp", OTP, now - 3600), SlotWrite("name", "Ann", now - 60)]))
    wait(bank.store(BOB, [SlotWrite("name", "Bob", T)]))
    wait(bank.store(ProfileKey("shop", "ann"), [SlotWrite("otp", OTP, now - 3600)]))
    return bank


def test_what_is_past_its_time_goes(old: SQLProfileStore, coexist: Coexist) -> None:
    done = coexist("profile", "purge", settings=RETENTION)
    assert done.code == 0
    assert "2/2" in done.err
    purged = done.document
    assert (purged["values"], purged["history"], purged["profiles"]) == (2, 3, 1)
    assert (purged["namespace"], purged["dry_run"]) == ("bank", False)
    assert purged["bytes_gone"] is not bool(purged["remains"])
    assert dict(wait(old.fetch(ANN))) == {"name": "Ann"}
    assert dict(wait(old.fetch(BOB))) == {}
    assert dict(wait(old.fetch(ProfileKey("shop", "ann")))) == {"otp": OTP}
    again = coexist("profile", "purge", settings=RETENTION).document
    assert (again["values"], again["history"], again["profiles"]) == (0, 0, 0)


def test_a_dry_run_tells_and_changes_nothing(old: SQLProfileStore, coexist: Coexist) -> None:
    before = [wait(old.export(key)) for key in (ANN, BOB)]
    purged = coexist("profile", "purge", "--dry-run", settings=RETENTION).document
    assert (purged["values"], purged["history"], purged["profiles"]) == (2, 3, 1)
    assert purged["dry_run"] is True
    assert [wait(old.export(key)) for key in (ANN, BOB)] == before


def test_people_get_sentences(old: SQLProfileStore, coexist: Coexist) -> None:
    would = coexist("profile", "purge", "--dry-run", terminal=True, settings=RETENTION).out
    assert would == ("Namespace bank: 2 values, 3 entries of histories and 1 profiles would go.\n")
    done = coexist("profile", "purge", terminal=True, settings=RETENTION).out
    assert done.startswith(would.replace("would go", "are gone"))
    assert "\nBytes: " in done


def test_without_retention_nothing_goes(old: SQLProfileStore, coexist: Coexist) -> None:
    purged = coexist("profile", "purge").document
    assert (purged["values"], purged["history"], purged["profiles"]) == (0, 0, 0)
    assert len(wait(old.history(ANN))) == 3


@pytest.mark.parametrize(
    "command",
    [("show", "ann", "--history"), ("export", "ann"), ("export", "--all")],
    ids=lambda command: " ".join(command),
)
def test_no_command_tells_of_what_is_past_its_time(
    old: SQLProfileStore, coexist: Coexist, command: tuple[str, ...]
) -> None:
    done = coexist("profile", *command, settings=RETENTION)
    assert done.code == 0
    assert '"Ann"' in done.out
    assert OTP not in done.out
    assert "0000" not in done.out.replace("000000", "")
    assert "Bob" not in done.out


def test_what_is_past_its_time_is_not_imported(
    old: SQLProfileStore, open_store: OpenStore, coexist: Coexist
) -> None:
    given = coexist("profile", "export", "--all").out
    assert OTP in given
    elsewhere = ("--namespace", "elsewhere")
    done = coexist("profile", "import", "-", *elsewhere, stdin=given, settings=RETENTION)
    assert (done.code, done.err) == (0, "")
    assert (done.document["merged"], done.document["unchanged"]) == (1, 1)
    stored = [json.loads(line) for line in coexist("profile", "export", "--all", *elsewhere)
              .out.splitlines()]  # fmt: skip
    assert [set(profile["slots"]) for profile in stored] == [{"name"}]
    assert [write["value"] for profile in stored for write in profile["history"]] == ["Ann"]


def test_a_receipt_tells_of_the_history_and_of_the_bytes(
    old: SQLProfileStore, coexist: Coexist
) -> None:
    before = time.time()
    receipt = coexist("profile", "forget", "ann", "--yes").document
    assert receipt["history"] == 3
    assert before - 60 < receipt["done_at"] < time.time() + 60
    assert receipt["bytes_gone"] is not bool(receipt["remains"])
    receipt = coexist("profile", "forget", "bob", "--yes", terminal=True).out
    assert "1 write " in receipt
    assert "gone" in receipt


@pytest.mark.parametrize("backend", ["sqlite"])
def test_the_bytes_that_an_import_erased_are_in_no_file(
    bank: SQLProfileStore, coexist: Coexist, open_store: OpenStore
) -> None:
    secret = "hunter2-" * 4
    wait(bank.store(ANN, [SlotWrite("name", secret, T)]))
    file = bank._config.sqlalchemy_url().database
    assert file is not None

    def anywhere() -> bool:
        found = b""
        for name in (file, f"{file}-wal"):
            try:
                with open(name, "rb") as part:  # noqa: PTH123
                    found += part.read()
            except FileNotFoundError:
                continue
        return secret.encode() in found

    assert anywhere()
    bank.close()
    line = {"namespace": "bank", "user_id": "ann", "erased_at": T + 1, "slots": {}}
    assert coexist("profile", "import", "-", stdin=json.dumps(line)).code == 0
    assert not anywhere()
