"""A help desk for tests of processes: tickets with keyword defaults, clocks to move, rows to look at."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.tickets import TicketActivities
from api.confirmations import Confirmations
from api.processes import Processes
from api.ticket_kind import TICKET
from db.connections import decision_pool
from db.decisions import Database
from db.engine import make_engine
from domain.identity import SYSTEM, Actor, Role
from domain.ids import workflow_id
from domain.process import Command
from domain.protocol import STATE_QUERY, WAKE_SIGNAL, Message, Receipt, Snapshot
from domain.tickets.commands import (
    Absorb,
    AddComment,
    AdjustClock,
    ApplyMacro,
    Assign,
    ChangeTicket,
    CreateTicket,
    ImportComments,
    ImportTicket,
    Merge,
    Reapply,
    Relate,
)
from domain.tickets.model import Status, Ticket
from runtime.settings import APP_ROLE, Settings
from tests import stack
from worker import make_worker

HANDLERS = {
    CreateTicket: "create",
    ChangeTicket: "change",
    AddComment: "comment",
    AdjustClock: "clock",
    ImportComments: "import_comments",
    Reapply: "reapply",
    ApplyMacro: "macro",
    Merge: "merge",
    Absorb: "absorb",
    Relate: "relate",
    Assign: "assign",
}

PEOPLE = {"agent": Role.AGENT, "lead": Role.LEAD, "customer": Role.CUSTOMER}


@dataclass(frozen=True)
class Backstage:
    """What all desks share: the servers, the worker's database, and the API's way to processes."""

    servers: stack.Database
    environment: WorkflowEnvironment
    settings: Settings
    database: Database
    processes: Processes
    confirmations: Confirmations

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds, as the owner of the database sees it."""
        async with await psycopg.AsyncConnection.connect(
            self.servers.owner.conninfo(), row_factory=dict_row, autocommit=True
        ) as connection:
            cursor = await connection.execute(query, values)
            return await cursor.fetchall() if cursor.description else []

    async def desk(self, *, promises: bool = False) -> "Desk":
        """A new tenant with its people; it makes no promises about time unless asked to."""
        slug = f"desk-{uuid.uuid4().hex[:12]}"
        [tenant] = await self.rows("insert into tenants (slug, name) values (%s, %s) returning id", slug, slug)
        if not promises:
            for table in ("sla_definitions", "escalation_rules"):
                await self.rows(f"update {table} set active = false where tenant_id = %s", tenant["id"])
        people = {}
        for name, role in PEOPLE.items():
            email = f"{name}@{slug}.example"
            [user] = await self.rows(
                "insert into users (tenant_id, email, name, role) values (%s, %s, %s, %s) returning id",
                *(tenant["id"], email, name.title(), role.value),
            )
            people[name] = Actor(id=user["id"], role=role, name=name.title(), email=email)
        return Desk(self, tenant["id"], people)

    def worker(self, **options: Any) -> Worker:
        """A worker of Summit; `options` override what `make_worker` chose."""
        return make_worker(self.environment.client, self.database, self.settings, **options)


@asynccontextmanager
async def backstage(
    servers: stack.Database, environment: WorkflowEnvironment, **options: Any
) -> AsyncIterator[Backstage]:
    """The servers with a worker at work on a task queue of its own."""
    async with deserted(servers, environment) as ready, ready.worker(graceful_shutdown_timeout=timedelta(0), **options):
        yield ready


@asynccontextmanager
async def deserted(servers: stack.Database, environment: WorkflowEnvironment) -> AsyncIterator[Backstage]:
    """The servers with a task queue on which nobody works yet."""
    settings = Settings(sandbox=True, task_queue=f"desk-{uuid.uuid4().hex[:8]}", postgres=servers.app, db_pool_size=8)
    engine = make_engine(settings)
    confirmations = Confirmations(engine)
    processes = Processes(
        environment.client, engine, settings.task_queue, settings.request_budget_seconds, confirmations
    )
    pool = decision_pool(servers.app.conninfo(APP_ROLE), settings.db_pool_size)
    async with pool:
        ready = Backstage(servers, environment, settings, Database(pool), processes, confirmations)
        try:
            yield ready
        finally:
            await engine.dispose()


