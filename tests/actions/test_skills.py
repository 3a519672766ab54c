"""The example skills: the same actions for stories and for flows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rasa_sdk.executor import ActionExecutor
from ruamel.yaml import YAML

from coexistence import runtime
from coexistence.runtime import Runtime
from coexistence.settings import Settings

DOMAIN = YAML(typ="safe", pure=True).load(
    Path(__file__).parents[2] / "examples" / "assistant" / "domain.yml"
)
SKILLS = {
    "action_list_contacts", "action_add_contact", "action_check_balance", "action_transfer_money",
}  # fmt: skip


@pytest.fixture(scope="module")
def executor() -> ActionExecutor:
    made = ActionExecutor()
    made.register_package("actions")
    return made


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DEMO_BANK_DB", str(tmp_path / "bank.db"))
    runtime.use(Runtime(Settings(db=str(tmp_path / "profiles.db"))))
    yield
    runtime.use(None)


@pytest.fixture(params=[True, False], ids=["CALM", "NLU"])
def in_calm(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class Bot:
    """One user's conversation, action by action."""

    def __init__(self, executor: ActionExecutor, in_calm: bool) -> None:
        self._executor = executor
        self._in_calm = in_calm
        self._turns = 0

    async def does(self, action: str, *, again: bool = False, **slots: Any) -> str:
        self._turns += not again
        said = {"event": "user", "text": "x", "timestamp": 1_700_000_000.0 + self._turns}
        tracker = {
            "sender_id": "c", "user_id": "ann", "events": [said], "latest_message": {},
            "slots": {"route_session_to_calm": self._in_calm, **slots},
        }  # fmt: skip
        answer = await self._executor.run(
            {"next_action": action, "tracker": tracker, "domain": DOMAIN, "version": "3.21.0"}
        )
        assert answer is not None
        (message,) = answer.responses
        return str(message["text"])


@pytest.fixture
def bot(executor: ActionExecutor, in_calm: bool) -> Bot:
    return Bot(executor, in_calm)


def test_the_example_domain_lists_every_action_that_is_served(executor: ActionExecutor) -> None:
    served = {
        name
        for name, run in executor.actions.items()
        if run.__self__.__module__.startswith(("actions.", "coexistence.profile_actions"))
    }
    assert served >= SKILLS
    assert served <= set(DOMAIN["actions"])


async def test_contacts_are_added_and_listed(bot: Bot) -> None:
    assert await bot.does("action_list_contacts") == "You have no contacts yet."
    added = await bot.does("action_add_contact", contact_name="Bob", contact_handle="bob")
    assert added == "I added Bob (@bob) to your contacts."
    assert await bot.does("action_list_contacts") == "Your contacts: Bob (@bob)."


@pytest.mark.parametrize(
    ("slots", "part"),
    [
        ({}, "I need a name"),
        ({"contact_name": "x" * 81, "contact_handle": "@x1"}, "too long"),
        ({"contact_name": "Bob"}, "I need a handle"),
        ({"contact_name": "Bob", "contact_handle": "no spaces please"}, "I need a handle"),
    ],
)
async def test_an_unfit_contact_is_refused_with_a_way_on(
    bot: Bot, slots: dict[str, Any], part: str
) -> None:
    assert part in await bot.does("action_add_contact", **slots)
    assert await bot.does("action_list_contacts") == "You have no contacts yet."


async def test_money_is_sent_once_for_a_message_and_again_for_the_next(bot: Bot) -> None:
    await bot.does("action_add_contact", contact_name="Bob", contact_handle="bob")
    wish = {"recipient": "bob", "amount": "0.10"}
    told = await bot.does("action_transfer_money", **wish)
    assert told == "Done: €0.10 went to Bob. Your everyday account has €249.90 left."
    assert await bot.does("action_transfer_money", again=True, **wish) == told
    await bot.does("action_transfer_money", **wish)
    assert await bot.does("action_check_balance") == "There is €249.80 in your everyday account."


@pytest.mark.parametrize(
    ("slots", "part"),
    [
        ({}, "To whom?"),
        ({"recipient": "Bob"}, "How much?"),
        ({"recipient": "Bob", "amount": "1,000"}, "with a point before the cents"),
        ({"recipient": "Carol", "amount": "1"}, "not among your contacts"),
        ({"recipient": "Bob", "amount": "250.01"}, "has only €250.00"),
        ({"recipient": "Bob", "amount": "1", "account": "holiday"}, "no such account"),
    ],
)
async def test_an_impossible_transfer_is_refused_with_a_way_on(
    bot: Bot, slots: dict[str, Any], part: str
) -> None:
    await bot.does("action_add_contact", contact_name="Bob", contact_handle="bob")
    assert part in await bot.does("action_transfer_money", **slots)
    assert "€250.00" in await bot.does("action_check_balance")


async def test_the_balance_is_told_by_name_and_goal(bot: Bot) -> None:
    told = await bot.does(
        "action_check_balance", customer_name="Ann", account="savings", savings_goal="1200"
    )
    assert told == (
        "Ann, there is €1,000.00 in your savings account. "
        "€200.00 to go until your goal of €1,200.00."
    )


async def test_a_closed_bank_is_told_of_and_no_conversation_ends(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEMO_BANK_DB", str(tmp_path / "nowhere" / "bank.db"))
    for action in ("action_list_contacts", "action_check_balance"):
        assert "can't reach the bank" in await bot.does(action)
