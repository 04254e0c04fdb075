"""One application for all tests of the API."""

from collections.abc import AsyncIterator

import pytest_asyncio

from cli.demo import DemoSeed
from runtime import logs
from tests.api.front import Front, front, seeded
from tests.stack import Database


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
