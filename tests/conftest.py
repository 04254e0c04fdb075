"""Servers shared by a whole test session, each made when the first test asks for it."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from runtime.settings import PostgresSettings
from tests import stack

stack.forget_running_system()

STACK_FIXTURES = frozenset({"postgres", "postgres_superuser", "temporal_env", "summit"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs servers, so that `make check` can leave it to `make test`."""
    for item in items:
        if STACK_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.stack)


def pytest_sessionfinish() -> None:
    """Let the Temporal SDK's threads end: they can abort an interpreter that is going away, after all tests passed."""
    time.sleep(0.5)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_superuser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PostgresSettings]:
    """A Postgres server of this session; the settings are a superuser's."""
    async with stack.postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(postgres_superuser: PostgresSettings) -> AsyncIterator[stack.Database]:
    """A migrated database: `.owner` and `.app` are the settings of the two roles."""
    async with stack.database(postgres_superuser, "summit_test") as database:
        yield database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal_env() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server with time skipping; move a clock with `tests.stack.fast_forward`."""
    async with stack.time_skipping_environment() as environment:
        yield environment


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def summit(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Any]]:
    """A whole installation as `make up` starts it; the value is its stack.json."""
    directory: Path = tmp_path_factory.mktemp("summit")
    async with stack.supervised_stack(directory) as content:
        yield content
