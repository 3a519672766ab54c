"""The kit can fail: it catches each of many broken stores, and each of its tests catches one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from profile_store.conformance import StoreConformance
from tests.profile_store.broken_stores import CAUGHT_BY
from tests.profile_store.shared_memory import SharedMemoryConformance, SharedMemoryStore

CHECKOUT = Path(__file__).resolve().parents[2]
SUITE = "tests/profile_store/broken_stores/conformance.py"

Outcomes = dict[tuple[str, str], set[str]]


class TestTheStoreThatWasBroken(SharedMemoryConformance):
    """Whole, it passes: what the others fail by is their defect."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What came of each test that is to catch a store, with and without parameters."""
    folder = tmp_path_factory.mktemp("broken")
    tests = [
        f"{SUITE}::Test{store.__name__}::{test}"
        for store, tests in CAUGHT_BY.items()
        for test in tests
    ]
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider",
         f"--junitxml={folder}/outcomes.xml", *tests],
        cwd=CHECKOUT,
        # what fails there must not be tried first on the stores that are whole
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)},
        capture_output=True,
        check=False,
    )  # fmt: skip
    found: Outcomes = defaultdict(set)
    for case in ElementTree.parse(folder / "outcomes.xml").iter("testcase"):
        store = case.attrib["classname"].rpartition(".Test")[2]
        test = case.attrib["name"].partition("[")[0]
        found[store, test].update(outcome.tag for outcome in case)
    return found


@pytest.mark.parametrize("store", CAUGHT_BY, ids=lambda store: store.__name__)
def test_the_kit_catches_a_broken_store(store: type[SharedMemoryStore], outcomes: Outcomes) -> None:
    assert CAUGHT_BY[store]
    missed = [test for test in CAUGHT_BY[store] if "failure" not in outcomes[store.__name__, test]]
    assert missed == []


def test_each_test_of_the_kit_catches_a_broken_store() -> None:
    tests = {name for name in dir(StoreConformance) if name.startswith("test_")}
    assert tests == {test for tests in CAUGHT_BY.values() for test in tests}
