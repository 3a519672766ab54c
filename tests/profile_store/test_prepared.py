"""Statements that go to the driver as they are: their errors are SQLAlchemy's all the same."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa

from profile_store.prepared import Prepared

_FAILS_AT_ITS_SECOND_ROW = "SELECT json(said) FROM (SELECT '1' AS said UNION ALL SELECT 'Ann')"


def test_an_error_among_the_rows_is_sqlalchemys() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        statement = Prepared(sa.text(_FAILS_AT_ITS_SECOND_ROW), engine.dialect)
        with pytest.raises(sa.exc.OperationalError) as caught:
            statement.fetch(connection, {})
        assert isinstance(caught.value.orig, sqlite3.OperationalError)
        assert Prepared(sa.text("SELECT 1"), engine.dialect).fetch(connection, {}) == [(1,)]
    engine.dispose()
