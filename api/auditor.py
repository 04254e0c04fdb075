"""The auditor: outside Temporal's timers it looks for promises not kept and for processes that fell apart, and wakes them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from api.loops import surviving
from api.processes import Processes
from api.revival import SUP_TENANT
from db import processes
from domain.ids import process_of

log = structlog.get_logger(__name__)

LOCK: Final = 0x53554D41
"""The advisory lock of the one auditor among all API processes."""

OVERDUE_AFTER: Final = timedelta(seconds=30)
UNCONFIRMED_AFTER: Final = timedelta(seconds=10)
ORPHANED_AFTER: Final = timedelta(seconds=60)
MOST_WAKES: Final = 50
SWEEP_PAGE: Final = 20
SWEEP_EVERY: Final = 6
"""Rounds between two pages of the sweep, which asks Temporal about one process after another."""
LONGEST_PAUSE: Final = timedelta(minutes=5)
ALARM_EVERY: Final = timedelta(minutes=1)

START: Final = UUID(int=0)

RUNNING: Final = "ExecutionStatus = 'Running' AND SupEntity IS NOT NULL"
FAILING: Final = f"{RUNNING} AND TemporalReportedProblems = 'category=WorkflowTaskFailed'"
"""Processes whose workers say that they fail; our own servers are set to report that at once, others do after five failures."""


@dataclass
class Finding:
    """A process that needs waking, and why."""

    id: UUID
    tenant_id: UUID
    kind: str
    reason: str


@dataclass
class Watch:
    """How often a process has been woken in vain, and when it may be woken again."""

    tries: int
    again_at: datetime


class Gauges:
    """What the auditor tells Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.overdue = Gauge("summit_overdue_deadlines", "Processes with a deadline overdue by 30 s", registry=registry)
        self.unconfirmed = Gauge("summit_unconfirmed_processes", "Processes unconfirmed for 10 s", registry=registry)
        self.wakes = Counter("summit_auditor_wakes", "Processes woken by the auditor", ["reason"], registry=registry)
        self.sweeps = Counter("summit_auditor_sweeps", "Rounds of the auditor", registry=registry)


