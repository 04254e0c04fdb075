"""One application with one worker for all tests of tickets over HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from cli.demo import DemoSeed
from db.connections import decision_pool
from db.decisions import Database
from runtime import logs
from runtime.settings import APP_ROLE
from tests import stack
from tests.api.front import front
from tests.api.tickets.office import Office
from worker import make_worker


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(postgres: stack.Database, seed: DemoSeed, temporal_env: WorkflowEnvironment) -> AsyncIterator[Office]:
    """The API with everything behind it."""
    logs.configure("error", "api")
    pool = decision_pool(postgres.app.conninfo(APP_ROLE), 4)
    async with pool, front(postgres.app, seed, temporal_env.client, task_queue="office", sandbox=True) as running:
        worker = make_worker(
            temporal_env.client, Database(pool), running.settings, graceful_shutdown_timeout=timedelta(0)
        )
        async with worker:
            yield Office(running, postgres, temporal_env)
