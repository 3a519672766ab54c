"""Conversations with actions that a test writes itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk import Action

from coexistence.testing import Conversation
from tests.testing.scripted import domain

Talk = Callable[..., Conversation]


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    """Open a conversation with some actions; it is closed when the test ends."""
    opened = []

    def with_actions(
        *actions: type[Action], sections: dict[str, Any] | None = None, **options: Any
    ) -> Conversation:
        made = Conversation(
            domain(*actions, **(sections or {})), actions, folder=tmp_path, **options
        )
        opened.append(made)
        return made

    yield with_actions
    for conversation in opened:
        conversation.close()
