"""Business calendars, and what must follow when one changes."""

from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.sla import sla_calendars, sla_definitions
from db.versions import Versioned

CALENDARS: Final = Versioned(sla_calendars)

USERS: Final = (
    select(sla_definitions.c.id)
    .where(
        sla_definitions.c.superseded_at.is_(None),
        sla_definitions.c.active,
        sla_definitions.c.calendar_id == bindparam("calendar", type_=Uuid),
    )
    .order_by(sla_definitions.c.tier, sla_definitions.c.severity, sla_definitions.c.kind)
)

# As for settings: the auditor wakes what is not confirmed, and a woken ticket counts its time anew.
COUNT_AGAIN: Final = text("""
update processes set confirmed_revision = revision - 1, touched_at = clock_timestamp()
where not final and confirmed_revision = revision
  and id in (select ticket_id from sla_clocks where calendar_id = :calendar and ended_at is null)
""").bindparams(bindparam("calendar", type_=Uuid))


async def definitions_on(connection: AsyncConnection, calendar_id: UUID) -> list[UUID]:
    """The definitions in force that count their time on a calendar."""
    return list((await connection.execute(USERS, {"calendar": calendar_id})).scalars())


async def count_again(connection: AsyncConnection, calendar_id: UUID) -> None:
    """Have the open clocks on a calendar counted again, also when the API dies right after this transaction."""
    await connection.execute(COUNT_AGAIN, {"calendar": calendar_id})
