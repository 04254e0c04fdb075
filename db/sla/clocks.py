"""The clocks of one ticket with the zone in which its calendars are read. The caller owns the transaction."""

from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, Uuid, bindparam, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.customers import customer_accounts
from db.tables.sla import sla_clocks
from db.tables.tickets import support_tickets
from domain.sla.clocks import Clock, ClockKind, Run, Target

_ticket = bindparam("ticket", type_=Uuid)
_kinds = case({kind.value: place for place, kind in enumerate(ClockKind)}, value=sla_clocks.c.kind)

CLOCKS: Final = select(sla_clocks).where(sla_clocks.c.ticket_id == _ticket).order_by(_kinds, sla_clocks.c.cycle)
ZONE: Final = (
    select(func.coalesce(customer_accounts.c.time_zone, "UTC"))
    .select_from(support_tickets.outerjoin(customer_accounts, customer_accounts.c.id == support_tickets.c.account_id))
    .where(support_tickets.c.id == _ticket)
)


async def clocks_of(connection: AsyncConnection, ticket_id: UUID) -> list[Clock]:
    """Every clock that a ticket ever had."""
    return [clock(row) for row in (await connection.execute(CLOCKS, {"ticket": ticket_id})).mappings()]


async def home_zone(connection: AsyncConnection, ticket_id: UUID) -> str:
    """The time zone of the ticket's account."""
    found: str = (await connection.execute(ZONE, {"ticket": ticket_id})).scalar_one()
    return found


def clock(row: RowMapping) -> Clock:
    """A clock as its row keeps it."""
    target = Target(
        definition_id=row["definition_id"],
        version=row["definition_version"],
        calendar_id=row["calendar_id"],
        minutes=row["target_minutes"],
    )
    same = {
        name: row[name]
        for name in (
            *("kind", "cycle", "state", "started_at", "running_since", "spent", "holds", "deadline_at"),
            *("met_at", "breached_at", "detected_at", "cause", "ended_at", "waived"),
        )
    }
    return Clock(target=target, runs=tuple(Run.model_validate(run) for run in row["runs"]), **same)
