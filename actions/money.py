"""Amounts of money in whole cents. Never a float: 0.1 + 0.2 is not 0.3."""

from __future__ import annotations

import re

LARGEST = 1_000_000_00
"""Cents in one amount at most; a demo needs no more, and a database integer has room to spare."""

_NUMBER = r"(?P<sign>[-\u2212]?) ?(?P<euros>[0-9]+)(?:\.(?P<cents>[0-9]+))?"
_AMOUNT = re.compile(rf"(?:€ ?)?{_NUMBER}(?: ?(?:€|eur|euros?))?", re.IGNORECASE)
_OTHER_CURRENCY = re.compile(
    r"[$£¥₹]|\b(?:usd|dollars?|gbp|pounds?|chf|francs?|yen|jpy|rupees?)\b", re.IGNORECASE
)
_SEPARATED = re.compile(r"[0-9][,'\u2019_ \u00a0\u202f.][0-9]")


class AmountRefused(ValueError):
    """Cannot be taken for an amount of money; the message is fit to be shown to the user."""


def parse(said: object) -> int:
    """Return the cents in what a slot holds: "12.50", "12", "€12.50" or "12.50 euros" are 1250.

    Guesses nothing: "1,000" is a thousand to some and one to others, "10 dollars" are no euros,
    and "1e9" is a slip rather than a wish. A number is read as JSON writes it.

    Raises:
        AmountRefused: not above zero, above `LARGEST`, below a cent, or unclear.
    """
    if isinstance(said, bool) or not isinstance(said, (str, int, float)):
        raise AmountRefused(_unclear())
    text = str(said).strip()
    if _OTHER_CURRENCY.search(text):
        raise AmountRefused("I can only send euros.")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        if _SEPARATED.search(text):
            raise AmountRefused(
                "Please write the amount with a point before the cents and nothing between the "
                "thousands, such as 1250.50."
            )
        raise AmountRefused(_unclear())
    euros, cents = match["euros"].lstrip("0"), match["cents"] or ""
    if len(cents) > 2:
        raise AmountRefused("An amount has two digits after the point at most.")
    # the length first: Python refuses to read integers of thousands of digits
    too_large = len(euros) > len(str(LARGEST))
    total = 0 if too_large else int(euros or "0") * 100 + int(cents.ljust(2, "0"))
    if match["sign"] or (total == 0 and not too_large):
        raise AmountRefused("The amount must be more than zero.")
    if too_large or total > LARGEST:
        raise AmountRefused(f"That is more than I can handle; {show(LARGEST)} is the most.")
    return total


def show(cents: int) -> str:
    """Return an amount for people to read: 125050 is "€1,250.50"."""
    sign = "-" if cents < 0 else ""
    euros, rest = divmod(abs(cents), 100)
    return f"{sign}€{euros:,}.{rest:02d}"


def _unclear() -> str:
    return "I did not understand the amount. Please write it in digits, such as 12.50."
