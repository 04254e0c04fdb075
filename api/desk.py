"""The desk's side of tickets: makes commands of what callers sent, and has them decided."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils import compat

from api.auth import Caller
from api.kept_fields import TicketFields, UnfitFields
from api.listening import listening
from api.merging import Merging
from api.processes import Finished, Processes
from api.schemas.sla.clocks import Adjustment
from api.schemas.tickets import (
    MergeBody,
    NewTicket,
    TicketPatch,
    TicketView,
)
from api.shown_tickets import from_receipt
from api.templating import Templating
from api.ticket_kind import TICKET
from db.attachments import files_known
from db.engine import tenant_transaction
from db.processes import recorded
from db.tickets.reads import find_description, find_ticket, intake
from db.tickets.relations import colleagues_at
from domain.customers import ContactChannel
from domain.ids import command_id, derived_id, fingerprint
from domain.process import KeyReused, NotFound
from domain.protocol import Message, Receipt
from domain.sla.clocks import ClockKind
from domain.tickets.commands import AdjustClock, ApplyMacro, ChangeTicket, ClockAction, CreateTicket, Merge, Relate
from domain.tickets.decide import take_in
from domain.tickets.fields import Fault
from domain.tickets.lifecycle import TicketFinal
from domain.tickets.merging import into_itself
from domain.tickets.model import Status
from domain.tickets.surroundings import Surroundings

OPENING: Final = "POST /api/tickets"


@dataclass(frozen=True)
class Desk:
    """Creates, changes and answers tickets for a caller."""

    processes: Processes
    engine: AsyncEngine
    merging: Merging
    fields: TicketFields
    templating: Templating

    async def create(self, body: NewTicket, caller: Caller, key: str | None) -> TicketView:
        """Open a ticket; under an Idempotency-Key a repeat gets the first one."""
        mark = fingerprint(body.model_dump_json(exclude_unset=True))
        if body.template_id is not None:
            # What it said at the first time counts for a repeat, whatever it says now.
            if key and (first := await self.opened(caller, key, OPENING, mark)):
                return await self._view(first, caller)
            body = await self.templating.filled(body, caller)
        channel = body.channel or (ContactChannel.API if caller.actor.staff else ContactChannel.PORTAL)
        given = body.model_dump(exclude={"tenant_id", "template_id", "channel"}, exclude_unset=True)
        if "fields" in given:
            given["fields"] = (await self.fields.of(caller.tenant_id)).kept(given["fields"])
        if given.get("cc"):
            async with tenant_transaction(self.engine, caller.tenant_id) as connection:
                given |= await listening(connection, given["cc"])
        command = CreateTicket.model_validate(given | {"channel": channel})
        process_id, message = self.opening(command, caller, key, OPENING, mark)
        await self._refuse_unfit(await self.fields.faults(caller, body.fields), process_id, message, key)
        if not caller.actor.staff or command.assignee_id or command.team_id or command.attachment_ids:
            await self.judge_first(command, caller, process_id, message)
        receipt = await self.processes.create(TICKET, process_id, message)
        return await self._view(receipt, caller, body.description)

    async def change(
        self, ticket_id: UUID, body: TicketPatch, caller: Caller, versions: tuple[int, ...] | None, key: str | None
    ) -> TicketView:
        """Change the fields that were sent."""
        given = body.model_dump(exclude_unset=True)
        faults = []
        if "fields" in given and caller.actor.staff:
            faults = await self.fields.faults(caller, given["fields"])
            if faults:
                old = (await self.seen(ticket_id, caller))["fields"]
                faults = await self.fields.faults(caller, given["fields"], before=old)
            given["fields"] = (await self.fields.of(caller.tenant_id)).kept(given["fields"])
        command = ChangeTicket.model_validate(given | ({"expected_versions": versions} if versions is not None else {}))
        message = self.message(command, caller, key, "PATCH /api/tickets", ticket_id, body)
        await self._refuse_unfit(faults, ticket_id, message, key)
        receipt = await self.update(ticket_id, "change", message, caller)
        return await self._view(receipt, caller)

    async def merge(self, ticket_id: UUID, body: MergeBody, caller: Caller, key: str | None) -> TicketView:
        """Close a ticket into another one, which goes on with what its customer waits for."""
        if body.into_id == ticket_id:
            raise into_itself()
        command = Merge(into_id=body.into_id, **({"reason": body.reason} if body.reason else {}))
        message = self.message(command, caller, key, "POST merge", ticket_id, body)
        receipt = await self.update(ticket_id, "merge", message, caller)
        await self.merging.soon(caller.tenant_id, ticket_id, caller.actor)
        return await self._view(receipt, caller)

    async def relate(self, ticket_id: UUID, command: Relate, caller: Caller, key: str | None, route: str) -> TicketView:
        """Link a ticket, or have somebody watch it or copied in, or end that."""
        message = self.message(command, caller, key, route, ticket_id, command)
        receipt = await self.update(ticket_id, "relate", message, caller)
        return await self._view(receipt, caller)

    async def copy_in(self, ticket_id: UUID, address: str, caller: Caller, key: str | None) -> TicketView:
        """Have an address hear what the customer is told; a colleague's has them watch."""
        async with tenant_transaction(self.engine, caller.tenant_id) as connection:
            watchers = list((await colleagues_at(connection, [address])).values())
        asked = Relate(cc=address)
        command = Relate(watcher_id=watchers[0]) if watchers else asked
        # Whoever repeats it has asked for the same, whosever the address is by then.
        message = self.message(command, caller, key, "POST cc", ticket_id, asked)
        receipt = await self.update(ticket_id, "relate", message, caller)
        return await self._view(receipt, caller)

    async def apply_macro(
        self, ticket_id: UUID, template_id: UUID, caller: Caller, versions: tuple[int, ...] | None, key: str | None
    ) -> TicketView:
        """Do all that a macro says in one decision."""
        asked = ApplyMacro(template_id=template_id, name="")
        message = self.message(asked, caller, key, "POST macros", ticket_id, asked)
        receipt = await self._first(ticket_id, message) if key else None
        if receipt is None:
            command = await self.templating.macro(ticket_id, template_id, caller, versions)
            if command.comment is not None:
                said = command.comment.model_copy(update={"comment_id": derived_id("comment", message.command_id)})
                command = command.model_copy(update={"comment": said})
            receipt = await self.update(ticket_id, "macro", message.model_copy(update={"command": command}), caller)
        elif receipt.fingerprint != message.fingerprint:
            raise KeyReused
        return await self._view(receipt, caller)

    async def update(self, ticket_id: UUID, name: str, message: Message[Any], caller: Caller) -> Receipt:
        """An update of a ticket that is not over. Raises TicketFinal, or NotFound for one that the caller may not see."""
        try:
            return await self.processes.update(TICKET, ticket_id, name, message)
        except Finished as finished:
            await self.seen(ticket_id, caller)
            raise TicketFinal(Status(finished.state["status"])) from None

    async def adjust(
        self, ticket_id: UUID, kind: ClockKind, action: ClockAction, body: Adjustment, caller: Caller, key: str | None
    ) -> None:
        """Pause, resume or waive one of a ticket's clocks."""
        command = AdjustClock(kind=kind, action=action, reason=body.reason)
        message = self.message(command, caller, key, f"POST sla/{kind}/{action}", ticket_id, body)
        await self.update(ticket_id, "clock", message, caller)

    def opening(
        self, command: CreateTicket, caller: Caller, key: str | None, route: str, mark: str
    ) -> tuple[UUID, Message[CreateTicket]]:
        """A creation, and the process's id, which its key decides, so that Temporal itself sees a repeat."""
        process_id, identity = opening_ids(caller, key, route)
        message = Message[CreateTicket](
            tenant_id=caller.tenant_id,
            command=command,
            command_id=identity,
            fingerprint=mark,
            actor=caller.actor,
            received_at=datetime.now(UTC),
        )
        return process_id, message

    async def judge_first(
        self, command: CreateTicket, caller: Caller, process_id: UUID, message: Message[CreateTicket]
    ) -> None:
        """What the decision will ask, asked before a process is started that would only fail; a repeat is not asked again."""
        async with tenant_transaction(self.engine, caller.tenant_id) as connection:
            if await recorded(connection, TICKET.name, process_id, message.command_id):
                return
            row = await intake(connection, command.customer_email, command.assignee_id, command.team_id)
            if command.attachment_ids:
                row["files_known"] = await files_known(connection, command.attachment_ids, command.follow_up_of)
        take_in(command, caller.actor, Surroundings.model_validate(row))

    async def _refuse_unfit(
        self, faults: list[Fault], process_id: UUID, message: Message[Any], key: str | None
    ) -> None:
        """Refuse custom fields that the definitions of now do not allow, but not to a repeat. Raises UnfitFields."""
        if faults and not (key and await self._first(process_id, message)):
            raise UnfitFields(faults)

    async def _first(self, process_id: UUID, message: Message[Any]) -> Receipt | None:
        """The answer that a command has got before."""
        async with tenant_transaction(self.engine, message.tenant_id) as connection:
            return await recorded(connection, TICKET.name, process_id, message.command_id)

    async def opened(self, caller: Caller, key: str, route: str, mark: str) -> Receipt | None:
        """The answer that a creation has got before. Raises KeyReused."""
        process_id, identity = opening_ids(caller, key, route)
        async with tenant_transaction(self.engine, caller.tenant_id) as connection:
            first = await recorded(connection, TICKET.name, process_id, identity)
        if first and first.fingerprint != mark:
            raise KeyReused
        return first

    async def _view(self, receipt: Receipt, caller: Caller, description: str | None = None) -> TicketView:
        """A decision's ticket as the caller sees it."""
        text = await self._description(receipt, caller) if description is None else description
        return from_receipt(receipt, text, caller.actor, await self.fields.of(caller.tenant_id))

    async def seen(self, ticket_id: UUID, caller: Caller) -> Mapping[str, Any]:
        """The ticket's row, if the caller may see it. Raises NotFound."""
        async with tenant_transaction(self.engine, caller.tenant_id) as connection:
            row = await find_ticket(connection, caller.actor, ticket_id)
        if row is None:
            raise NotFound("There is no such ticket.")
        return row

    async def _description(self, receipt: Receipt, caller: Caller) -> str:
        if "description" in receipt.answer:
            return str(receipt.answer["description"])
        async with tenant_transaction(self.engine, caller.tenant_id) as connection:
            return await find_description(connection, receipt.process_id)

    def message(
        self, command: Any, caller: Caller, key: str | None, route: str, ticket_id: UUID, body: BaseModel
    ) -> Message[Any]:
        identity = command_id(caller.tenant_id, str(caller.id), route, ticket_id, key or secrets.token_hex(16))
        return Message[Any](
            tenant_id=caller.tenant_id,
            command=command,
            command_id=identity,
            fingerprint=fingerprint(body.model_dump_json(exclude_unset=True)),
            actor=caller.actor,
            received_at=datetime.now(UTC),
        )


def opening_ids(caller: Caller, key: str | None, route: str) -> tuple[UUID, str]:
    """The ids of a process to be created and of the command that creates it."""
    principal = str(caller.id)
    process_id = derived_id(caller.tenant_id, principal, route, key) if key else compat.uuid7()
    return process_id, command_id(caller.tenant_id, principal, route, process_id, key or "create")
