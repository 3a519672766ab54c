"""The book that the fault tests keep notices what is lost, half applied or mixed up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from profile_store import ProfileKey, SlotWrite, SQLProfileStore
from tests.faults.conversations import COMMON, NAMESPACE, Book, Talk
from tests.faults.results import Results

ANN, BOB = "user 0", "user 1"
KEY = ProfileKey(NAMESPACE, ANN)


def said(number: int, user: str = ANN) -> dict[str, object]:
    return {"user": user, "number": number}


def test_three_slots_of_one_submission_are_in_order() -> None:
    book = Book()
    book.look_at(ANN, dict.fromkeys(COMMON, said(1)))
    assert (book.half_applied, book.mixed) == (0, 0)


@pytest.mark.parametrize("odd", [said(2), None])
def test_a_submission_of_which_one_slot_differs_is_half_applied(odd: object) -> None:
    book = Book()
    book.look_at(ANN, {**dict.fromkeys(COMMON, said(1)), COMMON[0]: odd})
    assert (book.half_applied, book.mixed) == (1, 0)


def test_a_value_of_another_user_is_mixed_up() -> None:
    book = Book()
    book.look_at(ANN, dict.fromkeys(COMMON, said(1, BOB)))
    assert (book.half_applied, book.mixed) == (0, 1)


@pytest.fixture
async def store_and_talk(
    tmp_path: Path, open_store: Callable[[str], SQLProfileStore]
) -> tuple[SQLProfileStore, Talk]:
    """A store that holds submissions 1 and 2 of one conversation, both acknowledged."""
    store = open_store(f"sqlite:///{tmp_path / 'profiles.db'}")
    talk = Talk([])
    del talk.conversations[1:]
    (conversation,) = talk.conversations
    for number in (1, 2):
        await store.store(
            KEY, [SlotWrite(slot, said(number), number) for slot in (*COMMON, *conversation.own)]
        )
        conversation.acknowledged.append(number)
        conversation.last_said = number
    return store, talk


async def test_an_audit_of_what_is_all_there_finds_nothing(
    store_and_talk: tuple[SQLProfileStore, Talk],
) -> None:
    store, talk = store_and_talk
    await talk.audit(store)
    assert (talk.book.lost, talk.book.half_applied, talk.book.mixed) == (0, 0, 0)
    Results().record("none", talk.book, 0.0)


async def test_a_submission_that_is_not_in_the_profile_or_its_history_is_lost(
    store_and_talk: tuple[SQLProfileStore, Talk],
) -> None:
    store, talk = store_and_talk
    (conversation,) = talk.conversations
    conversation.acknowledged.append(3)
    conversation.last_said = 3
    await talk.audit(store)
    in_profile, in_history = len(COMMON) + len(conversation.own), len(conversation.own)
    assert talk.book.lost == in_profile + in_history
    with pytest.raises(AssertionError, match="lost=9"):
        Results().record("lost", talk.book, 0.0)


async def test_a_submission_that_only_the_history_lacks_is_lost(
    store_and_talk: tuple[SQLProfileStore, Talk],
) -> None:
    store, talk = store_and_talk
    (conversation,) = talk.conversations
    conversation.acknowledged[:0] = [0]
    await talk.audit(store)
    assert talk.book.lost == len(conversation.own)
