"""Does what was decided about a mail: opens a ticket, or says it on one. Every id is derived from the mail's, so a repeat is none."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from api.errors import Refused
from api.listening import listening
from api.mail.files import Kept, MailFiles
from api.merging import Merging
from api.processes import Finished, Processes
from api.ticket_kind import TICKET
from db.engine import tenant_transaction
from db.mailboxes import find_mailbox, list_addresses
from db.tickets.reads import find_ticket
from domain.customers import ContactChannel
from domain.identity import SYSTEM
from domain.ids import command_id, derived_id, opening_id
from domain.mail.judging import follow_up
from domain.mail.message import MOST_TEXT_BYTES, InboundMail
from domain.mail.plans import AnyPlan, Append, Open, Park, Reason, Same
from domain.process import NotFound
from domain.protocol import Message
from domain.tickets.commands import AddComment, CreateTicket, Relate
from domain.tickets.lifecycle import TicketFinal
from domain.tickets.model import Link, LinkKind, Ticket

LONGEST: Final = 100_000
"""Characters of a description, a comment, and of what one quotes."""

FRESH: Final = timedelta(seconds=5)
"""Decisions take the instant at which a command was received for its own when it lies ten seconds back at most."""

NO_SUBJECT: Final = "(no subject)"
NO_TEXT: Final = "(no text)"


class Replanned(Exception):
    """What was planned cannot be done any more: this is to be done instead."""

    def __init__(self, plan: AnyPlan) -> None:
        super().__init__("replanned")
        self.plan = plan


@dataclass(frozen=True)
class Done:
    """What a mail became."""

    ticket_id: UUID
    comment_id: UUID | None = None


@dataclass(frozen=True)
class Letter:
    """A mail in work: its row, and what it says."""

    row: RowMapping
    mail: InboundMail

    @property
    def id(self) -> UUID:
        found: UUID = self.row["id"]
        return found

    @property
    def tenant_id(self) -> UUID:
        found: UUID = self.row["tenant_id"]
        return found

    @property
    def process_id(self) -> UUID:
        """The ticket that it opens, if it opens one."""
        return derived_id(self.tenant_id, "mail", self.id)


@dataclass(frozen=True)
class Filing:
    """Carries plans out."""

    processes: Processes
    engine: AsyncEngine
    merging: Merging
    files: MailFiles

    async def carry_out(self, plan: Open | Append | Same, letter: Letter) -> Done:
        """Do it. Raises Replanned when the ticket has moved on meanwhile, and Unavailable."""
        if isinstance(plan, Same):
            return Done(plan.ticket_id, plan.comment_id)
        try:
            return await (self._open(plan, letter) if isinstance(plan, Open) else self._append(plan, letter))
        except Refused as refused:
            detail = refused.record.detail
            raise Replanned(Park(reason=Reason.REFUSED, detail=detail, ticket_id=named(plan))) from refused

    async def _open(self, plan: Open, letter: Letter) -> Done:
        own, mail = await self._surroundings(plan, letter)
        kept = await self._files(letter, apart=plan.follow_up_of is None)
        said = text_of(mail.text, kept)
        given: dict[str, Any] = {
            "customer_email": plan.customer_email,
            "subject": mail.subject or NO_SUBJECT,
            "description": said,
            "channel": ContactChannel.EMAIL,
            "automatic": plan.automatic,
            "linked": plan.linked,
            "attachment_ids": kept.ids,
            **own,
            **({"language": mail.language} if mail.language else {}),
        }
        if plan.follow_up_of is not None:
            given |= await self._old(letter, plan.follow_up_of)
            given |= {"opening": said, "quoted": quoted_of(mail)}
        command = CreateTicket.model_validate(given)
        message = self._message(letter, letter.process_id, "create", plan, command)
        receipt = await self.processes.create(TICKET, letter.process_id, message)
        for other in plan.linked:
            await self._link(letter, other, receipt.process_id)
        opened = opening_id(receipt.process_id) if plan.follow_up_of else None
        return Done(receipt.process_id, opened)

    async def _append(self, plan: Append, letter: Letter) -> Done:
        ticket_id, mail = plan.ticket_id, letter.mail
        try:
            if plan.copy_in is not None:
                await self._copy_in(plan, letter)
            kept = await self._files(letter, apart=False)
            comment = derived_id("comment", letter.id)
            command = AddComment(
                comment_id=comment,
                body=text_of("\n".join(mail.text.split("\n")[plan.skip_lines :]).strip("\n"), kept),
                via=ContactChannel.EMAIL,
                quoted=quoted_of(mail),
                attachment_ids=kept.ids,
                internal=plan.internal,
                automatic=plan.automatic,
                **await self._instant(letter, ticket_id),
                **({"status": plan.status} if plan.status else {}),
                **({"through": plan.through} if plan.through else {}),
            )
            message = self._message(letter, ticket_id, "comment", plan, command)
            await self.processes.update(TICKET, ticket_id, "comment", message)
        except Finished as finished:
            raise await self._elsewhere(plan, letter, Ticket.model_validate(finished.state)) from None
        except NotFound:
            raise Replanned(apart(plan)) from None
        except Refused as refused:
            if refused.record.type == TicketFinal.__name__:
                raise await self._elsewhere(plan, letter, None) from None
            if refused.record.type == NotFound.__name__:
                raise Replanned(apart(plan)) from None
            raise
        return Done(ticket_id, comment)

    async def _elsewhere(self, plan: Append, letter: Letter, ended: Ticket | None) -> Replanned:
        """The ticket is over: the conversation goes on where it was merged into, or in a ticket that follows it."""
        source = ended or await self.merging.ticket(letter.tenant_id, plan.ticket_id)
        hop = await self.merging.last_hop(letter.tenant_id, source) if source else None
        if hop is None:
            return Replanned(follow_up(plan))
        return Replanned(plan.model_copy(update={"ticket_id": hop[0], "through": hop[1], "copy_in": None}))

    async def _copy_in(self, plan: Append, letter: Letter) -> None:
        """Let somebody join who was given the ticket's address. Where there is no room for more, they get a ticket of their own."""
        message = self._message(letter, plan.ticket_id, "copy in", plan, Relate(cc=plan.copy_in))
        try:
            message = message.model_copy(update={"actor": SYSTEM})
            await self.processes.update(TICKET, plan.ticket_id, "relate", message)
        except Refused as refused:
            if refused.record.category != "invalid":
                raise
            raise Replanned(apart(plan)) from refused

    async def _link(self, letter: Letter, ticket_id: UUID, other: UUID) -> None:
        """Name the new ticket on one that it belongs with; where that is over, the new one's own link has to do."""
        command = Relate(link=Link(type=LinkKind.TICKET, target_id=other))
        message = self._message(letter, ticket_id, "link", None, command)
        try:
            await self.processes.update(TICKET, ticket_id, "relate", message)
        except (Finished, NotFound, Refused):
            return

    async def _files(self, letter: Letter, *, apart: bool) -> Kept:
        """The files of the mail; a text that is too long is one too, and so is what a new ticket's mail quotes."""
        mail, texts = letter.mail, []
        if len(mail.text) > LONGEST:
            whole = "\n\n".join(part.said(letter.row["raw"], MOST_TEXT_BYTES) for part in mail.texts)
            texts.append(("message.txt", whole.encode()))
        if apart and mail.quoted:
            texts.append(("earlier-messages.txt", mail.quoted.encode()))
        if not (mail.attachments or texts or mail.dropped):
            return Kept()
        return await self.files.keep(letter.tenant_id, letter.id, letter.row["raw"], mail, texts)

    async def _surroundings(self, plan: Open, letter: Letter) -> tuple[dict[str, Any], InboundMail]:
        """What the mailbox gives its tickets, and who hears of them: everybody to whom the mail went, but our own mailboxes."""
        mail = letter.mail
        async with tenant_transaction(self.engine, letter.tenant_id) as connection:
            mailbox = await find_mailbox(connection, letter.row["mailbox_id"])
            ours = await list_addresses(connection)
            given: dict[str, Any] = {"mailbox_id": letter.row["mailbox_id"]}
            for name in ("team_id", "category"):
                if mailbox is not None and mailbox[name] is not None:
                    given[name] = mailbox[name]
            others = (each.address for each in (*mail.to, *mail.cc))
            copies = [each for each in dict.fromkeys(others) if plain(each) not in ours and each != plan.customer_email]
            if copies and mail.machine is None:
                given |= await listening(connection, copies)
        return given, mail

    async def _old(self, letter: Letter, ticket_id: UUID) -> dict[str, Any]:
        """What a ticket takes over from the one that it follows."""
        async with tenant_transaction(self.engine, letter.tenant_id) as connection:
            old = await find_ticket(connection, SYSTEM, ticket_id)
            if old is None:
                return {}
            author = letter.mail.sender.address if letter.mail.sender else ""
            cc = (*old["cc"], *([author] if author and author != old["customer_email"].lower() else ()))
            heard = await listening(connection, tuple(dict.fromkeys(cc)))
        taken = {name: old[name] for name in ("customer_email", "subject", "priority", "severity", "category")}
        return taken | heard | {"description": f"Follow-up to SUP-{old['number']}.", "follow_up_of": ticket_id}

    async def _instant(self, letter: Letter, ticket_id: UUID) -> dict[str, datetime]:
        """When it came, if that was longer ago than what a decision takes for now; never before its ticket, or after now."""
        at, now = letter.row["received_at"], datetime.now(UTC)
        if now - at < FRESH:
            return {}
        async with tenant_transaction(self.engine, letter.tenant_id) as connection:
            ticket = await find_ticket(connection, SYSTEM, ticket_id)
        return {"occurred_at": max(at, ticket["created_at"]) if ticket else at}

    def _message(
        self, letter: Letter, ticket_id: UUID, what: str, plan: Open | Append | None, command: Any
    ) -> Message[Any]:
        return Message[Any](
            tenant_id=letter.tenant_id,
            command=command,
            command_id=command_id(letter.tenant_id, "mail", what, ticket_id, str(letter.id)),
            # Of the mail, and not of what we read in it, which another release may read otherwise.
            fingerprint=str(letter.id),
            actor=plan.actor if plan else SYSTEM,
            received_at=letter.row["received_at"],
        )


