"""Reads a mail, finds out what the desk knows of it, and has it judged; the plan is written down before anything is done."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from db import mail_facts
from domain.customers import mail_domain
from domain.mail.addresses import read_bounce, read_note_token, read_staff_token, read_token, split_address
from domain.mail.facts import Candidate, Facts, Mailbox, Notice, User
from domain.mail.judging import judge
from domain.mail.message import InboundMail
from domain.mail.plans import AnyPlan

OURS: Final = re.compile(r"(ticket\.)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@.+", re.IGNORECASE)
"""Message ids that we give: of a notice, and of the conversation of a ticket."""

NUMBER: Final = re.compile(r"\[SUP-(\d{1,15})\]", re.IGNORECASE)


class NotYet(Exception):
    """A mail that this one answers came before it, and has not been taken in."""


@dataclass(frozen=True)
class Clerk:
    """Judges mails; `authority` is the server whose Authentication-Results count."""

    authority: str | None

    async def judge(self, connection: AsyncConnection, row: RowMapping, mail: InboundMail) -> AnyPlan:
        """What to do with it. Raises NotYet."""
        author = mail.sender.address if mail.sender else ""
        who = await mail_facts.who(connection, row["mailbox_id"], author, mail_domain(author) if author else None)
        key = bytes(who["mail_key"])
        _, plus = split_address(row["recipient"])
        user = user_of(who)
        staff = user.id if user is not None and user.staff else None
        noted = read_note_token(plus, staff, key) if staff else None
        own_token = noted or (read_staff_token(plus, staff, key) if staff else None)
        token, bounced = own_token or read_token(plus, key), read_bounce(plus, key)
        notices = dict.fromkeys((*([bounced] if bounced else ()), *notices_of(mail)))
        messages = dict.fromkeys((*mail.answers, *([mail.message_id] if mail.message_id else ())))
        found: Sequence[Any] = ()
        if notices or messages:
            found = await mail_facts.referred(connection, row["id"], list(notices), list(messages))
        if any(unsettled(each, row["received_at"], row["id"]) for each in found):
            raise NotYet
        referred = tickets_of(mail, found, row["mailbox_id"])
        twins = [each for each in found if each["kind"] == "MAIL" and each["message_id"] == mail.message_id]
        numbers = NUMBER.findall(mail.subject)
        number = int(numbers[-1]) if numbers else None
        notice = notice_of(mail, bounced, found)
        wanted = {*referred, *([token] if token else ()), *([notice.ticket_id] if notice and notice.ticket_id else ())}
        tickets: dict[UUID, Candidate] = {}
        if wanted or number is not None:
            rows = await mail_facts.tickets(connection, list(wanted), number)
            tickets = {each["id"]: Candidate.model_validate(each) for each in rows}
        facts = Facts(
            slug=who["slug"],
            mailbox=mailbox_of(who),
            addresses=frozenset(who["addresses"] or ()),
            user=user,
            account_id=who["account_id"],
            tickets=tickets,
            token=token,
            proven=own_token is not None,
            noted=noted is not None,
            referred=tuple(referred),
            numbered=next((each.id for each in tickets.values() if each.number == number), None),
            notice=notice,
            own=mail.message_id is not None and any(own(each, mail.message_id) for each in found),
            twins=tuple(dict.fromkeys(each["ticket_id"] for each in twins if each["ticket_id"])),
            said={each["ticket_id"]: each["comment_id"] for each in twins if each["ticket_id"] and each["comment_id"]},
        )
        return judge(mail, facts, authority=self.authority, accepted=row["accepted"])


def notices_of(mail: InboundMail) -> list[UUID]:
    """The ids of mails of ours that a mail names, or that it says to be."""
    named = (mail.message_id,) if mail.message_id else ()
    ours = map(OURS.fullmatch, (*mail.answers, *(mail.bounce.message_ids if mail.bounce else ()), *named))
    return [UUID(each[2]) for each in ours if each is not None and not each[1]]


def tickets_of(mail: InboundMail, found: Sequence[Any], mailbox_id: UUID) -> list[UUID]:
    """The tickets of the mails that this one answers, the newest first; of several mailboxes' the one to which it came."""
    by_notice = {each["id"]: each["ticket_id"] for each in found if each["kind"] == "NOTICE"}
    by_message: dict[str, UUID] = {}
    mails = [each for each in found if each["kind"] == "MAIL" and each["ticket_id"]]
    for row in sorted(mails, key=lambda row: (row["mailbox_id"] != mailbox_id, row["received_at"])):
        by_message.setdefault(row["message_id"], row["ticket_id"])
    tickets: dict[UUID, None] = {}
    for each in mail.answers:
        ours = OURS.fullmatch(each)
        named = by_message.get(each)
        if named is None and ours is not None:
            named = UUID(ours[2]) if ours[1] else by_notice.get(UUID(ours[2]))
        if named is not None:
            tickets[named] = None
    return list(tickets)


def unsettled(found: Any, received_at: datetime, mail_id: UUID) -> bool:
    """Whether a mail came before and waits still. Of two that refer to each other the earlier one goes first."""
    waits = found["kind"] == "MAIL" and found["state"] == "RECEIVED"
    return waits and (found["received_at"], found["id"]) < (received_at, mail_id)


def notice_of(mail: InboundMail, bounced: UUID | None, found: Sequence[Any]) -> Notice | None:
    """Which mail of ours a bounce is about: its address says that, or the mail that it returns."""
    notices = {each["id"]: each for each in found if each["kind"] == "NOTICE"}
    if bounced in notices:
        row = notices[bounced]
        return Notice(id=bounced, signed=True, address=row["address"], ticket_id=row["ticket_id"])
    for each in mail.bounce.message_ids if mail.bounce else ():
        ours = OURS.fullmatch(each)
        if ours is not None and not ours[1] and (known := notices.get(UUID(ours[2]))):
            return Notice(id=known["id"], address=known["address"], ticket_id=known["ticket_id"])
    return None


def own(found: Any, message_id: str) -> bool:
    """Whether this row is the mail of ours that has the Message-ID."""
    return found["kind"] == "NOTICE" and message_id.lower().startswith(f"{found['id']}@")


def user_of(who: Any) -> User | None:
    """The user whose address From is."""
    if not who["user_id"]:
        return None
    return User(id=who["user_id"], role=who["role"], name=who["name"], account_id=who["user_account_id"])


def mailbox_of(who: Any) -> Mailbox:
    """The mailbox to which it came."""
    return Mailbox(id=who["mailbox_id"], address=who["address"], team_id=who["team_id"], category=who["category"])
