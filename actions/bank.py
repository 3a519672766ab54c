"""The demo bank: accounts, contacts and transfers of each user, in a small SQLite file of its own.

It stands for the systems that an assistant's skills really talk to, and has nothing to do with
profiles. The file is named by `DEMO_BANK_DB` (default `demo_bank.db`). Every function is one
transaction that takes the write lock at its start, so that any number of processes may share the
file. They block: call them with `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import Literal, NamedTuple

DEFAULT_PATH = "demo_bank.db"
BUSY_SECONDS = 10.0
"""How long a transaction waits for another one's; each takes milliseconds."""

OPENING_CENTS = {"everyday": 250_00, "savings": 1_000_00}
"""The accounts that every user has, and what is in them at first."""

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS account (
        user_id TEXT NOT NULL, name TEXT NOT NULL, cents INTEGER NOT NULL CHECK (cents >= 0),
        PRIMARY KEY (user_id, name))""",
    """CREATE TABLE IF NOT EXISTS contact (
        user_id TEXT NOT NULL, folded TEXT NOT NULL, name TEXT NOT NULL, handle TEXT NOT NULL,
        PRIMARY KEY (user_id, folded))""",
    """CREATE TABLE IF NOT EXISTS transfer (
        user_id TEXT NOT NULL, request TEXT NOT NULL, account TEXT NOT NULL,
        recipient TEXT NOT NULL, cents INTEGER NOT NULL CHECK (cents > 0),
        PRIMARY KEY (user_id, request))""",
)


class BankError(Exception):
    """A request that the bank did not carry out."""


class Unavailable(BankError):
    """The bank's file cannot be used now: locked for too long, not writable, or damaged.

    `told` is what to tell the user.
    """

    told = "I can't reach the bank right now. Please try again in a moment."


class UnknownCustomer(Unavailable):
    """Nobody is logged in, so there is no account to look at."""

    told = "I don't know who you are yet. Please log in first."


class UnknownAccount(BankError):
    """The user has no account of this name."""


class UnknownContact(BankError):
    """The user has no contact of this name."""


class InsufficientFunds(BankError):
    """The account has less than what is to be sent; `cents` is what it has."""

    def __init__(self, cents: int) -> None:
        super().__init__(cents)
        self.cents = cents


class Contact(NamedTuple):
    """Someone to send money to, written as the user wrote it."""

    name: str
    handle: str


class Receipt(NamedTuple):
    """A transfer that was carried out, and the cents that the account has left."""

    recipient: Contact
    balance: int


def balance(user_id: str | None, account: str) -> int:
    """Return the cents in an account.

    Raises:
        UnknownAccount: there is no such account.
        Unavailable: the bank cannot be reached.
    """
    with _transaction(user_id) as (bank, user):
        return _cents(bank, user, account)


def contacts(user_id: str | None) -> list[Contact]:
    """Return the user's contacts by name.

    Raises:
        Unavailable: the bank cannot be reached.
    """
    with _transaction(user_id) as (bank, user):
        rows = bank.execute(
            "SELECT name, handle FROM contact WHERE user_id = ? ORDER BY folded", (user,)
        )
        return [Contact(*row) for row in rows]


def add_contact(user_id: str | None, contact: Contact) -> Literal["added", "changed", "known"]:
    """Add a contact, or give a known one another handle; say which it was.

    Raises:
        Unavailable: the bank cannot be reached.
    """
    with _transaction(user_id) as (bank, user):
        known = _contact(bank, user, contact.name)
        if known is not None and known.handle == contact.handle:
            return "known"
        bank.execute(
            "INSERT OR REPLACE INTO contact (user_id, folded, name, handle) VALUES (?, ?, ?, ?)",
            (user, _folded(contact.name), _storable(contact.name), _storable(contact.handle)),
        )
        return "added" if known is None else "changed"


def transfer(
    user_id: str | None, account: str, recipient: str, cents: int, request: str
) -> Receipt:
    """Send money to a contact, once for each `request` however often it is asked for.

    Raises:
        UnknownAccount: there is no such account.
        UnknownContact: the recipient is not one of the user's contacts.
        InsufficientFunds: the account has less.
        Unavailable: the bank cannot be reached.
    """
    with _transaction(user_id) as (bank, user):
        available = _cents(bank, user, account)
        contact = _contact(bank, user, recipient)
        if contact is None:
            raise UnknownContact(recipient)
        first = bank.execute(
            "INSERT OR IGNORE INTO transfer (user_id, request, account, recipient, cents) "
            "VALUES (?, ?, ?, ?, ?)",
            (user, request, account, _folded(recipient), cents),
        ).rowcount
        if not first:
            return Receipt(contact, available)
        if available < cents:
            raise InsufficientFunds(available)
        bank.execute(
            "UPDATE account SET cents = cents - ? WHERE user_id = ? AND name = ?",
            (cents, user, account),
        )
        return Receipt(contact, available - cents)


@contextlib.contextmanager
def _transaction(user_id: str | None) -> Iterator[tuple[sqlite3.Connection, str]]:
    """Open the bank for one transaction of a user, who gets accounts on the first; undo on errors.

    Yields the connection and the user id in the form in which it is stored.
    """
    if user_id is None:
        raise UnknownCustomer("nobody is logged in")
    path = os.environ.get("DEMO_BANK_DB") or DEFAULT_PATH
    user = _storable(user_id)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        with contextlib.closing(connection) as bank:
            bank.execute("BEGIN IMMEDIATE")
            try:
                for statement in _SCHEMA:
                    bank.execute(statement)
                bank.executemany(
                    "INSERT OR IGNORE INTO account (user_id, name, cents) VALUES (?, ?, ?)",
                    [(user, name, cents) for name, cents in OPENING_CENTS.items()],
                )
                yield bank, user
            except BaseException:
                if bank.in_transaction:
                    bank.execute("ROLLBACK")
                raise
            bank.execute("COMMIT")
    except sqlite3.Error as error:
        raise Unavailable(f"{path}: {error}") from error


def _cents(bank: sqlite3.Connection, user: str, account: str) -> int:
    row = bank.execute(
        "SELECT cents FROM account WHERE user_id = ? AND name = ?", (user, account)
    ).fetchone()
    if row is None:
        raise UnknownAccount(account)
    return int(row[0])


def _contact(bank: sqlite3.Connection, user: str, name: str) -> Contact | None:
    row = bank.execute(
        "SELECT name, handle FROM contact WHERE user_id = ? AND folded = ?", (user, _folded(name))
    ).fetchone()
    return None if row is None else Contact(*row)


def _folded(name: str) -> str:
    """Return a name as it is compared: users write bob and Bob."""
    return _storable(" ".join(name.split()).casefold())


def _storable(text: str) -> str:
    """Return a text that SQLite accepts: JSON may carry half of a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()
