"""Slot values as bytes: JSON in UTF-8, in one spelling, so that equal values are equal bytes.

JSON has one kind of number. Python has two, and a transport may turn one into the other (gRPC
makes 3.0 of 3): a whole number is spelled without a fraction, and read as an int.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from profile_store import errors

MAX_DEPTH = 100
"""Deeper lists and objects are refused: JSON readers downstream recurse."""

_MOST_EXACT = 2.0**53
"""Beyond it a float is not one whole number any more, but stands for several."""

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder()


def encode(value: object) -> bytes:
    """Return a JSON value in its one spelling.

    Raises:
        InvalidValue: for anything that JSON has no word for (NaN, sets, dates, Decimal, objects
            with keys that are not text), and for nesting deeper than 100.
    """
    kind = type(value)
    if kind is not str and kind is not bool and kind is not int:
        value = _plain(value, MAX_DEPTH)
    try:
        return _encoder.encode(value)
    except TypeError as error:
        raise errors.InvalidValue(
            f"A {kind.__name__} is not a JSON value; convert it to a plain number."
        ) from error
    except UnicodeEncodeError:
        # half a surrogate pair, as Rasa's JSON may carry: only an escape can spell it
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def decode(encoded: bytes) -> Any:
    """Return the value that `encode` spelled."""
    try:
        return _decoder.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(encoded)


def _plain(value: object, depth: int) -> object:
    """Return a value with its whole numbers as ints."""
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is int:
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise errors.InvalidValue("NaN and infinity are not JSON; store a number or nothing.")
        return int(value) if value.is_integer() and abs(value) <= _MOST_EXACT else value
    if depth == 0:
        raise errors.InvalidValue(f"The value is nested deeper than {MAX_DEPTH}; flatten it.")
    if kind is dict:
        assert isinstance(value, dict)
        for name in value:
            if not isinstance(name, str):
                raise errors.InvalidValue("An object's keys must be text to be JSON; convert them.")
        return {name: _plain(item, depth - 1) for name, item in value.items()}
    if kind is list or kind is tuple:
        assert isinstance(value, list | tuple)
        return [_plain(item, depth - 1) for item in value]
    raise errors.InvalidValue(
        f"A {kind.__name__} is not a JSON value; convert it to text, a number, a list or an object."
    )
