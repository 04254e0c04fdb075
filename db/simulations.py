"""The clocks of the past as a simulation reads them: a stream of one snapshot, those of a ticket together, never all in memory."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import ARRAY, Uuid, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sla.policies import POLICY
from db.tables.sla import sla_calendars
from domain.customers import Tier
from domain.sla.clocks import ClockKind, ClockState
from domain.sla.compliance import Period
from domain.sla.policy import SlaPolicy
from domain.sla.simulation import Past, PastRun
from domain.tickets.model import Severity

PAGE: Final = 2_000

ENTER: Final = "select set_config('summit.tenant', %s, true)"
TICKETS: Final = "select count(distinct ticket_id) from sla_clocks where started_at >= %s and started_at < %s"
PASTS: Final = """
select c.ticket_id, c.kind, c.state, c.tier, c.severity, c.target_minutes, c.calendar_id, c.definition_id, c.definition_version,
  c.spent, c.runs, c.running_since, c.met_at, c.breached_at, t.account_id, a.time_zone, a.monthly_fee, a.currency
from sla_clocks c join support_tickets t on t.id = c.ticket_id left join customer_accounts a on a.id = t.account_id
where c.started_at >= %s and c.started_at < %s
order by c.ticket_id, c.kind, c.cycle
"""

KNOWN: Final = select(sla_calendars.c.id).where(
    sla_calendars.c.superseded_at.is_(None),
    sla_calendars.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid))),
)


async def known_calendars(connection: AsyncConnection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of `ids` that are calendars."""
    return set((await connection.execute(KNOWN, {"ids": list(ids)})).scalars())


def enter(connection: psycopg.Connection[TupleRow], tenant_id: UUID) -> SlaPolicy:
    """Begin as a tenant, whose policy comes back."""
    connection.execute(ENTER, (str(tenant_id),))
    found = connection.execute(POLICY.text, {"tenant": tenant_id, "known_sla_revision": None}).fetchone()
    if found is None:
        raise LookupError("There is no such tenant.")
    return SlaPolicy.model_validate_json(found[1])


def count_tickets(connection: psycopg.Connection[TupleRow], period: Period) -> int:
    """How many tickets have clocks that started in the period."""
    found = connection.execute(TICKETS, period).fetchone()
    return int(found[0]) if found else 0


def read_pasts(connection: psycopg.Connection[TupleRow], period: Period) -> Iterator[Past]:
    """Every clock that started in the period."""
    with connection.cursor("pasts") as cursor:
        cursor.itersize = PAGE
        cursor.execute(PASTS, period)
        yield from map(past, cursor)


def past(row: tuple[Any, ...]) -> Past:
    """A row as the rules take it."""
    ticket, kind, state, tier, severity, minutes, calendar, *definition, spent, runs, since, met, breached = row[:14]
    account, zone, fee, currency = row[14:]
    ended = tuple(_run(each) for each in runs)
    return Past(
        ticket_id=ticket,
        kind=ClockKind(kind),
        state=ClockState(state),
        tier=Tier(tier),
        severity=Severity(severity),
        target=timedelta(minutes=minutes),
        calendar_id=calendar,
        definition_id=definition[0],
        definition_version=definition[1],
        spent=spent,
        runs=(*ended, PastRun(since, None, calendar)) if since else ended,
        met_at=met,
        breached_at=breached,
        account_id=account,
        time_zone=zone or "UTC",
        fee=fee if fee is not None else Decimal(),
        currency=currency or "",
    )


def _run(each: dict[str, str]) -> PastRun:
    since, until = datetime.fromisoformat(each["since"]), datetime.fromisoformat(each["until"])
    return PastRun(since, until, UUID(each["calendar_id"]))
