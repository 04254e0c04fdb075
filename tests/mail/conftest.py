"""One post office for all tests of mail that comes in."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from db import decisions
from db.connections import decision_pool
from runtime import logs
from runtime.embedded.ports import free_port
from runtime.settings import APP_ROLE, PostgresSettings
from tests import stack
from tests.api.front import front, seeded
from tests.mail.postoffice import PostOffice
from worker import make_worker

AUTHORITY = "mx.summit.example"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def post(postgres_superuser: PostgresSettings, temporal_env: WorkflowEnvironment) -> AsyncIterator[PostOffice]:
    """A whole installation with a mail server in front of it, whose word on senders counts."""
    logs.configure("error", "api")
    async with stack.database(postgres_superuser, "summit_post") as database:
        seed = await seeded(database)
        pool = decision_pool(database.app.conninfo(APP_ROLE), 4)
        port = free_port()
        taking = {"mail_listen": f"127.0.0.1:{port}", "mail_max_bytes": 2_000_000, "mail_authserv": AUTHORITY}
        rules = {"max_file_bytes": 1_000_000, "db_pool_size": 8}
        async with (
            pool,
            front(database.app, seed, temporal_env.client, task_queue="post", **taking, **rules) as running,
            make_worker(
                temporal_env.client, decisions.Database(pool), running.settings, graceful_shutdown_timeout=timedelta(0)
            ),
        ):
            yield PostOffice(running, database, port)
