"""Edits of the policy brought to the tickets that are open: definitions when somebody asks, calendars, zones and rules by themselves.

Both are jobs, gentle on purpose: few tickets at once, so that the desk's own calls are served beside ten thousand of them.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.errors import Refused, Unavailable
from api.processes import Broken, Finished, Processes
from api.records import new_id
from api.ticket_kind import TICKET
from db.engine import tenant_transaction
from db.jobs import enqueue_once
from db.sla.open_tickets import ACCOUNTS, COUNTED_ON, EVERY, TO_REAPPLY, OpenTickets
from domain.identity import Actor
from domain.ids import command_id
from domain.jobs import Failure, Job, Page
from domain.process import NotFound
from domain.protocol import Message
from domain.tickets.commands import Reapply

REAPPLY: Final = "REAPPLY"
RECOUNT: Final = "RECOUNT"

PAGE: Final = 100
AT_ONCE: Final = 4
"""Tickets that are decided at a time: at most so many of the worker's slots are taken from the desk."""

BREATH_SECONDS: Final = 0.5
"""The pause after each page of wakes, which are not answered: a hundred tickets in so long is what a small worker decides."""


async def recount(session: AsyncConnection, author: Actor, **concerned: UUID) -> None:
    """Have the open tickets of a calendar, an account, or all of them (for rules) look at the policy again, as a job."""
    await enqueue_once(session, new_id(), RECOUNT, {name: str(value) for name, value in concerned.items()}, author)


@dataclass(frozen=True)
class Reapplication:
    """Runs both kinds of jobs."""

    engine: AsyncEngine
    processes: Processes

    async def reapply(self, job: Job) -> AsyncGenerator[Page, None]:
        """Put each concerned ticket's clocks on the definition's version of today, with the answer of each."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(ticket: UUID) -> Failure | None:
            async with gate:
                return await self._reapplied(job, ticket)

        promise = {**job.input, "definition": UUID(str(job.input["definition"]))}
        async for tickets, total, done in self._pages(job, TO_REAPPLY, promise):
            failures = [each for each in await asyncio.gather(*map(one, tickets)) if each]
            yield Page(done=done, total=total, cursor=str(tickets[-1]), failures=tuple(failures))

    async def recount(self, job: Job) -> AsyncGenerator[Page, None]:
        """Wake each concerned ticket: its next decision counts on the calendars of today."""
        concerned = COUNTED_ON if "calendar" in job.input else ACCOUNTS if "account" in job.input else EVERY
        values = {name: UUID(str(value)) for name, value in job.input.items()}
        async for tickets, total, done in self._pages(job, concerned, values):
            for ticket in tickets:
                await self._wake(job, ticket)
            await asyncio.sleep(BREATH_SECONDS)
            yield Page(done=done, total=total, cursor=str(tickets[-1]))

    async def _wake(self, job: Job, ticket: UUID) -> None:
        try:
            await self.processes.wake(TICKET.name, ticket, job.tenant_id)
        except RuntimeError as error:  # what the client's core raises while its connection has not come about yet
            raise Unavailable from error

    async def _pages(
        self, job: Job, concerned: OpenTickets, values: Mapping[str, Any]
    ) -> AsyncIterator[tuple[Sequence[UUID], int, int]]:
        """The pages that are left, with the number of all tickets and of those done after the page."""
        after, done, total = (UUID(str(job.cursor)) if job.cursor else None), job.done, job.total
        while True:
            async with tenant_transaction(self.engine, job.tenant_id) as session:
                if total is None:
                    total = await concerned.total(session, values)
                tickets = await concerned.page(session, values, after, PAGE)
            if not tickets:
                return
            after, done = tickets[-1], done + len(tickets)
            yield tickets, max(total, done), done

    async def _reapplied(self, job: Job, ticket: UUID) -> Failure | None:
        """Reapply to one ticket; the job's id makes a repeat find the first answer."""
        definition = UUID(str(job.input["definition"]))
        message = Message[Any](
            tenant_id=job.tenant_id,
            command=Reapply(definition_id=definition),
            command_id=command_id(job.tenant_id, str(job.author.id), REAPPLY, ticket, str(job.id)),
            fingerprint=str(definition),
            actor=job.author,
        )
        try:
            await self.processes.update(TICKET, ticket, "reapply", message)
        except (Finished, NotFound):
            return None  # over meanwhile, so nothing is promised any more
        except Refused as refused:
            return Failure(id=str(ticket), detail=refused.record.detail)
        except Broken:
            return Failure(id=str(ticket), detail="Something went wrong here.")
        return None
