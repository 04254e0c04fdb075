"""What a decision writes of a ticket's clocks: the clocks themselves, breaches as immutable facts, and proposed credits."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic_core import to_json
from sqlalchemy import text

from db.decisions import OpenDecision
from db.statements import Bound, Statement, composed
from domain.process import Decision
from domain.sla.clocks import Clock
from domain.tickets.clocks import breach_id
from domain.tickets.model import Ticket

KEPT: Final = {
    "kind": "text",
    "cycle": "int",
    "state": "text",
    "definition_id": "uuid",
    "definition_version": "int",
    "calendar_id": "uuid",
    "target_minutes": "int",
    "started_at": "timestamptz",
    "running_since": "timestamptz",
    "spent": "interval",
    "runs": "jsonb",
    "holds": "text[]",
    "deadline_at": "timestamptz",
    "met_at": "timestamptz",
    "breached_at": "timestamptz",
    "detected_at": "timestamptz",
    "cause": "text",
    "ended_at": "timestamptz",
    "waived": "boolean",
}

KEEP_CLOCKS = Statement(
    text(
        composed(
            """
insert into sla_clocks (tenant_id, ticket_id, tier, severity, $names)
select :tenant_id, :ticket, :tier, :severity, $values
from jsonb_to_recordset(cast(:clocks as jsonb)) as r($columns)
on conflict (ticket_id, kind, cycle) do update
set tier = excluded.tier, severity = excluded.severity, $moves
""",
            names=", ".join(KEPT),
            values=", ".join(f"r.{name}" for name in KEPT),
            columns=", ".join(f"{name} {kind}" for name, kind in KEPT.items()),
            moves=", ".join(f"{name} = excluded.{name}" for name in KEPT if name not in ("kind", "cycle")),
        )
    )
)
KEEP_BREACHES = Statement(
    text("""
insert into sla_breaches (id, tenant_id, ticket_id, account_id, kind, cycle, deadline_at, breached_at, detected_at, cause,
    definition_id, definition_version)
select r.id, :tenant_id, :ticket, :account_id, r.kind, r.cycle, r.breached_at, r.breached_at, r.detected_at, r.cause,
    r.definition_id, r.definition_version
from jsonb_to_recordset(cast(:breaches as jsonb)) as r(id uuid, kind text, cycle int, breached_at timestamptz,
    detected_at timestamptz, cause text, definition_id uuid, definition_version int)
on conflict do nothing
""")
)
KEEP_CREDITS = Statement(
    text("""
insert into sla_credit_proposals (tenant_id, breach_id, step, overrun_minutes, percent, amount, currency, proposed_at)
select :tenant_id, r."breachId", r.step, r."overrunMinutes", r.percent, r.amount, r.currency, r.at
from jsonb_to_recordset(cast(:credits as jsonb)) as r("breachId" uuid, step int, "overrunMinutes" int, percent numeric,
    amount numeric, currency text, at timestamptz)
on conflict do nothing
""")
)


def project_clocks(opened: OpenDecision, decision: Decision[Ticket]) -> Iterator[Bound]:
    """The writes for the clocks that a decision moved. They come from its changes, so that a restored database gets them too."""
    moved, proposed = decision.changes.get("clocks"), decision.changes.get("credits")
    ticket, tenant = decision.state, opened.request.tenant_id
    of_ticket = {"tenant_id": tenant, "ticket": ticket.id}
    if moved and isinstance(moved.after, list):
        clocks = [Clock.model_validate(each) for each in moved.after]
        rows = to_json([row(clock) for clock in clocks]).decode()
        yield Bound(KEEP_CLOCKS, of_ticket | {"tier": ticket.sla_tier, "severity": ticket.severity, "clocks": rows})
        broken = [row(clock) | {"id": breach_id(ticket, clock)} for clock in clocks if clock.breached_at]
        if broken:
            breaches = to_json(broken).decode()
            yield Bound(KEEP_BREACHES, of_ticket | {"account_id": ticket.account_id, "breaches": breaches})
    if proposed:
        yield Bound(KEEP_CREDITS, {"tenant_id": tenant, "credits": to_json(proposed.after).decode()})


def row(clock: Clock) -> dict[str, Any]:
    """A clock's columns."""
    target = clock.target
    return {name: getattr(clock, name, None) for name in KEPT} | {
        "definition_id": target.definition_id,
        "definition_version": target.version,
        "calendar_id": target.calendar_id,
        "target_minutes": target.minutes,
    }