@dataclass(frozen=True)
class Desk:
    """One tenant at work."""

    stage: Backstage
    tenant_id: UUID
    people: dict[str, Actor]

    def message(
        self,
        command: Command,
        by: str = "agent",
        *,
        key: str | None = None,
        body: str | None = None,
        received_at: datetime | None = None,
    ) -> Message[Any]:
        """A command on its way; `key` makes it the repeat of an earlier one, `body` stands for the request's body."""
        return Message[Any](
            tenant_id=self.tenant_id,
            command=command,
            command_id=key or uuid.uuid4().hex,
            fingerprint=body if body is not None else command.model_dump_json(),
            actor=self.people[by],
            received_at=received_at,
        )

    def draft(self, *, by: str = "agent", key: str | None = None, **fields: Any) -> "OneTicket":
        """A ticket that has yet to be created."""
        given = {
            "customer_email": self.people["customer"].email,
            "subject": "No dashboard",
            "description": "It answers 403.",
            "channel": "PORTAL",
        }
        message = self.message(CreateTicket.model_validate(given | fields), by, key=key)
        return OneTicket(self, uuid.uuid5(self.tenant_id, message.command_id), message)

    async def ticket(self, status: Status = Status.OPEN, *, by: str = "agent", **fields: Any) -> "OneTicket":
        """A ticket that has arrived at `status`."""
        hands = {"assignee_id": self.people["agent"].id} if status is not Status.NEW else {}
        made = self.draft(by=by, **(hands | fields))
        made.receipts.append(await made.deliver_creation())
        if status not in (Status.NEW, Status.OPEN):
            await made.move(status)
        return made

    def taken_over(self, **fields: Any) -> "OneTicket":
        """A ticket of another desk that has yet to be imported."""
        given = {
            "external_ref": f"zendesk:{uuid.uuid4().hex[:8]}",
            "customer_email": self.people["customer"].email,
            "subject": "Old",
            "description": "Very old.",
            "status": Status.OPEN,
            "created_at": datetime(2020, 1, 1, tzinfo=UTC),
        }
        message = self.message(ImportTicket.model_validate(given | fields)).model_copy(update={"actor": SYSTEM})
        return OneTicket(self, uuid.uuid5(self.tenant_id, message.command_id), message)

    async def account(self, monthly_fee: int, tier: str = "PREMIUM") -> None:
        """Give the customers an account that pays something."""
        domain = self.people["customer"].email.rpartition("@")[2]
        [account] = await self.stage.rows(
            "insert into customer_accounts (tenant_id, name, tier, monthly_fee) values (%s, 'Acme', %s, %s) returning id",
            *(self.tenant_id, tier, monthly_fee),
        )
        await self.stage.rows(
            "insert into account_domains (tenant_id, domain, account_id) values (%s, %s, %s)",
            *(self.tenant_id, domain, account["id"]),
        )

    async def set_policy(self, **columns: int) -> None:
        """Change the tenant's settings, in minutes."""
        for column, minutes in columns.items():
            await self.stage.rows(f"update tenants set {column} = %s where id = %s", minutes, self.tenant_id)

    def activities(self) -> TicketActivities:
        """The ticket's decisions, to be made behind a workflow's back."""
        return TicketActivities(self.stage.database)


