"""The applications that tests of the API share."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import psycopg
import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from cli.demo import DemoSeed
from db import decisions
from db.connections import decision_pool
from runtime import logs
from runtime.settings import APP_ROLE, PostgresSettings
from tests import stack
from tests.api.exempt import Rows
from tests.api.front import Front, front, seeded
from tests.stack import Database
from worker import make_worker


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def seed(postgres: Database) -> DemoSeed:
    """The demo's tenants, people and accounts."""
    return await seeded(postgres)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def api(postgres: Database, seed: DemoSeed) -> AsyncIterator[Front]:
    """The API without Temporal."""
    logs.configure("error", "api")
    async with front(postgres.app, seed) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playground(postgres_superuser: PostgresSettings, temporal_env: WorkflowEnvironment) -> AsyncIterator[Front]:
    """A whole installation whose data other tests do not see: here anything may be changed."""
    logs.configure("error", "api")
    async with stack.database(postgres_superuser, "summit_playground") as database:
        seed = await seeded(database)
        pool = decision_pool(database.app.conninfo(APP_ROLE), 4)
        async with pool, front(database.app, seed, temporal_env.client, task_queue="playground") as running:
            worker = make_worker(
                temporal_env.client, decisions.Database(pool), running.settings, graceful_shutdown_timeout=timedelta(0)
            )
            async with worker:
                yield running


@pytest.fixture
def rows(postgres: Database, seed: DemoSeed) -> Iterator[Rows]:
    """Rows of two tenants, gone after the test."""
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        yield Rows(connection, seed.tenant_id, seed.other_tenant_id)
        connection.rollback()
