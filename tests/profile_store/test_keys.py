"""Keys: what cannot be one is refused before it gets to any store."""

from __future__ import annotations

import pytest

from profile_store import InvalidKey, ProfileKey
from profile_store.conformance.keys import IMPOSSIBLE


@pytest.mark.parametrize("text", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_an_impossible_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidKey) as user_refused:
        ProfileKey("bank", text)
    with pytest.raises(InvalidKey):
        ProfileKey(text, "ann")
    assert not text or text not in str(user_refused.value)
