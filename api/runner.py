"""Runs jobs in the background of an API process: one at a time, leased, so that another process goes on where a dead one stopped."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID, uuid4

import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncEngine

from api.errors import is_transient
from api.loops import surviving
from db import jobs
from db.engine import tenant_transaction
from domain.jobs import Job, JobFailed, JobState, Kinds, Page

log = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 15.0
"""So long does the job of a killed process wait for another one."""

SLICE_SECONDS: Final = 30.0
"""A job that can go on later makes room for others after so long."""

MOST_ATTEMPTS: Final = 20
LONGEST_PAUSE: Final = 300.0

AWAY: Final = "What the job leans on was away for too long, or broke off at the same place again and again."
BROKEN: Final = "Something went wrong here; the job's id leads us to the cause."


class LeaseLost(Exception):
    """Somebody else has it by now."""


class JobCounts:
    """What runners tell Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ended = Counter("summit_jobs_ended_total", "Jobs that ended", ("kind", "state"), registry=registry)


@dataclass
class Runner:
    """Looks for a job of the kinds that it knows every `interval` seconds; kinds that it does not know it leaves to others."""

    engine: AsyncEngine
    kinds: Kinds
    counts: JobCounts
    interval: float
    lease_seconds: float = LEASE_SECONDS
    slice_seconds: float = SLICE_SECONDS

    async def run(self) -> None:
        """Run jobs until cancelled, whatever is away meanwhile."""
        while True:
            async with surviving("runner"):
                while await self.round():
                    pass
            await asyncio.sleep(self.interval)

    async def round(self) -> bool:
        """Run one job, or a slice of it; False when there is none."""
        lease_id = uuid4()
        async with self.engine.begin() as connection:
            row = await jobs.lease(connection, list(self.kinds), lease_id, self.lease_seconds)
        if row is None:
            return False
        job = Job.model_validate(dict(row))
        try:
            async with self._kept(job, lease_id):
                await self._work(job, lease_id)
        except LeaseLost:
            log.warning("job_lost", job_id=str(job.id), tenant_id=str(job.tenant_id))
        except asyncio.CancelledError:
            await self._put_back(
                job, lease_id, 0.0
            )  # this process goes; another one need not wait for the lease to end
            raise
        except JobFailed as error:
            await self._end(job, lease_id, JobState.FAILED, error.detail)
        except Exception as error:
            if is_transient(error) and job.attempts < MOST_ATTEMPTS:
                log.warning("job_hindered", job_id=str(job.id), kind=job.kind, error=type(error).__name__)
                await self._put_back(job, lease_id, min(2.0**job.attempts, LONGEST_PAUSE))
            else:
                log.exception("job_broken", job_id=str(job.id), tenant_id=str(job.tenant_id), kind=job.kind)
                await self._end(job, lease_id, JobState.FAILED, AWAY if is_transient(error) else BROKEN)
        return True

    async def _work(self, job: Job, lease_id: UUID) -> None:
        if job.attempts > MOST_ATTEMPTS:
            raise JobFailed(AWAY)
        begun = time.monotonic()
        async with aclosing(self.kinds[job.kind](job)) as pages:
            async for page in pages:
                await self._record(job, lease_id, page)
                if page.cursor is not None and time.monotonic() - begun > self.slice_seconds:
                    return await self._put_back(job, lease_id, 0.0)
        return await self._end(job, lease_id, JobState.DONE)

    async def _record(self, job: Job, lease_id: UUID, page: Page) -> None:
        async with tenant_transaction(self.engine, job.tenant_id) as connection:
            if not await jobs.record(connection, job.id, lease_id, page, self.lease_seconds):
                raise LeaseLost

    async def _put_back(self, job: Job, lease_id: UUID, seconds: float) -> None:
        async with tenant_transaction(self.engine, job.tenant_id) as connection:
            await jobs.put_back(connection, job.id, lease_id, seconds)

    async def _end(self, job: Job, lease_id: UUID, state: JobState, error: str | None = None) -> None:
        result = {"error": error} if error else None
        async with tenant_transaction(self.engine, job.tenant_id) as connection:
            if await jobs.finish(connection, job.id, lease_id, state, result):
                self.counts.ended.labels(job.kind, state.value).inc()

    @asynccontextmanager
    async def _kept(self, job: Job, lease_id: UUID) -> AsyncIterator[None]:
        """Renew the lease while a page takes its time; once it is lost, the page is cancelled."""
        worker = cast("asyncio.Task[None]", asyncio.current_task())
        lost = False

        async def renew() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(self.lease_seconds / 3)
                async with surviving("job_lease"), tenant_transaction(self.engine, job.tenant_id) as connection:
                    if not await jobs.renew(connection, job.id, lease_id, self.lease_seconds):
                        lost = True
                        worker.cancel()
                        return

        keeper = asyncio.create_task(renew())
        try:
            yield
        except asyncio.CancelledError:
            if lost and worker.uncancel() == 0:
                raise LeaseLost from None
            raise
        finally:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