@dataclass
class Auditor:
    """One round after another while it holds the lock; every other API process waits for its turn.

    At most 50 wakes a round, one outstanding per process with a pause that doubles up to five minutes, and one alarm for
    everything that is wrong, once a minute: a storm is not answered with a storm.
    """

    engine: AsyncEngine
    client: Client
    processes: Processes
    gauges: Gauges
    interval: float
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    watched: dict[UUID, Watch] = field(default_factory=dict)
    swept: UUID = START
    rounds: int = 0
    alarmed_at: datetime | None = None
    running: AsyncIterator[WorkflowExecution] | None = None

    async def run(self) -> None:
        """Audit until cancelled, whatever is away meanwhile."""
        while True:
            # What Temporal's core raises while a lazy connection has not come about yet is a RuntimeError.
            async with surviving("auditor", hindered_by=(RuntimeError, SQLAlchemyError)), self.engine.connect() as raw:
                connection = await raw.execution_options(isolation_level="AUTOCOMMIT")
                while (await connection.execute(processes.TRY_LOCK, {"key": LOCK})).scalar():
                    await self.round()
                    await asyncio.sleep(self.interval)
            await asyncio.sleep(self.interval)

    async def round(self) -> int:
        """Look once, and wake what needs it. Returns the number of processes woken."""
        self.gauges.sweeps.inc()
        found = await self._look()
        now = self.clock()
        self.watched = {finding.id: self.watched[finding.id] for finding in found if finding.id in self.watched}
        woken = 0
        for finding in found:
            watch = self.watched.get(finding.id)
            if woken >= MOST_WAKES or (watch and watch.again_at > now):
                continue
            tries = watch.tries + 1 if watch else 1
            pause = min(LONGEST_PAUSE, timedelta(seconds=self.interval) * 2**tries)
            self.watched[finding.id] = Watch(tries, now + pause)
            if watch:
                await self.processes.mend(finding.kind, finding.id, finding.tenant_id)
            await self.processes.wake(finding.kind, finding.id, finding.tenant_id)
            self.gauges.wakes.labels(finding.reason).inc()
            woken += 1
        self._alarm(found, now)
        await self._mend()
        self.rounds += 1
        if self.rounds % SWEEP_EVERY == 0:
            await self._sweep()
        return woken

    async def everything(self, *, wake_all: bool) -> int:
        """Once through all that is open, for `summit reconcile`: revive what is lost, wake what is late (or all). Returns how many."""
        woken = await self.round()
        after = START
        while True:
            async with self.engine.begin() as connection:
                rows = await processes.still_open(connection, after, datetime.now(UTC), MOST_WAKES)
            for row in rows:
                if wake_all or await self._lost(row["workflow_id"]):
                    await self.processes.wake(row["kind"], row["id"], row["tenant_id"])
                    woken += 1
            if len(rows) < MOST_WAKES:
                return woken
            after = rows[-1]["id"]

    async def _mend(self) -> None:
        """Replace the runs that no worker can replay, whether or not something is due in them."""
        async for execution in self.client.list_workflows(FAILING, page_size=MOST_WAKES, limit=MOST_WAKES):
            kind, process_id = process_of(execution.id)
            tenant = execution.typed_search_attributes.get(SUP_TENANT)
            if tenant and kind in processes.HISTORIES:
                await self.processes.mend(kind, process_id, UUID(tenant))

    async def _look(self) -> list[Finding]:
        now = self.clock()
        async with self.engine.begin() as connection:
            overdue = await processes.overdue(connection, now - OVERDUE_AFTER, 10 * MOST_WAKES)
            unconfirmed = await processes.unconfirmed(
                connection, datetime.now(UTC) - UNCONFIRMED_AFTER, 10 * MOST_WAKES
            )
        self.gauges.overdue.set(len(overdue))
        self.gauges.unconfirmed.set(len(unconfirmed))
        findings = {row["id"]: finding(row, "unconfirmed") for row in unconfirmed}
        return list((findings | {row["id"]: finding(row, "overdue") for row in overdue}).values())

    def _alarm(self, found: list[Finding], now: datetime) -> None:
        stubborn = [finding for finding in found if self.watched.get(finding.id, Watch(0, now)).tries > 2]
        if stubborn and (self.alarmed_at is None or now - self.alarmed_at >= ALARM_EVERY):
            self.alarmed_at = now
            kinds = sorted({f"{finding.kind}:{finding.reason}" for finding in stubborn})
            log.error("promises_not_kept", processes=len(stubborn), kinds=kinds, example=str(stubborn[0].id))

    async def _sweep(self) -> None:
        """A page of rows whose workflow may be gone, and a page of workflows whose row may never have been written."""
        rested = datetime.now(UTC) - ORPHANED_AFTER
        async with self.engine.begin() as connection:
            rows = await processes.still_open(connection, self.swept, rested, SWEEP_PAGE)
        self.swept = rows[-1]["id"] if len(rows) == SWEEP_PAGE else START
        for row in rows:
            if await self._lost(row["workflow_id"]):
                await self.processes.wake(row["kind"], row["id"], row["tenant_id"])
                self.gauges.wakes.labels("lost").inc()
        page = await self._running_page()
        async with self.engine.begin() as connection:
            known = await processes.known(connection, [execution.id for execution in page])
        for execution in page:
            if execution.id not in known and execution.start_time < rested:
                await self.client.get_workflow_handle(execution.id).signal("wake", rpc_timeout=timedelta(seconds=2))
                self.gauges.wakes.labels("rowless").inc()
                log.warning("workflow_without_row", workflow_id=execution.id)

    async def _lost(self, workflow_id: str) -> bool:
        try:
            description = await self.client.get_workflow_handle(workflow_id).describe(rpc_timeout=timedelta(seconds=2))
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return True
            raise
        if description.status is WorkflowExecutionStatus.COMPLETED:
            log.error("process_ahead_of_postgres", workflow_id=workflow_id)
            return False
        return description.status is not WorkflowExecutionStatus.RUNNING

    async def _running_page(self) -> list[WorkflowExecution]:
        if self.running is None:
            self.running = self.client.list_workflows(RUNNING, page_size=SWEEP_PAGE)
        page: list[WorkflowExecution] = []
        async for execution in self.running:
            page.append(execution)
            if len(page) == SWEEP_PAGE:
                return page
        self.running = None
        return page


def finding(row: dict[str, Any], reason: str) -> Finding:
    """A row of the auditor's questions."""
    return Finding(row["id"], row["tenant_id"], row["kind"], reason)
