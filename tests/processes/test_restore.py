"""A restored Postgres is told again by Temporal's histories: every row comes back, to the byte."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.areas import AREAS
from activities.restore import read, restore
from api.confirmations import Confirmations
from api.processes import Processes
from api.ticket_kind import TICKET
from db.connections import decision_pool
from db.decisions import Database
from db.engine import make_engine
from domain.identity import SYSTEM, Actor, Role
from domain.protocol import Message
from domain.tickets.commands import (
    AddComment,
    ChangeTicket,
    CreateTicket,
    ImportComments,
    ImportedComment,
    ImportTicket,
)
from domain.tickets.model import Status
from runtime.settings import APP_ROLE, PostgresSettings, Settings
from tests import stack
from worker import make_worker

AGENT = Actor(role=Role.AGENT, name="Agent", email="agent@desk.example.com")
CUSTOMER = Actor(role=Role.CUSTOMER, name="Customer", email="customer@example.com")

TABLES = {
    "processes": {"confirmed_revision", "touched_at"},
    "deadlines": {"id"},
    "notifications": {"created_at", "not_before", "delivered_at"},
    "support_tickets": set(),
    "ticket_comments": set(),
    "ticket_search": set(),
    "ticket_tags": set(),
    "ticket_history": set(),
}
"""What a restoration brings back, without what only says when or where a row was written."""


async def test_everything_decided_since_the_backup_comes_back(
    postgres_superuser: PostgresSettings, temporal_env: WorkflowEnvironment
) -> None:
    async with stack.database(postgres_superuser, "restore_test") as database:
        settings = Settings(postgres=database.app, task_queue=f"restore-{uuid4()}", sandbox=True)
        tenant = await add_tenant(database.owner)
        async with running(temporal_env.client, settings) as processes:
            old, closed = await create(processes, tenant), await create(processes, tenant)
            await say(processes, tenant, old, "before the backup")
        await copy(postgres_superuser, "restore_test", "restore_backup")
        async with running(temporal_env.client, settings) as processes:
            await say(processes, tenant, old, "after the backup", status=Status.PENDING_CUSTOMER)
            await say(processes, tenant, old, "an answer", actor=CUSTOMER)
            await change(processes, tenant, closed, ChangeTicket(status=Status.RESOLVED, subject="Another subject"))
            await change(processes, tenant, closed, ChangeTicket(status=Status.CLOSED))
            taken = await take_over(processes, tenant)
            young = await create(
                processes, tenant, description="x" * 10_000, follow_up_of=closed, opening="Still broken"
            )
        lost = await rows(database.owner)
        await replace(postgres_superuser, "restore_test", "restore_backup")
        assert await rows(database.owner) != lost

        mended = await tell_again(temporal_env.client, database.owner, [old, closed, young, taken])

        assert mended == 7  # two on the old ticket, two on the closed one, two of the imported one, and the young one
        assert await rows(database.owner) == lost
        assert await tell_again(temporal_env.client, database.owner, [old, closed, young, taken]) == 0
        async with running(temporal_env.client, settings) as processes:
            await say(processes, tenant, young, "life goes on")


@asynccontextmanager
async def running(client: Client, settings: Settings) -> AsyncIterator[Processes]:
    """A worker, and the API's way to it."""
    engine = make_engine(settings)
    pool = decision_pool(settings.postgres.conninfo(APP_ROLE), 4)
    async with pool, make_worker(client, Database(pool), settings):
        yield Processes(client, engine, settings.task_queue, 8.0, Confirmations(engine))
    await engine.dispose()


async def take_over(processes: Processes, tenant: UUID) -> UUID:
    """A closed ticket of another desk, in two pieces."""
    at, process_id = datetime(2020, 1, 1, tzinfo=UTC), uuid4()
    asked = {"external_ref": "csv:1", "customer_email": CUSTOMER.email, "subject": "Old", "description": "Very old."}
    one, other = (
        ImportedComment(comment_id=uuid4(), body=f"word{n}", author_name="A", author_role=Role.AGENT, at=at)
        for n in (1, 2)
    )
    first = ImportTicket(**asked, status=Status.CLOSED, created_at=at, comments=(one,), incomplete=True)
    await processes.create(TICKET, process_id, message(tenant, first, SYSTEM))
    last = message(tenant, ImportComments(comments=(other,), last=True), SYSTEM)
    await processes.update(TICKET, process_id, "import_comments", last)
    return process_id


async def create(processes: Processes, tenant: UUID, **fields: Any) -> UUID:
    given = {"customer_email": CUSTOMER.email, "subject": "Printer", "description": "It is on fire."} | fields
    process_id = uuid4()
    await processes.create(TICKET, process_id, message(tenant, CreateTicket(**given), AGENT))
    return process_id


async def say(processes: Processes, tenant: UUID, ticket: UUID, body: str, actor: Actor = AGENT, **fields: Any) -> None:
    command = AddComment(comment_id=uuid4(), body=body, **fields)
    await processes.update(TICKET, ticket, "comment", message(tenant, command, actor))


async def change(processes: Processes, tenant: UUID, ticket: UUID, command: ChangeTicket) -> None:
    await processes.update(TICKET, ticket, "change", message(tenant, command, AGENT))


def message(tenant: UUID, command: Any, actor: Actor) -> Message[Any]:
    return Message[Any](tenant_id=tenant, command=command, command_id=str(uuid4()), fingerprint="f", actor=actor)


async def tell_again(client: Client, owner: PostgresSettings, tickets: list[UUID]) -> int:
    written = 0
    async with decision_pool(owner.conninfo(), 2) as pool:
        for ticket in tickets:
            workflow_id = f"ticket/{ticket}"
            run_id = (await client.get_workflow_handle(workflow_id).describe()).run_id
            told = await read(client, workflow_id, [run_id])
            written += await restore(pool, AREAS["ticket"], workflow_id, told)
    return written


async def add_tenant(owner: PostgresSettings) -> UUID:
    async with await psycopg.AsyncConnection.connect(owner.conninfo(), autocommit=True) as connection:
        found = await connection.execute(
            "insert into tenants (slug, name) values ('restored', 'Restored') returning id"
        )
        row = await found.fetchone()
        assert row
        tenant: UUID = row[0]
        return tenant


async def copy(server: PostgresSettings, source: str, target: str) -> None:
    """A backup: the whole database as it is now."""
    async with await psycopg.AsyncConnection.connect(server.conninfo(), autocommit=True) as connection:
        names = {"source": sql.Identifier(source), "target": sql.Identifier(target)}
        await connection.execute(sql.SQL("drop database if exists {target} with (force)").format(**names))
        await connection.execute(sql.SQL("create database {target} template {source}").format(**names))


async def replace(server: PostgresSettings, target: str, source: str) -> None:
    """Restore a backup in place of the database."""
    await copy(server, source, target)
    async with await psycopg.AsyncConnection.connect(server.conninfo(), autocommit=True) as connection:
        await connection.execute(sql.SQL("drop database {}").format(sql.Identifier(source)))


async def rows(owner: PostgresSettings) -> dict[str, list[dict[str, Any]]]:
    """Everything that a restoration brings back."""
    result = {}
    async with await psycopg.AsyncConnection.connect(owner.conninfo(), row_factory=dict_row) as connection:
        for table, passing in TABLES.items():
            found = await connection.execute(sql.SQL("select * from {}").format(sql.Identifier(table)))
            kept = [
                {name: value for name, value in row.items() if name not in passing} for row in await found.fetchall()
            ]
            result[table] = sorted(kept, key=str)
    return result
