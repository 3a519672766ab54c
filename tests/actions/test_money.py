"""Amounts of money, as users write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions import money
from actions.money import AmountRefused, parse, show


@pytest.mark.parametrize(
    ("said", "cents"),
    [
        ("12.50", 1250), ("12", 1200), ("12.5", 1250), ("0.01", 1), ("007", 700),
        ("€12.50", 1250), ("€ 3", 300), ("12.50 euros", 1250), ("1 EUR", 100),
        (" 8 ", 800), ("5\n", 500),
        (12, 1200), (0.1, 10), (12.5, 1250), ("1000000", 100_000_000),
    ],
)  # fmt: skip
def test_clear_amounts_are_read_to_the_cent(said: Any, cents: int) -> None:
    assert parse(said) == cents


@pytest.mark.parametrize(
    "said",
    [
        "0", "0.00", "-5", "\u22125", "1.234", "1,000", "1'000", "1.000.000", "1e9", "ten", "",
        "10 dollars", "$5", "£5", "1000000.01", "9" * 5000, "12.50.1", None, True, float("nan"),
        float("inf"), [], {}, "\u0663", "5 5",
    ],
)  # fmt: skip
def test_what_is_unclear_or_impossible_is_refused_with_a_sentence(said: Any) -> None:
    with pytest.raises(AmountRefused, match=r"\.$"):
        parse(said)


@given(st.integers(1, money.LARGEST))
def test_what_is_shown_is_read_back(cents: int) -> None:
    assert parse(show(cents).replace(",", "")) == cents


@given(st.text() | st.floats() | st.integers())
def test_nothing_but_a_refusal_is_raised(said: Any) -> None:
    try:
        cents = parse(said)
    except AmountRefused:
        cents = 1
    assert 0 < cents <= money.LARGEST
    assert type(cents) is int


def test_no_amount_is_ever_a_float() -> None:
    assert parse(0.1) + parse(0.2) == parse(0.3)
