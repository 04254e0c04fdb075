"""An API with a provider of its own: one for a file, or one for a test."""

from collections.abc import AsyncIterator

import pytest_asyncio

from cli.demo import DemoSeed
from tests.api.issuer import (
    House,
    house,
)
from tests.stack import Database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def home(postgres: Database, seed: DemoSeed) -> AsyncIterator[House]:
    """An API with an issuer that answers; nobody new gets in."""
    async with house(postgres.app, seed) as running, running.issuer.open():
        yield running


@pytest_asyncio.fixture
async def fresh(postgres: Database, seed: DemoSeed) -> AsyncIterator[House]:
    """An API that has asked nothing yet, and an issuer that is away until it opens."""
    async with house(postgres.app, seed) as running:
        yield running