@dataclass
class OneTicket:
    """One ticket: what is done to it, and what the servers know of it."""

    desk: Desk
    id: UUID
    creation: Message[Any]
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """Its workflow, whatever run it is at."""
        return self.desk.stage.environment.client.get_workflow_handle(workflow_id("ticket", self.id))

    async def run_id(self) -> str:
        """The run that it is at."""
        return (await self.handle.describe()).run_id

    async def send(self, command: Command, by: str = "agent", **how: Any) -> Receipt:
        """Send a command as the API does."""
        return await self.deliver(self.desk.message(command, by, **how))

    async def deliver(self, message: Message[Any]) -> Receipt:
        """Send a message as the API does."""
        name = HANDLERS[type(message.command)]
        receipt = await self.desk.stage.processes.update(TICKET, self.id, name, message)
        self.receipts.append(receipt)
        return receipt

    async def deliver_creation(self) -> Receipt:
        """Send its creation again."""
        return await self.desk.stage.processes.create(TICKET, self.id, self.creation)

    async def move(self, status: Status, by: str = "agent", **how: Any) -> Receipt:
        """Ask for a move."""
        return await self.send(ChangeTicket(status=status), by, **how)

    async def reply(self, by: str = "customer", body: str = "Is it well now?", **fields: Any) -> Receipt:
        """Write a comment."""
        how = {name: fields.pop(name) for name in ("key", "received_at") if name in fields}
        return await self.send(AddComment(comment_id=uuid.uuid4(), body=body, **fields), by, **how)

    async def pass_time(self, **duration: float) -> bool:
        """Move its clock, as in `pass_time(days=3)`, and a moment more; False when it ended on the way.

        Its deadlines count from the decision's clock, which may be a moment ahead of the workflow's.
        """
        duration["seconds"] = duration.get("seconds", 0) + 1
        return await stack.fast_forward(self.desk.stage.environment, self.handle, **duration)

    async def wake(self) -> None:
        """Signal it to decide now, and wait until it has."""
        await self.handle.signal(WAKE_SIGNAL)
        await self.handle.query(STATE_QUERY, result_type=Snapshot)

    async def snapshot(self) -> Snapshot:
        """What its workflow holds."""
        return await self.handle.query(STATE_QUERY, result_type=Snapshot)

    async def state(self) -> Ticket:
        """Its state as its workflow holds it."""
        return Ticket.model_validate((await self.snapshot()).state)

    async def row(self) -> dict[str, Any]:
        """Its projection."""
        [row] = await self.desk.stage.rows("select * from support_tickets where id = %s", self.id)
        return row

    async def process(self) -> dict[str, Any]:
        """Its row among the processes."""
        [row] = await self.desk.stage.rows("select * from processes where id = %s", self.id)
        return row

    async def history(self) -> list[dict[str, Any]]:
        """Its recorded decisions, the first one first."""
        return await self.desk.stage.rows(
            "select * from ticket_history where process_id = %s order by revision", self.id
        )

    async def ledger(self) -> dict[tuple[str, int], tuple[str, datetime, datetime | None]]:
        """Its promises: (kind, cycle) → (state, due, settled)."""
        rows = await self.desk.stage.rows("select * from deadlines where process_id = %s", self.id)
        return {(r["kind"], r["cycle"]): (r["state"], r["due_at"], r["settled_at"]) for r in rows}

    async def states(self) -> dict[tuple[str, int], str]:
        """Its promises: (kind, cycle) → state."""
        return {key: state for key, (state, _, _) in (await self.ledger()).items()}

    async def notices(self) -> Sequence[str]:
        """The templates of all that was posted about it, the oldest first."""
        rows = await self.desk.stage.rows(
            "select template from notifications where process_id = %s order by created_at, revision", self.id
        )
        return [row["template"] for row in rows]

    async def expect_notice(self, template: str, times: int = 1) -> None:
        """Exactly so many notices of this kind stand in the outbox."""
        found = await self.notices()
        assert found.count(template) == times, found

    async def expect_gapless_history(self) -> None:
        """Every revision is recorded once, and row, history and workflow agree on the last."""
        revisions = [row["revision"] for row in await self.history()]
        assert revisions == list(range(1, len(revisions) + 1))
        process, snapshot = await self.process(), await self.snapshot()
        assert process["revision"] == snapshot.revision == revisions[-1]
