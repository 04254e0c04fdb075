"""What is said on tickets: comments and calls, also on a ticket that is over, where the conversation goes on elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from api.auth import Caller
from api.desk import Desk
from api.errors import Refused
from api.processes import Finished
from api.schemas.comments import CommentView, NewCall, NewComment
from api.shown_tickets import file_views, said_view
from api.ticket_kind import TICKET
from db.attachments import attachments_of
from db.engine import tenant_transaction
from db.tickets.relations import colleagues_called
from domain.customers import ContactChannel
from domain.identity import Role
from domain.ids import derived_id, fingerprint, opening_id
from domain.process import Forbidden
from domain.protocol import Message, Receipt
from domain.tickets.commands import AddComment, CreateTicket
from domain.tickets.lifecycle import TicketFinal
from domain.tickets.model import Call, Ticket


@dataclass(frozen=True)
class Conversation:
    """Takes what a caller says."""

    desk: Desk

    async def comment(self, ticket_id: UUID, body: NewComment, caller: Caller, key: str | None) -> CommentView:
        """Add a comment. A customer's comment on a final ticket opens a follow-up, and belongs to that."""
        if body.occurred_at is not None and not caller.role.includes(Role.LEAD):
            raise Forbidden("Dating a comment takes the role LEAD.", required_role=Role.LEAD)
        message = await self._saying(await self._comment(body, caller), body, caller, key, "POST comments", ticket_id)
        comment_id = message.command.comment_id
        try:
            receipt = await self.desk.processes.update(TICKET, ticket_id, "comment", message)
        except Finished as finished:
            ended = Ticket.model_validate(finished.state)
            return await self._go_on(ended, message, body, caller, key, TicketFinal(ended.status))
        except Refused as refused:
            if refused.record.type != TicketFinal.__name__:
                raise
            found = await self.desk.merging.ticket(caller.tenant_id, ticket_id)
            if found is None:
                raise
            return await self._go_on(found, message, body, caller, key, refused)
        return await self._said(comment_id, ticket_id, body, caller, body.occurred_at or receipt.at)

    async def log_call(self, ticket_id: UUID, body: NewCall, caller: Caller, key: str | None) -> CommentView:
        """Log a call with the customer."""
        command = AddComment(
            comment_id=UUID(int=0),
            body=body.notes,
            internal=True,
            call=Call(direction=body.direction, seconds=body.seconds),
            via=ContactChannel.PHONE,
            **({"status": body.status} if body.status else {}),
        )
        message = await self._saying(command, body, caller, key, "POST calls", ticket_id)
        receipt = await self.desk.update(ticket_id, "comment", message, caller)
        said = NewComment.model_construct(body=body.notes, internal=True)
        return said_view(message.command.comment_id, ticket_id, said, caller, receipt.at, call=message.command.call)

    async def _said(
        self, comment_id: UUID, ticket_id: UUID, body: NewComment, caller: Caller, at: datetime
    ) -> CommentView:
        """A comment as its author gets it back, with the files that it came with."""
        view = said_view(comment_id, ticket_id, body, caller, at)
        if not body.attachment_ids:
            return view
        async with tenant_transaction(self.desk.engine, caller.tenant_id) as connection:
            files = await attachments_of(connection, [comment_id])
        return view.model_copy(update={"attachments": file_views(files[comment_id])})

    async def _go_on(
        self,
        ended: Ticket,
        message: Message[AddComment],
        body: NewComment,
        caller: Caller,
        key: str | None,
        final: Exception,
    ) -> CommentView:
        """A comment on a ticket that is over: said where that was merged into, else a customer's opens a follow-up."""
        await self.desk.seen(ended.id, caller)
        route = f"POST /api/tickets/{ended.id}/comments"
        mark = fingerprint(body.model_dump_json())
        opened = await self.desk.opened(caller, key, route, mark) if key else None
        hop = None if opened else await self._next(ended, message.command.comment_id, caller)
        while hop is not None:
            there, through = hop
            to = {"through": through, "addressed": ended.id}
            command = message.command.model_copy(update=to)
            try:
                receipt = await self.desk.processes.update(
                    TICKET, there, "comment", message.model_copy(update={"command": command})
                )
            except (Finished, Refused) as over:
                if isinstance(over, Refused) and over.record.type != TicketFinal.__name__:
                    raise
                further = await self.desk.merging.last_hop(caller.tenant_id, ended)
                hop = further if further and further[0] != there else None  # merged on meanwhile, or over as well
            else:
                return await self._said(command.comment_id, there, body, caller, body.occurred_at or receipt.at)
        if caller.actor.staff or body.internal or body.status:
            raise final
        receipt = opened or await self._follow_up(ended.id, route, mark, body, caller, key)
        return await self._said(opening_id(receipt.process_id), receipt.process_id, body, caller, receipt.at)

    async def _next(self, ended: Ticket, comment_id: UUID, caller: Caller) -> tuple[UUID, UUID] | None:
        """Where a comment on a ticket that is over was said before, else where it is to be said now."""
        there = await self.desk.merging.place(caller.tenant_id, comment_id)
        return (there, ended.id) if there else await self.desk.merging.last_hop(caller.tenant_id, ended)

    async def _follow_up(
        self, ticket_id: UUID, route: str, mark: str, body: NewComment, caller: Caller, key: str | None
    ) -> Receipt:
        old = await self.desk.seen(ticket_id, caller)
        command = CreateTicket(
            customer_email=old["customer_email"],
            subject=old["subject"],
            description=f"Follow-up to SUP-{old['number']}.",
            priority=old["priority"],
            severity=old["severity"],
            channel=ContactChannel.PORTAL,
            category=old["category"],
            cc=tuple(old["cc"]),
            follow_up_of=ticket_id,
            opening=body.body,
            attachment_ids=tuple(body.attachment_ids),
        )
        process_id, message = self.desk.opening(command, caller, key, route, mark)
        if command.attachment_ids:
            await self.desk.judge_first(command, caller, process_id, message)
        return await self.desk.processes.create(TICKET, process_id, message)

    async def _comment(self, body: NewComment, caller: Caller) -> AddComment:
        given = body.model_dump(exclude={"tenant_id"}, exclude_unset=True, exclude_none=True)
        if body.internal and caller.actor.staff and "@" in body.body:
            async with tenant_transaction(self.desk.engine, caller.tenant_id) as connection:
                given["mentions"] = await colleagues_called(connection, body.body)
        return AddComment.model_validate(given | {"comment_id": UUID(int=0)})

    async def _saying(
        self, command: AddComment, body: BaseModel, caller: Caller, key: str | None, route: str, ticket_id: UUID
    ) -> Message[AddComment]:
        """A message that says something, under an id that a repeat has too."""
        message = self.desk.message(command, caller, key, route, ticket_id, body)
        comment_id = derived_id("comment", message.command_id)
        return message.model_copy(update={"command": command.model_copy(update={"comment_id": comment_id})})
