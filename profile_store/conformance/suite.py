"""All that every store promises, in one class to derive from."""

from __future__ import annotations

from profile_store.conformance.availability import Availability
from profile_store.conformance.clocks import Clocks
from profile_store.conformance.erasure import Erasure
from profile_store.conformance.history import History
from profile_store.conformance.keys import Keys
from profile_store.conformance.limits import Limits
from profile_store.conformance.linking import Linking
from profile_store.conformance.machine import Modelled
from profile_store.conformance.ordering import Ordering
from profile_store.conformance.releases import Releases
from profile_store.conformance.retention import Retention
from profile_store.conformance.storing import Storing


class StoreConformance(
    Storing,
    Keys,
    Limits,
    Erasure,
    Releases,
    History,
    Linking,
    Clocks,
    Retention,
    Availability,
    Ordering,
    Modelled,
):
    """The contract of `ProfileStore` as tests: derive a class, and pytest runs them on your store.

    Define `open_store` and `open_unreachable_store`; the class's name begins with `Test`, as
    pytest wants it. Override the fixture `database` where a folder is not what a store is opened
    on. What a store cannot do is told by `no_second_store`, `no_reopening`, `no_limits`,
    `no_retention` or `no_outage`, and the tests that need it are skipped with that reason.
    """
