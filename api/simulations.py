"""Simulations over HTTP: what other targets or calendars would have meant for the tickets of the past."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from api import jobs
from api.dependencies import Lead, Session
from api.errors import refusals
from api.records import Once
from api.routing import Area
from api.schemas.jobs import JobView
from api.schemas.simulations import AskSimulation
from api.simulator import Order, Portion
from db.simulations import known_calendars
from domain.jobs import Job, Page
from domain.process import Invalid, KeyReused
from domain.sla.compliance import BadPeriod, period
from domain.sla.simulation import Proposal
from runtime.settings import APP_ROLE, Settings

router = Area(prefix="/api/sla/simulations", tags=["SLA"])

KIND: Final = "SIMULATION"
ROOT: Final = Path(__file__).resolve().parents[1]
LONGEST_LINE: Final = 1_048_576


class BadProposal(Invalid):
    """The proposal proposes nothing, or one thing twice, or names a calendar that does not exist."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("The proposal cannot be simulated.", errors)


@router.post("", status_code=202, response_model=JobView, responses=refusals(BadPeriod, BadProposal, KeyReused))
async def simulate(body: AskSimulation, lead: Lead, session: Session, once: Once) -> Response:
    """Ask what other targets or calendars would have meant; the job's `result` has compliance, breaches and credits, before and after."""
    period(body.since, body.until, datetime.now(UTC), {"pointer": "/from"}, {"pointer": "/to"})
    errors = [*repeated(body), *await unknown(session, body)]
    if errors:
        raise BadProposal(errors)
    return await jobs.accept(once, KIND, body.order(), lead)


def repeated(body: AskSimulation) -> Iterator[dict[str, str]]:
    """What is proposed twice; and that nothing is."""
    if not body.definitions and not body.calendars:
        yield {"pointer": "/definitions", "code": "nothing", "detail": "must propose a target or a calendar"}
    promises = [("definitions", (each.tier, each.severity, each.kind)) for each in body.definitions]
    calendars = [("calendars", each.id) for each in body.calendars]
    for named in (promises, calendars):
        things = [thing for _, thing in named]
        for index, (place, thing) in enumerate(named):
            if thing in things[:index]:
                yield {"pointer": f"/{place}/{index}", "code": "twice", "detail": "is in the list already"}


async def unknown(session: AsyncConnection, body: AskSimulation) -> list[dict[str, str]]:
    """The calendars that do not exist."""
    named = {f"/calendars/{index}/id": each.id for index, each in enumerate(body.calendars)}
    named |= {
        f"/definitions/{index}/calendarId": each.calendar_id
        for index, each in enumerate(body.definitions)
        if each.calendar_id is not None
    }
    known = await known_calendars(session, list(named.values()))
    return [
        {"pointer": pointer, "code": "unknown", "detail": "does not exist"}
        for pointer, calendar in named.items()
        if calendar not in known
    ]


@dataclass(frozen=True)
class Simulations:
    """Runs the jobs, each in a process of its own; one that is broken off begins again, since it changes nothing."""

    settings: Settings

    async def run(self, job: Job) -> AsyncGenerator[Page, None]:
        """One job."""
        order = Order(
            conninfo=self.settings.postgres.conninfo(APP_ROLE),
            tenant_id=job.tenant_id,
            now=datetime.now(UTC),
            since=datetime.fromisoformat(str(job.input["since"])),
            until=datetime.fromisoformat(str(job.input["until"])),
            proposal=Proposal.model_validate(job.input["proposal"]),
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api.simulator"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the simulator has no pipes")
        try:
            process.stdin.write(to_json(order) + b"\n")
            await process.stdin.drain()
            portion = None
            async for line in process.stdout:
                portion = Portion.model_validate_json(line)
                yield Page(done=portion.done, total=portion.total, result=portion.result)
            if await process.wait() != 0 or portion is None or portion.result is None:
                raise RuntimeError(f"the simulator ended with {process.returncode}")
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
