"""What Rasa Open Source 3.6 does with action calls, as far as the profile actions rely on it.

The action server is a script here: should one of these fail with another version of Rasa, the
place that relies on it has to be looked at again.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.rasa.rasa_server import RasaServer
from tests.rasa.scripted_actions import Answer, Call, ScriptedActions

pytestmark = [pytest.mark.rasa, pytest.mark.timeout(1200)]


def slot(name: str, value: Any) -> dict[str, Any]:
    return {"event": "slot", "name": name, "value": value}


STARTED = {"event": "session_started"}
LISTEN = {"event": "action", "name": "action_listen"}


@pytest.fixture(autouse=True)
def sessions_start(scripted: ScriptedActions) -> None:
    scripted.script["action_session_start"] = Answer(STARTED, LISTEN)


def test_every_call_carries_the_domain_and_no_digest(
    rasa: RasaServer, scripted: ScriptedActions
) -> None:
    rasa.conversation().say("/introduce_self", customer_name="Ann")

    assert len(scripted.calls) == 3  # session start, sync, reset
    for call in scripted.calls:
        assert call["domain"]["slots"]["customer_name"]["type"] == "text"
        assert "domain_digest" not in call
        assert call["version"] == "3.6.21"


def test_message_metadata_reaches_the_actions(
    rasa: RasaServer, scripted: ScriptedActions, user: str
) -> None:
    rasa.conversation(user).say("/introduce_self", customer_name="Ann")

    [start] = scripted.named("action_session_start")
    assert start["tracker"]["events"] == [] or start["tracker"]["events"][0]["event"] == "slot"
    assert start["tracker"]["slots"]["session_started_metadata"] == {"user_id": user}
    [reset] = scripted.named("action_reset_routing")
    [said] = [event for event in reset["tracker"]["events"] if event["event"] == "user"]
    assert said["metadata"]["user_id"] == user


def test_the_every_turn_action_runs_once_a_turn_and_before_the_extraction_shows(
    rasa: RasaServer, scripted: ScriptedActions
) -> None:
    talk = rasa.conversation()
    talk.say("/greet")
    talk.say("/introduce_self", customer_name="Ann")

    first, second = scripted.named("action_sync_profile")
    assert first["tracker"]["latest_message"]["intent"]["name"] == "greet"
    assert second["tracker"]["latest_message"]["intent"]["name"] == "introduce_self"
    assert second["tracker"]["slots"]["customer_name"] is None
    assert second["tracker"]["events"][-1]["event"] == "user"


def test_the_every_turn_action_sets_any_slot_but_says_nothing(
    rasa: RasaServer, scripted: ScriptedActions
) -> None:
    scripted.script["action_sync_profile"] = Answer(
        slot("customer_name", "Ann"), slot("savings_goal", "500"), say="lost"
    )
    talk = rasa.conversation()

    assert "lost" not in talk.say("/greet")

    assert (talk.slots["customer_name"], talk.slots["savings_goal"]) == ("Ann", "500")


def test_the_every_turn_action_overrides_slots_extracted_before_it_and_not_those_after(
    rasa: RasaServer, scripted: ScriptedActions
) -> None:
    # The reason why action_sync_profile leaves alone what the message at hand is about to fill.
    scripted.script["action_sync_profile"] = Answer(
        slot("customer_name", "old"), slot("savings_goal", "1")
    )
    before, after = rasa.conversation(), rasa.conversation()

    before.say("/introduce_self", customer_name="new")
    after.say("/set_savings_goal", money="2")

    assert before.slots["customer_name"] == "old"
    assert after.slots["savings_goal"] == "2"


@pytest.mark.parametrize("status", [404, 500])
def test_a_turn_goes_on_without_an_every_turn_action_that_fails(
    rasa: RasaServer, scripted: ScriptedActions, status: int
) -> None:
    scripted.script["action_sync_profile"] = Answer(status=status)

    talk = rasa.conversation()

    assert talk.say("/introduce_self", customer_name="Ann") == ["Nice to meet you, Ann."]
    assert "Failed to execute custom action 'action_sync_profile'" in rasa.log


@pytest.mark.parametrize("status", [404, 500])
def test_a_rule_goes_on_after_an_action_that_fails_without_its_events(
    rasa: RasaServer, scripted: ScriptedActions, status: int
) -> None:
    scripted.script["action_fetch_profile"] = Answer(slot("account", "savings"), status=status)
    scripted.script["action_check_balance"] = Answer(say="the balance")
    talk = rasa.conversation()

    assert talk.say("/check_balance") == ["the balance"]

    assert talk.slots["account"] is None
    assert talk.actions()[-2:] == ["action_reset_routing", "action_listen"]


def test_an_action_that_is_listed_replaces_rasas_own_reset_and_is_an_ordinary_one(
    rasa: RasaServer, scripted: ScriptedActions
) -> None:
    scripted.script["action_reset_routing"] = Answer(slot("customer_name", "from the override"))
    talk = rasa.conversation()

    talk.say("/introduce_self", customer_name="Ann")

    assert talk.slots["customer_name"] == "from the override"


def test_routing_session_ended_loses_all_that_an_action_answered(
    rasa: RasaServer, scripted: ScriptedActions
) -> None:
    # The reason why the reset override looks at Rasa's version.
    scripted.script["action_reset_routing"] = Answer(
        {"event": "routing_session_ended"}, slot("customer_name", "lost"), say="lost too"
    )
    talk = rasa.conversation()

    assert "lost too" not in talk.say("/introduce_self", customer_name="Ann")

    assert talk.slots["customer_name"] == "Ann"


def test_routing_session_ended_from_an_every_turn_action_loses_the_turn(
    rasa: RasaServer, scripted: ScriptedActions
) -> None:
    scripted.script["action_sync_profile"] = Answer({"event": "routing_session_ended"})

    assert rasa.conversation().say("/introduce_self", customer_name="Ann") == []


def test_slots_set_after_session_started_stay(rasa: RasaServer, scripted: ScriptedActions) -> None:
    scripted.script["action_session_start"] = Answer(
        slot("savings_goal", "500"), STARTED, slot("customer_name", "Ann"), LISTEN
    )
    talk = rasa.conversation()

    talk.say("/greet")

    assert talk.slots["customer_name"] == "Ann"
    assert talk.slots["savings_goal"] is None


@pytest.mark.parametrize(
    "answer",
    [Answer(slot("customer_name", "Ann")), Answer(STARTED)],
    ids=["neither", "no action_listen"],
)
def test_a_session_start_that_does_not_start_and_listen_breaks_the_first_turn(
    rasa: RasaServer, scripted: ScriptedActions, answer: Answer
) -> None:
    scripted.script["action_session_start"] = answer

    said = rasa.conversation().say("/greet")

    assert said != ["Hello! I keep your contacts, tell you your balance and send money."]


def test_metadata_of_slot_events_survives_the_round_trip(
    rasa: RasaServer, scripted: ScriptedActions
) -> None:
    def tag_once(call: Call) -> Answer:
        if call["tracker"]["slots"]["customer_name"] is not None:
            return Answer()
        return Answer({**slot("customer_name", "Ann"), "metadata": {"profile_store": {"k": 1}}})

    scripted.script["action_sync_profile"] = tag_once
    talk = rasa.conversation()
    talk.say("/greet")
    talk.say("/greet")

    events = scripted.named("action_sync_profile")[-1]["tracker"]["events"]
    [tagged] = [event for event in events if event.get("name") == "customer_name"]
    assert tagged["metadata"]["profile_store"] == {"k": 1}
