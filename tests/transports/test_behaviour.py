"""What every action does, whichever way it is called: the same expectations for all of them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from typing import Any

import pytest

from tests.coexistence.events import START, routed, user
from tests.transports.calls import DOMAIN, VALUES, call, said, someone
from tests.transports.ways import going


@pytest.fixture
def ann() -> str:
    return someone()


def fetched(rasa: Any, user_id: str, sender_id: str = "elsewhere") -> dict[str, Any]:
    """Return what a new conversation of a user fetches."""
    slots: dict[str, Any] = rasa.call(
        call("action_fetch_profile", user_id, sender_id=sender_id)
    ).slots
    slots.pop("profile_status")
    return slots


def exactly(one: Any, other: Any) -> bool:
    """Return whether two values are equal, ints as ints, as JSON spells them."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def writes_in_history(rasa: Any, user_id: str) -> int:
    with contextlib.closing(sqlite3.connect(rasa.folder / "profiles.db")) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM profile_slot_history WHERE user_id = ?", [user_id]
        ).fetchone()
    return int(count)


def test_what_one_conversation_stored_another_fetches(rasa: Any, ann: str) -> None:
    stored = rasa.call(call("action_store_profile", ann, *said()))
    assert stored.slots == {"profile_status": "stored"}
    assert fetched(rasa, ann) == VALUES


def test_nobody_gets_what_another_user_said(rasa: Any, ann: str) -> None:
    rasa.call(call("action_store_profile", ann, *said()))
    assert fetched(rasa, someone()) == {}


def test_every_turn_stores_and_fetches(rasa: Any, ann: str) -> None:
    rasa.call(call("action_sync_profile", ann, *said({"customer_name": "Ann"})))
    synced = rasa.call(call("action_sync_profile", ann, *said({"limit": 5}), sender_id="other"))
    assert synced.slots["customer_name"] == "Ann"
    assert fetched(rasa, ann) == {"customer_name": "Ann", "limit": 5}


def test_a_reset_stores_ends_the_session_and_puts_back(rasa: Any, ann: str) -> None:
    reset = rasa.call(call("action_reset_routing", ann, routed(True), *said()))
    kinds = [event["event"] for event in reset.events]
    assert kinds[:2] == ["routing_session_ended", "slot"]
    assert reset.events[1]["name"] == "route_session_to_calm"
    assert reset.slots == {**VALUES, "route_session_to_calm": None, "profile_status": "loaded"}


def test_a_session_starts_with_the_profile(rasa: Any, ann: str) -> None:
    rasa.call(call("action_store_profile", ann, *said()))
    started = rasa.call(call("action_session_start", ann, sender_id="new"))
    assert started.events[0]["event"] == "session_started"
    assert (started.events[-1]["event"], started.events[-1]["name"]) == ("action", "action_listen")
    assert {**started.slots, "profile_status": None} == {**VALUES, "profile_status": None}


def test_a_profile_is_forgotten(rasa: Any, ann: str) -> None:
    rasa.call(call("action_store_profile", ann, *said()))
    forgotten = rasa.call(call("action_forget_profile", ann, *said(), slots=VALUES))
    assert {name: forgotten.slots[name] for name in VALUES} == dict.fromkeys(VALUES)
    assert fetched(rasa, ann) == {}


@pytest.mark.parametrize("name", VALUES)
def test_numbers_come_back_as_the_kind_that_they_were(rasa: Any, ann: str, name: str) -> None:
    rasa.call(call("action_store_profile", ann, *said()))
    (event,) = [
        event
        for event in rasa.call(call("action_fetch_profile", ann, sender_id="elsewhere")).events
        if event.get("name") == name
    ]
    with contextlib.closing(sqlite3.connect(rasa.folder / "profiles.db")) as connection:
        (kept,) = connection.execute(
            "SELECT value FROM profile_slot WHERE user_id = ? AND slot = ?", [ann, name]
        ).fetchone()
    assert exactly(json.loads(kept), VALUES[name]), "whatever the transport made of it"
    assert event["value"] == VALUES[name]


