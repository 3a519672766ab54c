"""100,000 bodies that nobody foresaw, and none that the action server fails at."""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults import bodies
from tests.faults.in_process import DEFLATED, PLAIN, Server
from tests.faults.results import results

DESCRIBED = 20_000
"""Bodies made by hypothesis, from a description of what a body looks like."""
GUIDED = 80_000
"""Bodies found by libFuzzer, from which code they reach."""
SECONDS = 900
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("fuzzing")) as server:
        yield server


TEXT = st.sampled_from(["", "Ann", "slot", "\x00", "\ud800", *bodies.SLOTS]) | st.text(max_size=9)
NUMBER = st.sampled_from([0, -1, 1.7e9, 1e308, 2**64]) | st.floats() | st.integers()
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=5,
)  # fmt: skip


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what is usual, or once in ten times anything at all."""
    # not one_of: that counts each kind of JSON as a choice of its own
    return st.integers(0, 9).flatmap(lambda drawn: usual if drawn else JSON)


EVENT = st.sampled_from(bodies.EVENTS) | st.fixed_dictionaries(
    {"event": mostly(st.sampled_from(["slot", "action", "user", "restart", "session_started"]))},
    optional={
        "name": mostly(st.sampled_from(list(bodies.SLOTS))), "value": JSON,
        "timestamp": mostly(NUMBER),
        "metadata": mostly(st.dictionaries(st.sampled_from(["reset", "user_id"]), JSON)),
    },
)  # fmt: skip
TRACKER = st.fixed_dictionaries(
    {"sender_id": mostly(TEXT)},
    optional={
        "slots": mostly(st.dictionaries(st.sampled_from([*bodies.SLOTS, bodies.ROUTING]), JSON)),
        "events": mostly(st.lists(mostly(EVENT), max_size=4)),
        "latest_message": mostly(st.just(bodies.MESSAGE)),
        "user_id": mostly(st.sampled_from(["ann", "bob", None])),
        "stack": mostly(st.lists(st.dictionaries(TEXT, JSON, max_size=2), max_size=2)),
        "active_loop": mostly(st.dictionaries(st.just("name"), TEXT)),
        "paused": mostly(st.booleans()), "followup_action": mostly(st.none() | TEXT),
    },
)  # fmt: skip
DOMAINS = st.just(bodies.DOMAIN) | st.fixed_dictionaries(
    {}, optional={"slots": mostly(st.dictionaries(TEXT, JSON, max_size=3)), "session_config": JSON}
)
CALL = st.fixed_dictionaries(
    {
        "next_action": mostly(st.sampled_from(bodies.ACTIONS)), "tracker": mostly(TRACKER),
        "domain": mostly(DOMAINS),
    },
    optional={
        "version": mostly(st.sampled_from(["3.21.0", "3.6.21"])),
        "sender_id": mostly(TEXT),
    },
)  # fmt: skip


@pytest.mark.timeout(SECONDS)
@pytest.mark.filterwarnings("ignore::UserWarning")  # the SDK's, of odd versions
def test_no_described_body_is_answered_with_a_500(server: Server) -> None:
    assert set(bodies.ACTIONS) == set(server.actions)
    answers: Counter[int | str] = Counter()
    began = time.monotonic()

    @settings(
        max_examples=DESCRIBED, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(mostly(CALL), st.sampled_from([PLAIN, PLAIN, DEFLATED]))
    def answered(call: Any, sent_as: int) -> None:
        answers[server.answer(json.dumps(call).encode(), sent_as)] += 1

    answered()
    assert answers.total() >= DESCRIBED
    assert answers[200] > DESCRIBED / 10, "many bodies reach an action"
    told("described (hypothesis)", answers, time.monotonic() - began)


def not_here() -> str | None:
    """Return why there is no libFuzzer for this Python, None when there is."""
    if importlib.util.find_spec("atheris"):
        return None
    return (
        f"atheris is not installed; `make test-faults` installs it where it has a wheel, and it "
        f"may have none for Python {platform.python_version()} on {platform.machine()}"
    )


@pytest.mark.timeout(SECONDS)
def test_no_body_that_libfuzzer_finds_is_answered_with_a_500(tmp_path: Path) -> None:
    if reason := not_here():
        results.notes.append(f"fuzzing, guided by coverage: not tested here: {reason}")
        pytest.skip(reason)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.webhook_fuzzer", str(tmp_path), f"-runs={GUIDED}"],
        cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout[-5_000:], done.stderr[-1_000:])
    assert f"Done {GUIDED} runs" in done.stderr
    answers = Counter(json.loads((tmp_path / "answers.json").read_text()))
    assert answers.total() >= GUIDED
    assert answers["200"] > GUIDED / 10, "many bodies reach an action"
    assert answers["OK"] > GUIDED / 50, "and many messages"
    told("guided by coverage (libFuzzer)", answers, time.monotonic() - began)


def told(how: str, answers: Counter[Any], seconds: float) -> None:
    statuses = ", ".join(f"{status}: {count:,}" for status, count in answers.most_common())
    results.notes.append(
        f"fuzzing, {how}: {answers.total():,} inputs in {seconds:.0f} s, no failure ({statuses})"
    )
