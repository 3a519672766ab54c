"""The kit on each broken store: `test_broken_stores` runs it, and wants to see it fail."""

from __future__ import annotations

from tests.profile_store.broken_stores import CAUGHT_BY
from tests.profile_store.shared_memory import SharedMemoryConformance

for _kind in CAUGHT_BY:
    _name = f"Test{_kind.__name__}"
    # enough that chance lets none through; what is found ends the search
    _members = {"kind": _kind, "model_runs": 200, "ordering_runs": 200, "__module__": __name__}
    globals()[_name] = type(_name, (SharedMemoryConformance,), _members)
