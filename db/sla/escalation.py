"""Escalation rules, in the order in which they are looked at."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Boolean, DateTime, Integer, Uuid, bindparam, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.sla import escalation_rules
from db.versions import Row, Versioned

RULES: Final = Versioned(escalation_rules)

_place = (escalation_rules.c.position, escalation_rules.c.created_at, escalation_rules.c.id)
_after = (
    bindparam("after_position", type_=Integer),
    bindparam("after_at", type_=DateTime(timezone=True)),
    bindparam("after_id", type_=Uuid),
)

BY_POSITION: Final = (
    select(*RULES.columns)
    .where(
        RULES.current,
        escalation_rules.c.active == cast(bindparam("active"), Boolean),
        or_(_after[0].is_(None), func.row(*_place) > func.row(*_after)),
    )
    .order_by(*_place)
    .limit(bindparam("count"))
)
IN_FORCE: Final = select(*RULES.columns).where(RULES.current, escalation_rules.c.active).order_by(*_place)
LAST: Final = select(func.coalesce(func.max(escalation_rules.c.position), 0)).where(RULES.current)

Place = tuple[int, datetime, UUID]


async def list_rules(connection: AsyncConnection, *, count: int, after: Place | None, active: bool) -> Sequence[Row]:
    """Rules that are in force, or that have ended, from a place on."""
    position, at, last = after if after is not None else (None, None, None)
    values = {"after_position": position, "after_at": at, "after_id": last, "count": count, "active": active}
    return (await connection.execute(BY_POSITION, values)).mappings().all()


async def rules_in_force(connection: AsyncConnection) -> Sequence[Row]:
    """All rules that are in force; there are few."""
    return (await connection.execute(IN_FORCE)).mappings().all()


async def last_position(connection: AsyncConnection) -> int:
    """The position of the last rule, also of one that has ended; 0 when there is none."""
    return int((await connection.execute(LAST)).scalar_one())