def test_hearing_the_same_again_writes_nothing(rasa: Any, ann: str) -> None:
    for _ in range(2):
        rasa.call(call("action_sync_profile", ann, *said()))
        assert writes_in_history(rasa, ann) == len(VALUES)
    again = rasa.call(call("action_sync_profile", ann, *said(), slots=VALUES))
    assert {**again.slots, "profile_status": ""} == {"profile_status": ""}
    assert writes_in_history(rasa, ann) == len(VALUES)


def test_what_an_action_returned_is_no_second_write_when_it_comes_back(rasa: Any, ann: str) -> None:
    returned = rasa.call(call("action_writes", ann, writes=VALUES)).events
    assert writes_in_history(rasa, ann) == len(VALUES)
    # Rasa gives returned events its own time
    later = [{**event, "timestamp": 1_795_396_900.0} for event in returned]
    rasa.call(call("action_sync_profile", ann, *later, slots=VALUES))
    assert writes_in_history(rasa, ann) == len(VALUES)


@pytest.mark.parametrize("action", ["action_writes", "action_writes_blocking"])
def test_a_plain_action_finds_the_profile_and_has_what_it_returns_stored(
    rasa: Any, ann: str, action: str
) -> None:
    written = rasa.call(call(action, ann, writes={"customer_name": "Ann"}))
    assert written.slots["customer_name"] == "Ann"
    assert fetched(rasa, ann) == {"customer_name": "Ann"}
    read = rasa.call(call("action_reads", ann, sender_id="elsewhere"))
    assert read.responses[0]["text"] == "Hello Ann!"
    assert (read.slots["heard"], read.slots["customer_name"]) == ("Ann", "Ann")


@pytest.mark.parametrize("action", ["action_writes_left_out", "action_writes_left_out_by_name"])
def test_a_plain_action_that_was_left_out_is_left_alone(rasa: Any, ann: str, action: str) -> None:
    assert rasa.call(call(action, ann, writes={"customer_name": "Ann"})).slots == {
        "customer_name": "Ann"
    }
    assert fetched(rasa, ann) == {}
    rasa.call(call("action_store_profile", ann, *said()))
    read = rasa.call(call("action_reads_left_out", ann, sender_id="elsewhere"))
    assert read.slots == {"heard": None}


def test_an_action_on_the_base_class_is_surrounded_once(rasa: Any, ann: str) -> None:
    rasa.call(call("action_store_profile", ann, *said({"customer_name": "Ann"})))
    own = rasa.call(call("action_own", ann, sender_id="elsewhere"))
    assert [event["name"] for event in own.events].count("customer_name") == 1
    assert own.slots["heard"] == "Ann"
    assert fetched(rasa, ann) == {"customer_name": "Ann", "prefs": ["Ann"]}


def test_an_action_that_returns_nothing_still_hydrates(rasa: Any, ann: str) -> None:
    rasa.call(call("action_store_profile", ann, *said()))
    returned = rasa.call(call("action_returns_nothing", ann, sender_id="elsewhere"))
    assert returned.slots["customer_name"] == "Ann"


def test_what_is_no_event_is_dropped_and_the_rest_stored(rasa: Any, ann: str) -> None:
    assert rasa.call(call("action_writes_nonsense", ann)).slots["customer_name"] == "Ann"
    assert fetched(rasa, ann) == {"customer_name": "Ann"}


def test_an_action_that_raises_stores_nothing_and_tells_nothing(rasa: Any, ann: str) -> None:
    failed = rasa.call(call("action_raises", ann))
    assert failed.outcome == "failed"
    assert fetched(rasa, ann) == {}


def test_an_action_that_rejects_is_rejected(rasa: Any, ann: str) -> None:
    rejected = rasa.call(call("action_rejects", ann))
    assert rejected.outcome == "rejected"
    assert "not now" in rejected.said


