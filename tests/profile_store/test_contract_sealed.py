"""The whole contract once more with sealed values, and two keys that both write."""

from __future__ import annotations

import itertools
from typing import Any

from profile_store import SQLProfileStore, StoreSettings
from profile_store.conformance import StoreConformance
from tests.conftest import Database
from tests.profile_store import test_contract
from tests.profile_store.sealed import NEW, OLD

_orders = itertools.cycle([f"{OLD},{NEW}", f"{NEW},{OLD}"])


class Sealed(StoreConformance):
    """Each store opened writes with the other key: in the middle of a change of keys."""

    def open_store(self, database: Database, **limits: Any) -> SQLProfileStore:
        return SQLProfileStore(
            StoreSettings(
                url=database.url,
                timeout=test_contract.PATIENCE,
                encryption_keys=next(_orders),
                **limits,
            )
        )


class TestSealedSQLite(Sealed, test_contract.TestSQLite):
    pass


class TestSealedPostgreSQL(Sealed, test_contract.TestPostgreSQL):
    pass


@test_contract.needs_mariadb
class TestSealedMariaDB(Sealed, test_contract.TestMariaDB):
    pass
