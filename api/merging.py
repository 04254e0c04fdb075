"""What a merge leaves to be done at the other ticket: at once, and again by a job, should this process die in between."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from api.errors import Refused, Unavailable
from api.processes import Broken, Finished, Processes
from api.ticket_kind import TICKET
from db.engine import tenant_transaction
from db.processes import standing
from db.tickets.relations import end_of_merges, place_of
from domain.identity import Actor
from domain.ids import command_id
from domain.jobs import Failure, Job, Page
from domain.process import NotFound
from domain.protocol import Message
from domain.tickets.merging import left_behind
from domain.tickets.model import Ticket

ABSORB: Final = "ABSORB"
"""As `db/projections/tickets.py` names the job that a merge leaves behind."""


@dataclass(frozen=True)
class Merging:
    """Hands the wait and the listeners of merged tickets on."""

    processes: Processes
    engine: AsyncEngine

    async def soon(self, tenant_id: UUID, source_id: UUID, author: Actor) -> None:
        """Hand on at once; what is away now the job makes up for."""
        with suppress(Unavailable, Broken):
            await self.hand_on(tenant_id, source_id, author)

    async def absorb(self, job: Job) -> AsyncGenerator[Page, None]:
        """The job that every merge leaves behind. Raises Unavailable while the other ticket can be told nothing."""
        try:
            refused = await self.hand_on(job.tenant_id, UUID(str(job.input["source"])), job.author)
        except Broken as broken:
            raise Unavailable from broken
        yield Page(done=1, total=1, failures=(refused,) if refused else ())

    async def hand_on(self, tenant_id: UUID, source_id: UUID, author: Actor) -> Failure | None:
        """Tell the ticket at the end of the chain what the source leaves; one that is over needs nothing any more."""
        source = await self.ticket(tenant_id, source_id)
        if source is None or source.merged_into is None:
            return None
        hop = await self.last_hop(tenant_id, source)
        if hop is None:
            return None
        last, _ = hop
        command = left_behind(source)
        message = Message[Any](
            tenant_id=tenant_id,
            command=command,
            command_id=command_id(tenant_id, str(author.id), ABSORB, last, str(source_id)),
            fingerprint=str(source_id),
            actor=author,
        )
        try:
            await self.processes.update(TICKET, last, "absorb", message)
        except (Finished, NotFound):
            return None
        except Refused as refused:
            return Failure(id=str(last), detail=refused.record.detail)
        return None

    async def last_hop(self, tenant_id: UUID, source: Ticket) -> tuple[UUID, UUID] | None:
        """Where a reply on a merged ticket lands, and the ticket through which it comes there; None for one that was not merged."""
        if source.merged_into is None:
            return None
        async with tenant_transaction(self.engine, tenant_id) as connection:
            found = await end_of_merges(connection, source.id)
        return (found[0], found[1]) if found and found[1] else None

    async def place(self, tenant_id: UUID, comment_id: UUID) -> UUID | None:
        """The ticket on which a comment was said, if it was: a repeat is answered there, wherever merges lead by now."""
        async with tenant_transaction(self.engine, tenant_id) as connection:
            return await place_of(connection, comment_id)

    async def ticket(self, tenant_id: UUID, ticket_id: UUID) -> Ticket | None:
        """A ticket as its last decision left it."""
        async with tenant_transaction(self.engine, tenant_id) as connection:
            found = await standing(connection, TICKET.name, ticket_id)
        return Ticket.model_validate(found.snapshot.state) if found and found.snapshot.state else None
