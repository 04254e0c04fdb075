"""One database and one worker for all processes under test, and a tenant of its own for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from runtime import logs
from runtime.settings import PostgresSettings
from tests import stack
from tests.processes.desk import Backstage, Desk, backstage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(postgres_superuser: PostgresSettings, temporal_env: WorkflowEnvironment) -> AsyncIterator[Backstage]:
    """A database that no auditor watches, and a worker in the sandbox."""
    logs.configure("error", "worker")
    async with (
        stack.database(postgres_superuser, "summit_processes") as database,
        backstage(database, temporal_env) as ready,
    ):
        yield ready


@pytest_asyncio.fixture(loop_scope="session")
async def desk(stage: Backstage) -> Desk:
    """A tenant with an agent, a lead, a customer and a team."""
    return await stage.desk()


@pytest_asyncio.fixture(loop_scope="session")
async def promising(stage: Backstage) -> Desk:
    """The same, with the promises and rules that every tenant begins with."""
    return await stage.desk(promises=True)
