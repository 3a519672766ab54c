"""Contact skills: list them, add one. Both systems run the same actions."""

from __future__ import annotations

import asyncio
import logging
import re

from actions import bank
from coexistence import ProfileAction, Turn

logger = logging.getLogger(__name__)

LONGEST_NAME = 80
_HANDLE = re.compile(r"@?([\w.-]{2,30})")


class ActionListContacts(ProfileAction):
    """Lists those whom the user can send money to."""

    def name(self) -> str:
        return "action_list_contacts"

    async def act(self, turn: Turn) -> None:
        try:
            contacts = await asyncio.to_thread(bank.contacts, turn.user_id)
        except bank.Unavailable as error:
            logger.warning("The demo bank is unavailable: %s", error)
            turn.dispatcher.utter_message(text=error.told)
            return
        if not contacts:
            turn.dispatcher.utter_message(text="You have no contacts yet.")
            return
        listed = ", ".join(f"{contact.name} ({contact.handle})" for contact in contacts)
        turn.dispatcher.utter_message(text=f"Your contacts: {listed}.")


class ActionAddContact(ProfileAction):
    """Adds one, from the slots `contact_name` and `contact_handle`."""

    def name(self) -> str:
        return "action_add_contact"

    async def act(self, turn: Turn) -> None:
        turn.dispatcher.utter_message(text=await self._add(turn))

    async def _add(self, turn: Turn) -> str:
        """Do it, and return what to tell the user."""
        name = " ".join(str(turn.tracker.get_slot("contact_name") or "").split())
        handle = _HANDLE.fullmatch(str(turn.tracker.get_slot("contact_handle") or "").strip())
        if not name:
            return "I need a name for the contact. Say, for example: add Bob to my contacts."
        if len(name) > LONGEST_NAME:
            return f"That name is too long for me; {LONGEST_NAME} characters are the most."
        if handle is None:
            return f"I need a handle for {name}: letters and digits, such as @bob."
        contact = bank.Contact(name, f"@{handle[1]}")
        try:
            outcome = await asyncio.to_thread(bank.add_contact, turn.user_id, contact)
        except bank.Unavailable as error:
            logger.warning("The demo bank is unavailable: %s", error)
            return error.told
        if outcome == "added":
            return f"I added {name} ({contact.handle}) to your contacts."
        if outcome == "changed":
            return f"{name} has the handle {contact.handle} now."
        return f"{name} ({contact.handle}) is among your contacts already."
