"""Definitions: what is promised to whom, and how the tiers compare."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.sla import sla_calendars, sla_definitions
from db.versions import Row, Versioned

calendar_name: Final = (
    select(sla_calendars.c.name)
    .where(sla_calendars.c.id == sla_definitions.c.calendar_id, sla_calendars.c.superseded_at.is_(None))
    .scalar_subquery()
    .label("calendar_name")
)

DEFINITIONS: Final = Versioned(sla_definitions, "tier", "severity", "kind", extras=[calendar_name])

OF_PROMISE: Final = (
    select(*DEFINITIONS.columns)
    .where(
        sla_definitions.c.superseded_at.is_(None),
        sla_definitions.c.tier == bindparam("tier", type_=Text),
        sla_definitions.c.severity == bindparam("severity", type_=Text),
        sla_definitions.c.kind == bindparam("kind", type_=Text),
    )
    .with_for_update(of=sla_definitions)
)

LADDER: Final = (
    select(
        sla_definitions.c.tier,
        sla_definitions.c.severity,
        sla_definitions.c.kind,
        sla_definitions.c.target_minutes,
        sla_calendars.c.week,
    )
    .join(sla_calendars, sla_calendars.c.id == sla_definitions.c.calendar_id)
    .where(
        sla_definitions.c.superseded_at.is_(None),
        sla_definitions.c.active,
        sla_calendars.c.superseded_at.is_(None),
    )
)

USABLE: Final = select(sla_calendars.c.id).where(
    sla_calendars.c.id == bindparam("calendar", type_=Uuid),
    sla_calendars.c.superseded_at.is_(None),
    sla_calendars.c.active,
)


async def find_promise(connection: AsyncConnection, tier: str, severity: str, kind: str) -> Row | None:
    """The current version of the definition for a tier, a severity and a kind, locked; also one that has ended."""
    values = {"tier": tier, "severity": severity, "kind": kind}
    return (await connection.execute(OF_PROMISE, values)).mappings().first()


async def calendar_in_force(connection: AsyncConnection, calendar_id: UUID) -> bool:
    """Whether a definition may count its time on a calendar."""
    return (await connection.execute(USABLE, {"calendar": calendar_id})).first() is not None


async def ladder(connection: AsyncConnection) -> Sequence[Row]:
    """Every promise in force with the hours of its calendar's week."""
    return (await connection.execute(LADDER)).mappings().all()
