"""The promise ledger as it is read: what is due, when, and who owes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.processes import deadlines
from db.tables.tickets import support_tickets

D: Final = deadlines.c
OPEN_STATES: Final = ("ARMED", "PAUSED")
LONGEST_FEED: Final = 500


OWED: Final = (
    select(deadlines, support_tickets.c.number)
    .join_from(deadlines, support_tickets, support_tickets.c.id == D.process_id, isouter=True)
    .where(D.owner_id == bindparam("owner"), D.state.in_(OPEN_STATES))
    .order_by(D.due_at, D.id)
    .limit(LONGEST_FEED)
)


@dataclass(frozen=True)
class LedgerFilters:
    """What the ledger is narrowed by; the period is half open."""

    due_from: datetime | None = None
    due_to: datetime | None = None
    owner_id: UUID | None = None
    kinds: Sequence[str] = ()
    states: Sequence[str] = ()


async def list_deadlines(
    connection: AsyncConnection, filters: LedgerFilters, after: tuple[datetime, int] | None, count: int
) -> list[dict[str, Any]]:
    """A page of promises, the next one due first."""
    query = select(deadlines)
    if filters.due_from:
        query = query.where(D.due_at >= filters.due_from)
    if filters.due_to:
        query = query.where(D.due_at < filters.due_to)
    if filters.owner_id:
        query = query.where(D.owner_id == filters.owner_id)
    if filters.kinds:
        query = query.where(D.kind.in_(filters.kinds))
    if filters.states:
        query = query.where(D.state.in_(filters.states))
    if after:
        query = query.where(tuple_(D.due_at, D.id) > tuple_(literal(after[0], D.due_at.type), literal(after[1])))
    return [dict(row) for row in (await connection.execute(query.order_by(D.due_at, D.id).limit(count))).mappings()]


async def owed_by(connection: AsyncConnection, owner_id: UUID) -> list[dict[str, Any]]:
    """What one person owes, the next one due first, with the number of the ticket; the first few hundred."""
    return [dict(row) for row in (await connection.execute(OWED, {"owner": owner_id})).mappings()]
