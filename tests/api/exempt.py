"""Rows of two tenants for tests of the functions that row-level security does not bind."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from runtime.settings import APP_ROLE

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
"""Before whatever other tests have written."""

PROCESS = """
insert into processes (id, tenant_id, kind, workflow_id, revision, confirmed_revision, final, touched_at)
values (%(id)s, %(tenant)s, 'ticket', %(workflow)s, %(revision)s, %(confirmed)s, %(final)s, %(touched)s)
"""
TICKET = """
insert into support_tickets (id, tenant_id, number, status, status_since, customer_email, subject, description, priority,
    severity, channel, sla_tier, tags, fields, reopens, created_at, updated_at, version)
values (%(id)s, %(tenant)s, %(number)s, 'NEW', %(at)s, %(email)s, 'S', 'D', 'LOW', 'SEV4', 'API', 'BASIC', '{}', '{}', 0,
    %(at)s, %(at)s, 1)
"""
DEADLINE = """
insert into deadlines (tenant_id, process_id, process, kind, cycle, due_at, state, settled_at)
values (%(tenant)s, %(id)s, 'ticket', %(kind)s, 1, %(at)s, %(state)s, case when %(state)s <> 'ARMED' then now() end)
"""
NOTICE = """
insert into notifications (id, tenant_id, process_id, rung, template, recipient, channel, payload, not_before, delivered_at,
    dead_at, leased_until, digest_id)
values (%(id)s, %(tenant)s, %(process)s, %(id)s::text, %(template)s, %(recipient)s, %(channel)s, %(payload)s, %(due)s, %(delivered)s,
    %(dead)s, %(leased)s, %(digest)s)
"""
TEXT = """
insert into ticket_search (tenant_id, ticket_id, source_id, internal, at, document)
select tenant_id, id, gen_random_uuid(), %s, created_at, to_tsvector('english', %s) from support_tickets where id = %s
"""


@dataclass
class Rows:
    """Rows of two tenants in a transaction that is rolled back, and what the application's role gets to see of them."""

    connection: psycopg.Connection[tuple[Any, ...]]
    mine: UUID
    others: UUID
    numbers: int = 900_000

    def process(self, tenant: UUID | None = None, **values: Any) -> UUID:
        """A process, by default confirmed, open, and at rest for ages."""
        process = uuid.uuid4()
        row = {"id": process, "tenant": tenant or self.mine, "workflow": f"ticket/{process}", "revision": 3}
        self.connection.execute(PROCESS, {**row, "confirmed": 3, "final": False, "touched": LONG_AGO, **values})
        return process

    def ticket(self, *texts: str, tenant: UUID | None = None, internal: bool = False, **values: Any) -> UUID:
        """A ticket whose texts can be found."""
        ticket = self.process(tenant)
        self.numbers += 1
        row = {"id": ticket, "tenant": tenant or self.mine, "number": self.numbers, "email": "c@shop.example"}
        self.connection.execute(TICKET, {**row, "at": LONG_AGO + timedelta(days=self.numbers), **values})
        for text in texts:
            self.connection.execute(TEXT, (internal, text, ticket))
        return ticket

    def due(self, process: UUID, at: datetime, state: str = "ARMED", kind: str = "AUTO_CLOSE") -> UUID:
        """A promise of a process."""
        self.connection.execute(DEADLINE, {"tenant": self.mine, "id": process, "kind": kind, "at": at, "state": state})
        return process

    def notice(self, tenant: UUID | None = None, **values: Any) -> UUID:
        """A row of the outbox, by default one that has been due for ages."""
        notice = uuid.uuid4()
        row = {"id": notice, "tenant": tenant or self.mine, "recipient": "a@shop.example", "channel": "SLACK"}
        row |= {"template": "digest", "payload": "{}"}
        ends = dict.fromkeys(("delivered", "dead", "leased", "digest", "process"))
        self.connection.execute(NOTICE, {**row, "due": LONG_AGO, **ends, **values})
        return notice

    def agent(self) -> UUID:
        """An agent of the tenant who is at work, whatever other tests have made of theirs."""
        query = "select id from users where tenant_id = %s and role = 'AGENT' and active and available order by created_at limit 1"
        return UUID(str(self.one(query, self.mine)))

    def one(self, query: str, *values: Any) -> Any:
        """What the owner gets for a query that answers one value."""
        found = self.connection.execute(query, values).fetchone()
        assert found is not None
        return found[0]

    def seen(self, query: str, *values: Any, tenant: UUID | None = None) -> list[tuple[Any, ...]]:
        """What the application gets for a query, as a tenant or as nobody."""
        self.connection.execute(f"set local role {APP_ROLE}")
        self.connection.execute("select set_config('summit.tenant', %s, true)", (str(tenant or ""),))
        found = self.connection.execute(query, values).fetchall()
        self.connection.execute("reset role")
        return found

    def search(
        self, q: str, *, staff: bool = True, cap: int = 100, address: str | None = None, tenant: UUID | None = None
    ) -> set[UUID]:
        """The tickets that a search finds."""
        query = "select * from search_tickets(%s, %s, %s, %s, null)"
        return {row[0] for row in self.seen(query, q, staff, cap, address, tenant=tenant or self.mine)}