def test_an_action_that_sets_the_routing_slot_is_an_error_and_stores_nothing(
    rasa: Any, ann: str
) -> None:
    routes = rasa.call(call("action_routes", ann))
    assert routes.outcome == "failed"
    assert fetched(rasa, ann) == {}
    assert "SECRET" not in routes.said


def test_the_developer_reads_in_the_log_or_the_error_what_to_do(
    rasa: Any, ann: str, way: str
) -> None:
    routes = rasa.call(call("action_routes", ann))
    told = routes.said if way == "direct" else rasa.log
    assert "return reset_routing() instead" in told


def test_an_action_that_takes_longer_than_the_database_may_is_not_hurried(
    rasa: Any, ann: str
) -> None:
    slow = rasa.call(call("action_writes_slowly", ann, seconds=2.5, writes={"limit": 7}))
    assert slow.slots["limit"] == 7
    assert fetched(rasa, ann) == {"limit": 7}


def test_an_action_that_is_cancelled_stores_nothing_of_what_it_would_have_returned(
    rasa: Any, ann: str
) -> None:
    writes = {"customer_name": "Ann", "limit": 7}
    cancelled = rasa.call(
        call("action_writes_slowly", ann, seconds=2, writes=writes), cancel_after=0.5
    )
    assert cancelled.outcome == "cancelled"
    time.sleep(2.5)
    assert fetched(rasa, ann) == {}


@pytest.mark.parametrize(
    ("candidate", "outcome", "kept"),
    [("4111111111111111", "done", "****1111"), ("bad", "done", "Ann"), ("fails", "failed", "Ann")],
)
def test_what_a_form_validates_is_stored_as_it_was_returned(
    rasa: Any, ann: str, candidate: str, outcome: str, kept: str
) -> None:
    rasa.call(call("action_store_profile", ann, *said({"customer_name": "Ann"})))
    candidates = said({"customer_name": candidate})
    later = {**user(), "timestamp": START + 60}
    body = call("validate_name_form", ann, later, *candidates, slots={"customer_name": candidate})
    assert rasa.call(body).outcome == outcome
    assert fetched(rasa, ann) == {"customer_name": kept}
    with contextlib.closing(sqlite3.connect(rasa.folder / "profiles.db")) as connection:
        written = connection.execute(
            "SELECT value FROM profile_slot_history WHERE user_id = ?", [ann]
        ).fetchall()
    assert {json.loads(value) for (value,) in written} <= {"Ann", "****1111"}


def test_an_unknown_action_is_told_as_the_sdk_does(rasa: Any, ann: str) -> None:
    assert rasa.call(call("action_nobody_wrote", ann)).outcome == "no such action"


def test_a_domain_that_is_not_known_is_asked_for(rasa: Any, ann: str) -> None:
    body = {**call("action_reads", ann), "domain_digest": "one that nobody knows"}
    del body["domain"]
    assert rasa.call(body).outcome == "no domain"
    assert rasa.call({**body, "domain": DOMAIN}).outcome == "done"


def test_a_value_among_a_strict_slots_numbers_is_kept_and_another_is_not(
    rasa: Any, ann: str
) -> None:
    rasa.call(call("action_store_profile", ann, *said({"tier": 1})))
    assert fetched(rasa, ann) == {"tier": 1}
    rasa.call(call("action_writes", ann, writes={"tier": 3}))
    assert fetched(rasa, ann) == {"tier": 1}


def test_without_a_database_every_conversation_goes_on(
    way: str, ann: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("down")
    with going(way, folder, PROFILE_STORE_DB=str(folder / "nowhere" / "profiles.db")) as rasa:
        for action in ("action_sync_profile", "action_reads", "action_own"):
            assert rasa.call(call(action, ann, *said())).slots["profile_status"] == "unavailable"
        reset = rasa.call(call("action_reset_routing", ann, routed(True)))
        assert reset.events[0]["event"] == "routing_session_ended"
