"""The demo bank: transactions of many users and processes over one file."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actions import bank
from actions.bank import Contact

BOB = Contact("Bob", "@bob")


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DEMO_BANK_DB", str(tmp_path / "bank.db"))
    return tmp_path / "bank.db"


def test_every_user_begins_with_the_same_accounts_of_their_own() -> None:
    bank.add_contact("ann", BOB)
    bank.transfer("ann", "everyday", "Bob", 100, "r")
    assert bank.balance("ann", "everyday") == 249_00
    assert bank.balance("ben", "everyday") == 250_00
    assert bank.contacts("ben") == []


def test_a_contact_is_found_however_its_name_is_written() -> None:
    assert bank.add_contact("ann", BOB) == "added"
    assert bank.add_contact("ann", BOB) == "known"
    assert bank.add_contact("ann", Contact("BOB", "@bobby")) == "changed"
    assert bank.transfer("ann", "everyday", " bob ", 1, "r").recipient.handle == "@bobby"


def test_a_transfer_is_carried_out_once_however_often_it_is_asked_for() -> None:
    bank.add_contact("ann", BOB)
    for _ in range(3):
        assert bank.transfer("ann", "everyday", "Bob", 50_00, "the same").balance == 200_00
    assert bank.balance("ann", "everyday") == 200_00


def test_a_refused_transfer_moves_nothing_and_may_be_asked_for_again() -> None:
    bank.add_contact("ann", BOB)
    with pytest.raises(bank.InsufficientFunds) as short:
        bank.transfer("ann", "everyday", "Bob", 250_01, "r")
    assert short.value.cents == 250_00
    with pytest.raises(bank.UnknownContact):
        bank.transfer("ann", "everyday", "Carol", 1, "r")
    with pytest.raises(bank.UnknownAccount):
        bank.transfer("ann", "nosuch", "Bob", 1, "r")
    assert bank.balance("ann", "everyday") == 250_00
    assert bank.transfer("ann", "everyday", "Bob", 250_00, "r").balance == 0


def test_transfers_at_once_never_spend_more_than_there_is() -> None:
    bank.add_contact("ann", BOB)

    def send(number: int) -> str:
        try:
            bank.transfer("ann", "everyday", "Bob", 100_00, f"r{number}")
        except bank.InsufficientFunds:
            return "short"
        return "sent"

    with ThreadPoolExecutor(8) as pool:
        outcomes = Counter(pool.map(send, range(16)))
    assert outcomes == {"sent": 2, "short": 14}
    assert bank.balance("ann", "everyday") == 50_00


def test_a_bank_that_cannot_be_used_says_so(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 100)
    with pytest.raises(bank.Unavailable):
        bank.balance("ann", "everyday")


def test_it_shares_no_table_with_profiles(path: Path) -> None:
    bank.balance("ann", "everyday")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert not any("profile" in name for name in names)


def test_names_with_quotes_nul_and_half_a_surrogate_are_names() -> None:
    for user in ("'; DROP TABLE account; --", "nul\0", "half \ud800", "😀"):
        bank.add_contact(user, Contact("O'Neil \ud800", "@on"))
        assert len(bank.contacts(user)) == 1
