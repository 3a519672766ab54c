"""The one spelling of a value: equal values are equal bytes, whatever a transport did to them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_store import InvalidValue, values

_numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
_values = st.recursive(
    st.none() | st.booleans() | st.text() | _numbers,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def over_grpc(value: Any) -> Any:
    """Return what `google.protobuf.Struct` makes of a value: every number is a double."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [over_grpc(item) for item in value]
    if isinstance(value, dict):
        return {name: over_grpc(item) for name, item in value.items()}
    return value


@given(_values)
def test_a_value_comes_back_equal(value: Any) -> None:
    assert values.decode(values.encode(value)) == value


@given(_values)
def test_a_value_that_came_over_grpc_is_spelled_as_it_was_before(value: Any) -> None:
    assert values.encode(over_grpc(value)) == values.encode(value)


@pytest.mark.parametrize(
    ("value", "spelled"),
    [(3.0, "3"), (-0.0, "0"), (0.5, "0.5"), ([1.0, {"a": 2.0}], '[1,{"a":2}]'), (True, "true"),
     (2.0**53, "9007199254740992"), (1e300, "1e300"), ((1.0, "x"), '[1,"x"]')],
)  # fmt: skip
def test_whole_numbers_have_no_fraction(value: Any, spelled: str) -> None:
    assert json.loads(values.encode(value)) == json.loads(spelled)
    assert values.encode(value).decode() == spelled


@pytest.mark.parametrize("value", [math.nan, math.inf, [math.nan], {1: 2}, {"a": {1}}, b"x"])
def test_what_json_has_no_word_for_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValue):
        values.encode(value)
