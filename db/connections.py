"""The worker's connection pool, tuned to come back quickly after Postgres was away."""

from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

WAIT: Final = 2.5
"""Seconds that a decision waits for a connection; less than one attempt lasts."""


def outbox_pool(conninfo: str, size: int) -> AsyncConnectionPool[AsyncConnection[DictRow]]:
    """The dispatcher's pool, not yet open: a single statement is its own transaction, which spares two round trips."""
    return decision_pool(conninfo, size, "outbox", autocommit=True)


def decision_pool(
    conninfo: str, size: int, name: str = "decisions", *, autocommit: bool = False
) -> AsyncConnectionPool[AsyncConnection[DictRow]]:
    """A pool that is not yet open. Once Postgres is gone, reconnecting starts anew with each caller instead of backing off for minutes."""
    return AsyncConnectionPool(
        conninfo,
        connection_class=AsyncConnection[DictRow],
        kwargs={
            "row_factory": dict_row,
            "autocommit": autocommit,
            "connect_timeout": 3,
            "prepare_threshold": 2,
            "application_name": "summit-worker",
        },
        min_size=min(4, size),
        max_size=size,
        timeout=WAIT,
        reconnect_timeout=2.0,
        max_idle=300.0,
        open=False,
        name=name,
    )
