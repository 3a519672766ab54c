"""Random syncs, as hypothesis draws them: few users, slots, times and values, so that they meet."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from profile_store import Release, SlotWrite

USERS = st.sampled_from(["ann", "bob", "Ann"])
SLOTS = st.sampled_from(["name", "city"])
TIMES = st.integers(1, 6).map(float)
VALUES = st.sampled_from(["a", "b", 1, None])
WRITES = st.builds(SlotWrite, SLOTS, VALUES, TIMES)
RELEASES = st.builds(Release, SLOTS, TIMES)
SYNCS = st.tuples(USERS, st.lists(WRITES, max_size=3), st.lists(RELEASES, max_size=2))

Sync = tuple[str, list[SlotWrite], list[Release]]


def limited(examples: int) -> settings:
    """Return how long to search: each example takes a database a while.

    One failure is made small and shown. To look for others, and for what about it does not matter,
    takes minutes and a gigabyte.
    """
    return settings(
        max_examples=examples,
        stateful_step_count=20,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
