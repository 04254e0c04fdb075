"""Draining queues: as room comes free in a team, the tickets that wait in it get somebody, the oldest first."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from api.errors import Refused
from api.loops import surviving
from api.processes import Broken, Finished, Processes
from api.ticket_kind import TICKET
from db.engine import tenant_transaction
from db.routing import next_waiting, queue_drains, waiting_teams
from domain.identity import SYSTEM
from domain.ids import command_id
from domain.jobs import Job, Page
from domain.process import NotFound
from domain.protocol import Message
from domain.tickets.commands import Assign

log = structlog.get_logger(__name__)

DRAIN: Final = "DRAIN"
"""As `db/routing.py` names the job that a decision asks for where room has come free."""

AT_A_TIME: Final = 25
SWEEP_SECONDS: Final = 15.0
"""How often queues are looked at without a cause: agents come and go without a decision on any ticket."""


@dataclass(frozen=True)
class Queues:
    """Runs the jobs, and asks for those that nobody has asked for."""

    engine: AsyncEngine
    processes: Processes

    async def drain(self, job: Job) -> AsyncGenerator[Page, None]:
        """Give the team's waiting tickets away one after another, while anybody has room."""
        team, done = UUID(str(job.input["team"])), job.done
        after = place(job.cursor)
        while True:
            async with tenant_transaction(self.engine, job.tenant_id) as session:
                line = await next_waiting(session, team, after, AT_A_TIME)
            if not line:
                return
            for ticket, created_at in line:
                await self._assign(job, ticket)
                after = created_at, ticket
                done += 1
            yield Page(done=done, cursor=[line[-1][1].isoformat(), str(line[-1][0])])

    async def _assign(self, job: Job, ticket: UUID) -> None:
        message = Message[Any](
            tenant_id=job.tenant_id,
            command=Assign(),
            command_id=command_id(job.tenant_id, "queue", DRAIN, ticket, str(job.id)),
            fingerprint="",
            actor=SYSTEM,
        )
        try:
            await self.processes.update(TICKET, ticket, "assign", message)
        except (Refused, Finished, NotFound):
            return  # somebody has it meanwhile, or the room is gone
        except Broken:
            log.exception("assignment_broken", ticket_id=str(ticket), tenant_id=str(job.tenant_id))  # the line goes on

    async def sweep(self) -> None:
        """Ask for a drain wherever somebody waits and somebody has room, although no decision has asked: agents come back, say."""
        async with self.engine.connect() as connection:
            waiting = await waiting_teams(connection)
        for tenant_id, teams in waiting:
            async with tenant_transaction(self.engine, tenant_id) as session:
                await queue_drains(session, tenant_id, SYSTEM.model_dump_json(), teams=teams)

    async def run(self) -> None:
        """Look at all queues now and then, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            async with surviving("queues"):
                await self.sweep()


def place(cursor: Any) -> tuple[datetime, UUID] | None:
    """Where the page before ended."""
    return (datetime.fromisoformat(cursor[0]), UUID(cursor[1])) if cursor else None
