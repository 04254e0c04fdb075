"""Tickets of the past with their clocks and breaches, written straight into the tables: decisions that write them are tested elsewhere."""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from runtime.settings import PostgresSettings

TICKET = """
with process as (
  insert into processes (id, tenant_id, kind, workflow_id, revision, confirmed_revision, final)
  values (%(id)s, %(tenant)s, 'ticket', 'ticket/' || %(id)s::text, 1, 1, true)
)
insert into support_tickets (id, tenant_id, number, status, status_since, customer_email, subject, description, priority,
    severity, channel, category, sla_tier, tags, fields, account_id, team_id, first_response_at, resolved_at, closed_at,
    reopens, created_at, updated_at, version)
values (%(id)s, %(tenant)s, 700000000 + floor(random() * 100000000), %(status)s, %(at)s, 'c@shop.example', 'S', 'D', 'LOW',
    %(severity)s, 'API', %(category)s, %(tier)s, '{}', '{}', %(account)s, %(team)s, %(responded)s, %(resolved)s, %(closed)s,
    0, %(at)s, %(updated)s, 1)
"""
CLOCK = """
insert into sla_clocks (tenant_id, ticket_id, kind, cycle, state, tier, severity, definition_id, definition_version, calendar_id,
    target_minutes, started_at, running_since, spent, runs, holds, deadline_at, met_at, breached_at, detected_at, cause, ended_at,
    waived)
select t.tenant_id, t.id, %(kind)s, %(cycle)s, %(state)s, t.sla_tier, t.severity, d.id, d.version, d.calendar_id, %(minutes)s,
    %(started)s, %(since)s, %(spent)s, %(runs)s, '{}', %(deadline)s, %(met)s, %(breached)s, %(detected)s, %(cause)s, %(ended)s, %(waived)s
from support_tickets t join sla_definitions d
  on d.tenant_id = t.tenant_id and d.tier = t.sla_tier and d.severity = t.severity and d.superseded_at is null
  and d.kind = case %(kind)s when 'NEXT_RESPONSE' then 'FIRST_RESPONSE' else %(kind)s end
where t.id = %(ticket)s
returning definition_id, calendar_id
"""
BREACH = """
insert into sla_breaches (id, tenant_id, ticket_id, kind, cycle, deadline_at, breached_at, detected_at, cause, account_id,
    definition_id, definition_version)
select %(id)s, c.tenant_id, c.ticket_id, c.kind, c.cycle, c.deadline_at, c.breached_at, c.detected_at, c.cause, t.account_id,
    c.definition_id, c.definition_version
from sla_clocks c join support_tickets t on t.id = c.ticket_id
where c.ticket_id = %(ticket)s and c.kind = %(kind)s and c.cycle = %(cycle)s
"""
ACTION = """
insert into sla_breach_actions (tenant_id, breach_id, action, reason, amount, currency, actor_id, actor_name)
select tenant_id, id, %s, 'because', %s, %s, gen_random_uuid(), 'Somebody' from sla_breaches where id = %s
"""
PROPOSAL = """
insert into sla_credit_proposals (tenant_id, breach_id, step, overrun_minutes, percent, amount, currency, proposed_at)
select tenant_id, id, %s, %s, %s, %s, %s, breached_at from sla_breaches where id = %s
"""

JOB = """
insert into jobs (id, kind, state, input, author, done, total) values (%s, 'COUNT', 'DONE', '{}', '{"name": "Somebody"}', 3, 3)
"""


@dataclass(frozen=True)
class Records:
    """A tenant's past."""

    postgres: PostgresSettings
    tenant: UUID

    def run(self, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Run a statement as the tenant."""
        with psycopg.connect(self.postgres.conninfo()) as connection:
            connection.execute("select set_config('summit.tenant', %s, true)", (str(self.tenant),))
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def ticket(self, at: datetime, **fields: Any) -> UUID:
        """A ticket that was created at an instant."""
        row = {
            "id": uuid.uuid4(),
            "tenant": self.tenant,
            "status": "OPEN",
            "at": at,
            "severity": "SEV1",
            "tier": "PREMIUM",
        }
        row |= dict.fromkeys(("category", "account", "team", "responded", "resolved", "closed"))
        self.run(TICKET, {**row, "updated": at, **fields})
        return row["id"]  # type: ignore[return-value]

    def clock(self, ticket: UUID, started: datetime, *, minutes: int = 60, **fields: Any) -> None:
        """A clock round the clock that has run since `started`: met after 30 minutes unless told otherwise."""
        ended = fields.get("ended", started + timedelta(minutes=30))
        row = {
            "ticket": ticket,
            "kind": "FIRST_RESPONSE",
            "cycle": 1,
            "state": "MET",
            "minutes": minutes,
            "started": started,
            "since": None if ended else started,
            "spent": ended - started if ended else timedelta(),
            "deadline": started + timedelta(minutes=minutes),
            "met": ended if fields.get("state", "MET") in ("MET", "BREACHED", "ANNULLED") else None,
            "breached": None,
            "detected": None,
            "cause": None,
            "ended": ended,
            "waived": False,
            "runs": "[]",
        }
        row |= fields
        [(_, calendar)] = self.run(CLOCK, row)
        if ended and "runs" not in fields:
            runs = [{"since": started.isoformat(), "until": ended.isoformat(), "calendar_id": str(calendar)}]
            statement = "update sla_clocks set runs = %s where ticket_id = %s and kind = %s and cycle = %s"
            self.run(statement, (json.dumps(runs), ticket, row["kind"], row["cycle"]))

    def breach(self, ticket: UUID, started: datetime, *, minutes: int = 60, **fields: Any) -> UUID:
        """A clock that was broken, and its breach; kept an hour too late unless told otherwise."""
        deadline = started + timedelta(minutes=minutes)
        row = {"state": "BREACHED", "breached": deadline, "detected": deadline, "cause": "DEADLINE"}
        row |= {"ended": deadline + timedelta(hours=1)} | fields
        self.clock(ticket, started, minutes=minutes, **row)
        breach = uuid.uuid4()
        key = {"kind": fields.get("kind", "FIRST_RESPONSE"), "cycle": fields.get("cycle", 1)}
        self.run(BREACH, {"id": breach, "ticket": ticket, **key})
        return breach

    def action(self, breach: UUID, action: str, amount: str | None = None, currency: str | None = None) -> None:
        """What somebody did about a breach."""
        self.run(ACTION, (action, amount, currency, breach))

    def proposal(self, breach: UUID, percent: str, amount: str, currency: str = "USD", step: int = 0) -> None:
        """What the credit rule proposed."""
        self.run(PROPOSAL, (step, 0, percent, amount, currency, breach))

    def job(self) -> UUID:
        """A job that is done."""
        job = uuid.uuid4()
        self.run(JOB, (job,))
        return job
