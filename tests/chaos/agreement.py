"""Whether the workflows and the database tell the same, and how long that takes after a crash."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from psycopg import OperationalError
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError

from domain.ids import workflow_id
from domain.protocol import STATE_QUERY, Snapshot
from tests.chaos.installation import Installation

WITHIN: Final = 30.0
"""Seconds after a restart within which everything must agree, without a human."""

QUERIES_AT_ONCE: Final = 8

TOUCHED: Final = "select id from processes where kind = 'ticket' and touched_at >= %s"
RECORDED: Final = """
select p.id, p.revision, p.confirmed_revision, t.status, t.version, h.snapshot->'state' as state
from processes p
left join support_tickets t on t.id = p.id
left join lateral (select * from ticket_history h where h.process_id = p.id order by h.revision desc limit 1) h on true
where p.id = any(%s::uuid[])
"""
RUNNING: Final = "ExecutionStatus = 'Running' AND WorkflowType = 'ticket'"
KNOWN: Final = "select workflow_id from processes where workflow_id = any(%s)"


async def clock(installation: Installation) -> datetime:
    """The database's time."""
    instant: datetime = (await installation.rows("select clock_timestamp() as at"))[0]["at"]
    return instant


async def touched(installation: Installation, since: datetime) -> list[str]:
    """The tickets that changed since then."""
    return [str(row["id"]) for row in await installation.rows(TOUCHED, since)]


async def settle(
    installation: Installation, client: Client, tickets: Sequence[str], within: float = WITHIN
) -> tuple[float, list[str]]:
    """Wait until every ticket's workflow and rows agree. Returns the seconds it took and what still differs after `within`."""
    begun, differing = time.monotonic(), list(tickets)
    while True:
        differences = await compare(installation, client, differing)
        orphans = await rowless(installation, client)
        seconds = time.monotonic() - begun
        if not differences and not orphans:
            return seconds, []
        if seconds > within:
            return seconds, [*differences.values(), *(f"{orphan} has no row" for orphan in orphans)]
        differing = list(differences)
        await asyncio.sleep(0.5)


async def compare(installation: Installation, client: Client, tickets: Sequence[str]) -> dict[str, str]:
    """The tickets whose workflow, process row, newest history row and projection differ now, each with how."""
    gate = asyncio.Semaphore(QUERIES_AT_ONCE)
    try:
        rows = {str(row["id"]): row for row in await installation.rows(RECORDED, list(tickets))}
    except OperationalError as error:
        return dict.fromkeys(tickets, f"Postgres: {error}")

    async def one(ticket: str) -> str | None:
        row = rows.get(ticket)
        if row is None:
            return f"{ticket}: no row"
        async with gate:
            try:
                handle = client.get_workflow_handle(workflow_id("ticket", row["id"]))
                snapshot = await handle.query(STATE_QUERY, result_type=Snapshot, rpc_timeout=timedelta(seconds=5))
            except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
                return f"{ticket}: {type(error).__name__} {error}"
        ours = (snapshot.revision, snapshot.state)
        if ours != (row["revision"], row["state"]):
            return f"{ticket}: the workflow is at revision {snapshot.revision}, Postgres at {row['revision']}"
        if row["confirmed_revision"] != row["revision"]:
            return f"{ticket}: confirmed up to {row['confirmed_revision']} of {row['revision']}"
        if (row["status"], row["version"]) != (row["state"]["status"], row["state"]["version"]):
            return (
                f"{ticket}: the projection says {row['status']} v{row['version']}, the history {row['state']['status']}"
            )
        return None

    found = await asyncio.gather(*(one(ticket) for ticket in tickets))
    return {ticket: difference for ticket, difference in zip(tickets, found, strict=True) if difference}


async def rowless(installation: Installation, client: Client) -> list[str]:
    """Running tickets that the database has never heard of."""
    try:
        running = [execution.id async for execution in client.list_workflows(RUNNING)]
        known = {row["workflow_id"] for row in await installation.rows(KNOWN, running)}
    except (RPCError, OperationalError) as error:
        return [f"unknown ({error})"]
    return [workflow for workflow in running if workflow not in known]