def apart(plan: Append) -> AnyPlan:
    """A ticket of its own for who may not write on the one that they answer, linked to it."""
    if plan.actor.staff or plan.automatic:
        return Park(reason=Reason.REFUSED, detail="There is no such ticket.", ticket_id=plan.ticket_id)
    return Open(actor=plan.actor, customer_email=plan.actor.email, linked=(plan.ticket_id,))


def named(plan: Open | Append) -> UUID | None:
    """The ticket that a plan is about, if there is one already."""
    return plan.ticket_id if isinstance(plan, Append) else plan.follow_up_of


def plain(address: str) -> str:
    """An address without what stands behind a plus sign."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def text_of(text: str, kept: Kept) -> str:
    """What is shown of a mail: at most what a ticket holds, and what became of files that it does not have."""
    notes = "".join(f"\n[{note}]" for note in kept.notes)
    if len(text) > LONGEST:
        notes = f"\n[The whole text is in message.txt]{notes}"
    notes = notes and f"\n{notes}"
    shown = text[: LONGEST - len(notes)]
    return (shown if shown.strip() else NO_TEXT) + notes


def quoted_of(mail: InboundMail) -> str | None:
    """What it quotes, as far as a comment holds it."""
    return mail.quoted[:LONGEST] if mail.quoted else None
