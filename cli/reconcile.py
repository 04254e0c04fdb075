"""`summit reconcile`: makes Postgres and Temporal agree, after a restore of Postgres or when the auditor cannot."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime
from typing import Annotated

import psycopg
import typer
from prometheus_client import CollectorRegistry
from psycopg_pool import AsyncConnectionPool
from temporalio.client import Client

from activities.areas import AREAS
from activities.restore import read, restore
from api.auditor import Auditor, Gauges
from api.confirmations import Confirmations
from api.processes import Processes
from db.connections import decision_pool
from db.decisions import Connection
from db.engine import make_engine
from db.restore import NUMBERS, TENANTS
from runtime.settings import Settings
from runtime.temporal import connect

AfterRestore = Annotated[
    bool, typer.Option("--after-restore", help="Postgres was restored from a backup; API and worker are stopped.")
]


def reconcile(after_restore: AfterRestore = False) -> None:
    """Mend what differs between Postgres and Temporal. Reads POSTGRES_* (the owner's, with --after-restore) and TEMPORAL_*."""
    asyncio.run(reconciled(Settings(), after_restore))


async def reconciled(settings: Settings, after_restore: bool) -> None:
    """Do it, and say what was done."""
    client = await connect(settings)
    if after_restore:
        async with decision_pool(settings.postgres.conninfo(), 4) as pool:
            processes, decisions = await tell_again(client, pool)
            async with pool.connection() as connection:
                for tenant in await (await connection.execute(TENANTS.text)).fetchall():
                    await connection.execute(NUMBERS.text, {"tenant": tenant["id"]})
        typer.echo(f"Restored {decisions} decisions of {processes} processes from Temporal's histories.")
    engine = make_engine(settings)
    try:
        reach = Processes(client, engine, settings.task_queue, settings.request_budget_seconds, Confirmations(engine))
        auditor = Auditor(engine, client, reach, Gauges(CollectorRegistry()), interval=1.0)
        woken = await auditor.everything(wake_all=after_restore)
    finally:
        await engine.dispose()
    typer.echo(f"Woke {woken} processes at {datetime.now(UTC):%H:%M:%S}Z.")


async def tell_again(client: Client, pool: AsyncConnectionPool[Connection]) -> tuple[int, int]:
    """Go through every workflow, closed ones too, and write what Postgres lacks. Returns processes mended and decisions written.

    The oldest process goes first, because later ones refer to it. One that refers to a record which the backup lacks cannot be
    restored; it is named, and the others go on.
    """
    processes = decisions = 0
    runs: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    async for execution in client.list_workflows("SupEntity IS NOT NULL"):
        runs[execution.id].append((execution.start_time, execution.run_id))
    for workflow_id, found in sorted(runs.items(), key=lambda entry: min(entry[1])):
        area = AREAS[workflow_id.partition("/")[0]]
        told = await read(client, workflow_id, [run_id for _, run_id in sorted(found)])
        try:
            written = await restore(pool, area, workflow_id, told)
        except psycopg.IntegrityError as error:
            reason = "it refers to a lost record, or collides with a newer one"
            typer.echo(f"{workflow_id} cannot be restored ({error.diag.constraint_name}): {reason}.", err=True)
            continue
        processes += written > 0
        decisions += written
    return processes, decisions


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command("reconcile")(reconcile)
