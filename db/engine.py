"""The database as the API sees it: a pool under the application's role, and transactions that know their tenant."""

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from runtime.settings import APP_ROLE, Settings

SET_TENANT: Final = text("select set_config('summit.tenant', :tenant, true)")

CONNECT_SECONDS: Final = 3
POOL_SECONDS: Final = 3


def make_engine(settings: Settings) -> AsyncEngine:
    """The pool of one process. No statement outlasts the budget of a request, nor does the wait for a connection."""
    milliseconds = int(settings.request_budget_seconds * 1000)
    limits = {
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        "idle_in_transaction_session_timeout": 2 * milliseconds,
    }
    options = " ".join(f"-c {name}={value}" for name, value in {"role": APP_ROLE, **limits}.items())
    url = make_url(settings.postgres.sqlalchemy_url()).update_query_dict({"options": options})
    engine = create_async_engine(
        url,
        pool_size=settings.db_pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        connect_args={
            "application_name": "summit",
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": milliseconds,
            "keepalives_idle": 10,
        },
    )
    event.listen(engine.sync_engine, "checkout", refuse_dead_connection)
    return engine


def refuse_dead_connection(connection: Any, record: Any, proxy: Any) -> None:
    """Make the pool reconnect when the server has hung up: an idle socket that can be read holds its farewell.

    Costs no round trip, as a ping would; without it pooled connections fail requests after a restart of Postgres.
    """
    descriptor = connection.driver_connection.fileno()
    poller = select.poll()
    poller.register(descriptor, select.POLLIN | select.POLLHUP | select.POLLERR)
    if poller.poll(0):
        raise DisconnectionError("the server has closed this connection")


@asynccontextmanager
async def tenant_transaction(engine: AsyncEngine, tenant_id: UUID) -> AsyncIterator[AsyncConnection]:
    """One transaction that sees and writes the rows of one tenant; commits at the end, rolls back on an exception."""
    async with engine.begin() as connection:
        await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
        yield connection
