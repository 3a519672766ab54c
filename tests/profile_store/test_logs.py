"""What SQLAlchemy logs, at debug level too, holds nothing of a profile."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from profile_store import ProfileKey, SlotWrite
from tests.conftest import OpenStore


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "sqlalchemy"):
        yield


async def test_neither_statements_nor_rows_show_a_value_or_a_user(
    open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    ann = ProfileKey("bank", "S3CRET-ann")
    await open_store().store(ann, [SlotWrite("name", "S3CRET-name", 10.0)])
    assert dict(await open_store().fetch(ann)) == {"name": "S3CRET-name"}
    assert [entry.value for entry in await open_store().history(ann, "name")] == ["S3CRET-name"]
    assert "SELECT" in caplog.text
    assert "INSERT" in caplog.text
    assert "S3CRET" not in caplog.text
