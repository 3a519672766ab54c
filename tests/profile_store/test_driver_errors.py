"""Errors of drivers, told apart by their codes: once more, a lock in the way, and what they say."""

from __future__ import annotations

import sqlite3

import psycopg
import pymysql
import pytest
import sqlalchemy as sa

from profile_store import connection, engine


def wrapped(error: Exception) -> sa.exc.DBAPIError:
    return sa.exc.DBAPIError("SELECT 'Ann'", None, error)


def of_mysql(number: int, state: str | None) -> sa.exc.DBAPIError:
    error = pymysql.err.OperationalError(number, "about Ann")
    error.sqlstate = state  # type: ignore[attr-defined] # newer releases tell it, older do not
    return wrapped(error)


@pytest.mark.parametrize("state", ["HY000", "40001", None])
def test_a_lost_race_is_known_by_its_number_or_its_state(state: str | None) -> None:
    number = 1020 if state == "HY000" else 1213
    assert connection.is_transient(of_mysql(number, state))
    assert not connection.is_transient(of_mysql(1064, "42000"))
    assert connection.is_transient(wrapped(psycopg.errors.DeadlockDetected("Ann")))


def test_a_lock_in_the_way_is_known() -> None:
    for error in (
        of_mysql(1205, "HY000"),
        of_mysql(1205, None),
        wrapped(psycopg.errors.LockNotAvailable("Ann")),
        wrapped(sqlite3.OperationalError("database is locked")),
    ):
        assert engine.is_locked(error)
    assert not engine.is_locked(wrapped(sqlite3.OperationalError("disk I/O error")))


def test_an_error_is_told_by_its_code_and_never_by_its_message() -> None:
    assert engine.error_name(of_mysql(1205, "HY000")) == "OperationalError 1205"
    assert engine.error_name(of_mysql(1213, "40001")) == "OperationalError 40001"
    assert engine.error_name(of_mysql(2013, None)) == "OperationalError 2013"
    deadlock = psycopg.errors.DeadlockDetected("Ann")
    assert engine.error_name(wrapped(deadlock)) == "DeadlockDetected 40P01"
    assert engine.error_name(wrapped(ValueError("Ann"))) == "ValueError"
