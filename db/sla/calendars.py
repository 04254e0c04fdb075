"""Business calendars, and who counts on one."""

from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select
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


async def definitions_on(connection: AsyncConnection, calendar_id: UUID) -> list[UUID]:
    """The definitions in force that count their time on a calendar."""
    return list((await connection.execute(USERS, {"calendar": calendar_id})).scalars())
