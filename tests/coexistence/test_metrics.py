"""What is counted of calls, slots and failures, and what never becomes a label."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

import pytest
from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import ActionExecutionRejection, ActionMissingDomainException

import coexistence
from coexistence import ProfileAction, Turn, calls, metrics, runtime
from coexistence.every_action import WithProfile
from coexistence.profile_actions import (
    ActionFetchProfile,
    ActionForgetProfile,
    ActionResetRouting,
    ActionSessionStart,
    ActionStoreProfile,
    ActionSyncProfile,
)
from profile_store import InvalidSettings, ProfileStoreError, SchemaOutdated, errors, metering
from tests.coexistence.calls import fresh, run, said
from tests.coexistence.conftest import UseSettings
from tests.coexistence.counting import Counted, samples
from tests.coexistence.events import (
    DOMAIN,
    empty_slots,
    listen,
    routing_reset,
    session_start,
    slot,
    tracker,
    user,
)


@pytest.fixture(autouse=True)
def measured(use_settings: UseSettings) -> None:
    use_settings(metrics=True)


def called(counted: Counted, action: str) -> dict[str, float]:
    """Return the outcomes of an action's calls."""
    found = {
        outcome: counted[f'calls_total{{action="{action}",outcome="{outcome}"}}']
        for outcome in calls.OUTCOMES
    }
    assert counted[f'call_seconds_count{{action="{action}"}}'] == sum(found.values())
    return {outcome: times for outcome, times in found.items() if times}


@pytest.mark.parametrize(
    "kind",
    [
        ActionFetchProfile,
        ActionStoreProfile,
        ActionSyncProfile,
        ActionResetRouting,
        ActionSessionStart,
        ActionForgetProfile,
    ],
)
async def test_each_profile_action_is_counted_and_timed(kind: type[Action]) -> None:
    with Counted() as counted:
        await run(kind, tracker(user(), slots=empty_slots()))
    assert called(counted, kind().name()) == {"done": 1}


class Measured(ProfileAction):
    """Does what its test asks for."""

    raises: BaseException | None = None

    def name(self) -> str:
        return "action_measured"

    async def act(self, turn: Turn) -> None:
        if self.raises is not None:
            raise self.raises


@pytest.mark.parametrize(
    ("raises", "outcome"),
    [
        (None, "done"),
        (ValueError("SECRET"), "failed"),
        (ActionExecutionRejection("action_measured"), "rejected"),
        (asyncio.CancelledError(), "cancelled"),
    ],
)
async def test_what_came_of_a_users_own_action_is_told(
    raises: BaseException | None, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Measured, "raises", raises)
    expected = contextlib.nullcontext() if raises is None else pytest.raises(type(raises))
    with Counted() as counted, expected:
        await run(Measured, tracker())
    assert called(counted, "action_measured") == {outcome: 1}
    assert counted['failures_total{kind="action"}'] == (outcome == "failed")


async def test_a_surrounded_plain_action_is_counted() -> None:
    def plain(dispatcher: Any, tracker: Tracker, domain: Any) -> None:
        return None

    with Counted() as counted:
        await WithProfile("action_plain", plain)(CollectingDispatcher(), tracker(), DOMAIN)
    assert called(counted, "action_plain") == {"done": 1}


async def test_a_call_that_rasa_repeats_with_the_domain_is_told_apart() -> None:
    with Counted() as counted, pytest.raises(ActionMissingDomainException):
        await run(ActionSyncProfile, tracker(), domain=None)
    assert called(counted, "action_sync_profile") == {"no_domain": 1}


async def test_an_outage_is_counted_as_calls_without_a_profile_and_as_failures(
    use_settings: UseSettings, tmp_path: Any
) -> None:
    use_settings(metrics=True, db=str(tmp_path / "nowhere" / "profiles.db"))
    with Counted() as counted:
        await run(ActionSyncProfile, tracker(user()))
        await run(ActionSyncProfile, tracker(user()))
    assert called(counted, "action_sync_profile") == {"without_profile": 2}
    assert counted['failures_total{kind="unavailable"}'] == 2, "the second failed fast"


async def test_a_user_whom_no_database_keeps_is_counted() -> None:
    with Counted() as counted:
        await run(ActionSyncProfile, tracker(sender_id="x" * 1_000))
    assert called(counted, "action_sync_profile") == {"without_profile": 1}
    assert counted['failures_total{kind="identity"}'] == 1


async def test_an_error_of_ours_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("SECRET")

    monkeypatch.setattr("coexistence.profile_actions.Exchange.hydration", broken)
    with Counted() as counted:
        assert await run(ActionSyncProfile, tracker()) == []
    assert called(counted, "action_sync_profile") == {"failed": 1}
    assert counted['failures_total{kind="internal"}'] == 1


async def test_a_value_is_counted_as_stored_once_however_often_it_is_observed() -> None:
    events = user(), slot("name", "Ann"), slot("tier", "gold")
    with Counted() as counted:
        await said(*events)
        await said(*events)
        await said(*events, user(), slot("name", "Bea"))
    assert counted["slots_stored_total"] == 3


