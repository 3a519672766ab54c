"""Money skills: the balance, and transfers to contacts. Both systems run the same actions."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import uuid
from typing import Any

from actions import bank, money
from coexistence import ProfileAction, Turn

logger = logging.getLogger(__name__)

DEFAULT_ACCOUNT = "everyday"
SAVINGS = "savings"


class ActionCheckBalance(ProfileAction):
    """Tells the balance of the user's account, and how far it is from the savings goal."""

    def name(self) -> str:
        return "action_check_balance"

    async def act(self, turn: Turn) -> None:
        account = _account(turn)
        try:
            cents = await asyncio.to_thread(bank.balance, turn.user_id, account)
        except bank.UnknownAccount:
            turn.dispatcher.utter_message(text=_which_accounts())
            return
        except bank.Unavailable as error:
            logger.warning("The demo bank is unavailable: %s", error)
            turn.dispatcher.utter_message(text=error.told)
            return
        customer = turn.tracker.get_slot("customer_name")
        there = f"{customer}, there is" if customer else "There is"
        text = f"{there} {money.show(cents)} in your {account} account."
        if account == SAVINGS:
            text += _goal(cents, turn.tracker.get_slot("savings_goal"))
        turn.dispatcher.utter_message(text=text)


class ActionTransferMoney(ProfileAction):
    """Sends money to one of the user's contacts.

    Rasa may repeat a call (after a time-out, say); the message that asked for the transfer names
    it at the bank, which carries it out once.
    """

    def name(self) -> str:
        return "action_transfer_money"

    async def act(self, turn: Turn) -> None:
        turn.dispatcher.utter_message(text=await self._transfer(turn))

    async def _transfer(self, turn: Turn) -> str:
        """Do it, and return what to tell the user."""
        recipient = str(turn.tracker.get_slot("recipient") or "").strip()
        amount = turn.tracker.get_slot("amount")
        account = _account(turn)
        if not recipient:
            return "To whom? Say, for example: send 12.50 to Bob."
        if amount is None or amount == "":
            return f"How much? Say, for example: send 12.50 to {recipient}."
        try:
            cents = money.parse(amount)
            request = _request(turn, account, recipient, cents)
            receipt = await asyncio.to_thread(
                bank.transfer, turn.user_id, account, recipient, cents, request
            )
        except money.AmountRefused as refusal:
            return str(refusal)
        except bank.UnknownAccount:
            return _which_accounts()
        except bank.UnknownContact:
            return f"{recipient} is not among your contacts. Please add them first."
        except bank.InsufficientFunds as short:
            return (
                f"Your {account} account has only {money.show(short.cents)}, "
                f"so I did not send {money.show(cents)}."
            )
        except bank.Unavailable as error:
            logger.warning("The demo bank is unavailable: %s", error)
            return error.told
        return (
            f"Done: {money.show(cents)} went to {receipt.recipient.name}. "
            f"Your {account} account has {money.show(receipt.balance)} left."
        )


def _account(turn: Turn) -> str:
    return str(turn.tracker.get_slot("account") or DEFAULT_ACCOUNT).strip().casefold()


def _which_accounts() -> str:
    return f"I know no such account; you have these: {', '.join(bank.OPENING_CENTS)}."


def _goal(cents: int, said: Any) -> str:
    try:
        goal = money.parse(said)
    except money.AmountRefused:
        return ""  # none was said, or nothing to reckon with
    if cents >= goal:
        return f" You have reached your goal of {money.show(goal)}."
    return f" {money.show(goal - cents)} to go until your goal of {money.show(goal)}."


def _request(turn: Turn, account: str, recipient: str, cents: int) -> str:
    """Return the name of a transfer: the same message asking for the same thing is the same."""
    tracker = turn.tracker
    message = (tracker.latest_message or {}).get("message_id")
    if message is None:
        asked = [event.get("timestamp") for event in tracker.events if event.get("event") == "user"]
        message = asked[-1] if asked else None
    if message is None:
        return uuid.uuid4().hex
    parts = [tracker.sender_id, message, account, recipient.casefold(), cents]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
