"""What the API reads of a ticket's history: a page of decisions, each with the clocks before it, and the names behind their ids."""

from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Integer, RowMapping, Text, Uuid, bindparam, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.identity import teams, users
from db.tables.processes import notifications
from db.tables.sla import sla_calendars
from db.tables.tickets import support_tickets as tickets
from db.tables.tickets import ticket_history

_ticket = bindparam("ticket", type_=Uuid)
_after = bindparam("after", type_=Integer)
_ids = bindparam("ids", type_=ARRAY(Uuid))

H: Final = ticket_history.c
before: Final = ticket_history.alias("before")

# Of the payload what a sentence needs: texts may be long, and are read as comments.
DECISIONS: Final = (
    select(
        H.revision,
        H.actor,
        H.at,
        H.decided_at,
        H.changes,
        H.payload.op("-")(literal(["body", "description", "opening"], ARRAY(Text))).label("command"),
        before.c.decided_at.label("previous"),
        before.c.snapshot["state"]["clocks"].label("before"),
    )
    .outerjoin(before, (before.c.process_id == H.process_id) & (before.c.revision == H.revision - 1))
    .where(H.process_id == _ticket, or_(_after.is_(None), H.revision < _after))
    .order_by(H.revision.desc())
    .limit(bindparam("count"))
)
NAMES: Final = union_all(
    select(users.c.id, users.c.name).where(users.c.id == func.any(_ids)),
    select(teams.c.id, teams.c.name).where(teams.c.id == func.any(_ids)),
    select(tickets.c.id, func.concat("SUP-", tickets.c.number)).where(tickets.c.id == func.any(_ids)),
)
EDITS: Final = (
    select(
        sla_calendars.c.id,
        sla_calendars.c.name,
        sla_calendars.c.version,
        sla_calendars.c.updated_at,
        users.c.name.label("editor"),
    )
    .outerjoin(users, users.c.id == sla_calendars.c.author_id)
    .where(sla_calendars.c.id == func.any(_ids))
)
TOLD: Final = (
    select(notifications.c.rung, notifications.c.template, notifications.c.recipient)
    .where(
        notifications.c.process_id == _ticket,
        notifications.c.rung == func.any(bindparam("rungs", type_=ARRAY(Text))),
        notifications.c.parent_id.is_(None),
    )
    .order_by(notifications.c.created_at, notifications.c.id)
)


async def list_history(
    connection: AsyncConnection, ticket_id: UUID, after: int | None, count: int
) -> list[dict[str, Any]]:
    """A page of a ticket's decisions, the newest first."""
    values = {"ticket": ticket_id, "after": after, "count": count}
    return [dict(row) for row in (await connection.execute(DECISIONS, values)).mappings()]


async def names_of(connection: AsyncConnection, ids: Collection[UUID]) -> dict[str, str]:
    """What people, teams and tickets are called."""
    rows = (await connection.execute(NAMES, {"ids": list(ids)})).mappings() if ids else ()
    return {str(row["id"]): row["name"] for row in rows}


async def edits_of(connection: AsyncConnection, ids: Collection[UUID]) -> Sequence[RowMapping]:
    """Every version of calendars: name, number, when it was written and by whom."""
    return (await connection.execute(EDITS, {"ids": list(ids)})).mappings().all() if ids else ()


async def told_on(
    connection: AsyncConnection, ticket_id: UUID, rungs: Collection[str]
) -> dict[str, list[tuple[str, str]]]:
    """Who was told on which rung: (template, recipient) as the decisions wrote them, before they were fanned out."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows = (await connection.execute(TOLD, {"ticket": ticket_id, "rungs": list(rungs)})).mappings() if rungs else ()
    for row in rows:
        found.setdefault(row["rung"], []).append((row["template"], row["recipient"]))
    return found
