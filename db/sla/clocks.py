"""The clocks of a ticket, what was done to them by hand, and the zone of its calendars. The caller owns the transaction."""

from typing import Final
from uuid import UUID

from sqlalchemy import Integer, RowMapping, Uuid, bindparam, case, func, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.customers import customer_accounts
from db.tables.sla import sla_breach_actions, sla_breaches, sla_clocks
from db.tables.tickets import support_tickets, ticket_history
from domain.sla.clocks import Clock, ClockKind, Run, Target
from domain.sla.deeds import Deed
from domain.tickets.commands import ClockAction

_ticket = bindparam("ticket", type_=Uuid)
_kinds = case({kind.value: place for place, kind in enumerate(ClockKind)}, value=sla_clocks.c.kind)

CLOCKS: Final = select(sla_clocks).where(sla_clocks.c.ticket_id == _ticket).order_by(_kinds, sla_clocks.c.cycle)
MERGED: Final = select(support_tickets.c.merged_into.is_not(None)).where(support_tickets.c.id == _ticket)

ZONE: Final = (
    select(func.coalesce(customer_accounts.c.time_zone, "UTC"))
    .select_from(support_tickets.outerjoin(customer_accounts, customer_accounts.c.id == support_tickets.c.account_id))
    .where(support_tickets.c.id == _ticket)
)

H: Final = ticket_history.c
DEEDS: Final = union_all(
    select(
        H.payload["kind"].astext.label("kind"),
        null().cast(Integer).label("cycle"),
        H.payload["action"].astext.label("action"),
        H.at.label("at"),
        H.actor["name"].astext.label("actor"),
        H.payload["reason"].astext.label("reason"),
    ).where(H.process_id == _ticket, H.command == "clock"),
    select(
        sla_breaches.c.kind,
        sla_breaches.c.cycle,
        sla_breach_actions.c.action,
        sla_breach_actions.c.at,
        sla_breach_actions.c.actor_name,
        sla_breach_actions.c.reason,
    )
    .join(sla_breaches, sla_breaches.c.id == sla_breach_actions.c.breach_id)
    .where(sla_breaches.c.ticket_id == _ticket, sla_breach_actions.c.action == ClockAction.WAIVE),
).order_by("at")


async def clocks_of(connection: AsyncConnection, ticket_id: UUID) -> list[Clock]:
    """Every clock that a ticket ever had."""
    return [clock(row) for row in (await connection.execute(CLOCKS, {"ticket": ticket_id})).mappings()]


async def home_zone(connection: AsyncConnection, ticket_id: UUID) -> str:
    """The time zone of the ticket's account."""
    found: str = (await connection.execute(ZONE, {"ticket": ticket_id})).scalar_one()
    return found


async def is_merged(connection: AsyncConnection, ticket_id: UUID) -> bool:
    """Whether the ticket went on in another one."""
    return bool((await connection.execute(MERGED, {"ticket": ticket_id})).scalar_one())


async def deeds_on(connection: AsyncConnection, ticket_id: UUID) -> list[Deed]:
    """What people have done by hand to a ticket's clocks, the breaches that they waived included; the oldest first."""
    rows = (await connection.execute(DEEDS, {"ticket": ticket_id})).mappings()
    return [Deed(**{**row, "kind": ClockKind(row["kind"]), "action": ClockAction(row["action"])}) for row in rows]


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