async def test_a_release_stores_no_value() -> None:
    await said(user(), slot("name", "Ann"))
    with Counted() as counted:
        await said(user(), slot("name", "Ann"), slot("name", None))
    assert counted["slots_stored_total"] == 0


async def test_hydrated_slots_are_counted_and_those_that_a_reset_took_again() -> None:
    await said(user(), slot("tier", "gold"), sender_id="elsewhere", user_id="ann")
    state = fresh(user(), slot("name", "Ann"), routing_reset(), user_id="ann")
    with Counted() as counted:
        await run(ActionSyncProfile, state)
    label = '{action="action_sync_profile"}'
    assert counted[f"slots_hydrated_total{label}"] == 2
    assert counted[f"slots_recovered_total{label}"] == 1


async def test_what_a_new_session_takes_and_is_given_back_is_recovered() -> None:
    domain = {**DOMAIN, "session_config": {"carry_over_slots_to_new_session": False}}
    slots = {**empty_slots(), "name": "Ann"}
    state = tracker(session_start(), user(), slot("name", "Ann"), listen(), slots=slots)
    with Counted() as counted:
        await run(ActionSessionStart, state, domain)
    assert counted['slots_recovered_total{action="action_session_start"}'] == 1


async def test_an_emptied_slot_is_not_hydrated() -> None:
    await said(user(), slot("name", "Ann"))
    await run(ActionForgetProfile, tracker(user(), slot("name", "Ann")))
    with Counted() as counted:
        await run(ActionSyncProfile, tracker(user(), slots={**empty_slots(), "name": "Ann"}))
    assert counted['slots_hydrated_total{action="action_sync_profile"}'] == 0


@pytest.mark.parametrize(
    ("value", "reason"), [(["SECRET"], "domain"), ("SECRET" * 20_000, "store")]
)
async def test_a_refused_slot_is_counted_by_who_refused_it(value: Any, reason: str) -> None:
    with Counted() as counted:
        await said(user(), slot("name", value))
    assert counted[f'slots_refused_total{{reason="{reason}"}}'] == 1


async def test_batches_are_counted_with_their_size_and_time() -> None:
    with Counted() as counted:
        await asyncio.gather(
            *(said(user(), slot("name", "Ann"), user_id=f"u{n}") for n in range(9))
        )
    assert counted["batch_calls_sum"] == 9
    assert 1 <= counted["batch_calls_count"] == counted["batch_seconds_count"] <= 9
    assert counted["batch_seconds_sum"] > 0
    assert samples()["queue_depth"] == 0


async def test_nothing_is_counted_unless_the_settings_say_so(use_settings: UseSettings) -> None:
    use_settings(metrics=False)
    assert runtime.current().meter is None
    with Counted() as counted:
        await said(user(), slot("name", "Ann"))
        await run(ActionSyncProfile, tracker(sender_id="x" * 1_000))
    assert counted.found == {}


def test_a_name_that_is_made_up_for_each_call_ends_as_other() -> None:
    meter = metrics.Meter()
    with Counted() as counted:
        for number in range(metrics.MOST_ACTIONS + 5):
            meter.called(f"action_{number}", calls.DONE, 0.1)
            meter.hydrated(f"action_{number}", 1, 0)
    assert called(counted, "other") == {"done": 5}
    assert counted['slots_hydrated_total{action="other"}'] == 5
    assert called(counted, f"action_{metrics.MOST_ACTIONS}") == {}


async def test_no_label_holds_anything_of_a_user() -> None:
    events = user("SECRET text"), slot("name", "SECRET value"), slot("prefs", {"SECRET": 1})
    await said(*events, sender_id="SECRET conversation", user_id="SECRET user")
    await said(*events, sender_id="SECRET" * 1_000)
    assert samples()
    for name in samples():
        assert "SECRET" not in name
        for shared in DOMAIN["slots"]:
            assert f'"{shared}"' not in name, "slots' names come with requests"


def test_a_meter_that_fails_is_told_of_once_and_harms_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(metrics, "instruments", full)
    meter = metrics.Meter()
    for _ in range(3):
        meter.called("action_sync_profile", calls.DONE, 0.1)
        meter.failed(metrics.INTERNAL)
    (record,) = caplog.records
    assert record.getMessage().startswith("Metrics are incomplete: OSError")


def test_metrics_without_the_library_stop_the_start_and_name_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime.use(None)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.setenv("PROFILE_STORE_METRICS", "true")
    with pytest.raises(InvalidSettings, match=r"pip install 'rasa-coexistence\[metrics\]'"):
        metrics.make(True)
    with pytest.raises(SystemExit, match=r"profile_store\.metrics: prometheus-client is not"):
        coexistence.install()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.StoreTimeout("x"), "timeout"),
        (errors.StoreBusy("x"), "busy"),
        (SchemaOutdated("x"), "schema"),
        (errors.StoreUnavailable("x"), "unavailable"),
        (errors.StatementFailed("x"), "statement"),
        (errors.StoreClosed("x"), "closed"),
        (errors.InvalidKey("x"), "other"),
    ],
)
def test_failures_of_the_store_are_of_few_kinds(error: ProfileStoreError, kind: str) -> None:
    assert metering.kind(error) == kind
