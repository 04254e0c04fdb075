"""Routing rules as records: each change moves the revision by which decisions know that they must read them again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, delete, func, insert, literal, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.metadata import INSTANT
from db.tables.routing import routing_rules

Row = RowMapping
Place = tuple[int, datetime, UUID]

R: Final = routing_rules.c
SHOWN: Final = [column for column in routing_rules.c if column.name != "tenant_id"]
RULE: Final = select(*SHOWN).where(R.id == bindparam("rule"))
LAST: Final = select(func.coalesce(func.max(R.position), 0))
COUNT: Final = select(func.count()).select_from(routing_rules)

# The tenant's row is locked by it: rules are written one after another, and their order and number are certain.
MOVE: Final = text("""
update tenants set routing_revision = routing_revision + 1
where id = nullif(current_setting('summit.tenant', true), '')::uuid
""")


async def move_revision(connection: AsyncConnection) -> None:
    """Have decisions read the rules again, from this transaction on; rules wait for one another here."""
    await connection.execute(MOVE)


async def count_rules(connection: AsyncConnection) -> int:
    """How many rules there are, in force or not."""
    return int((await connection.execute(COUNT)).scalar_one())


async def last_position(connection: AsyncConnection) -> int:
    """The place of the last rule; 0 when there is none."""
    return int((await connection.execute(LAST)).scalar_one())


async def find_rule(connection: AsyncConnection, rule_id: UUID, *, lock: bool = False) -> Row | None:
    """One rule."""
    statement = RULE.with_for_update() if lock else RULE
    return (await connection.execute(statement, {"rule": rule_id})).mappings().first()


async def list_rules(
    connection: AsyncConnection, *, count: int, after: Place | None, active: bool | None
) -> Sequence[Row]:
    """Rules in the order in which they are looked at."""
    query = select(*SHOWN)
    if active is not None:
        query = query.where(R.active == active)
    if after is not None:
        there = tuple_(literal(after[0]), literal(after[1], INSTANT), literal(after[2], R.id.type))
        query = query.where(tuple_(R.position, R.created_at, R.id) > there)
    query = query.order_by(R.position, R.created_at, R.id).limit(count)
    return (await connection.execute(query)).mappings().all()


async def make_room(connection: AsyncConnection, position: int, rule_id: UUID) -> None:
    """Move the rules from `position` on one place down, where another rule than this one stands there."""
    others = R.id != rule_id
    taken = await connection.execute(select(R.id).where(R.position == position, others).limit(1))
    if taken.first():
        moved = {"position": R.position + 1, "version": R.version + 1, "updated_at": func.now()}
        await connection.execute(update(routing_rules).where(R.position >= position, others).values(**moved))


async def add_rule(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Write a rule."""
    await connection.execute(insert(routing_rules), dict(values))


async def change_rule(connection: AsyncConnection, before: Row, values: Mapping[str, Any]) -> bool:
    """Change the fields given; whether any has another value now."""
    moved = {name: value for name, value in values.items() if before[name] != value}
    if moved:
        await connection.execute(
            update(routing_rules)
            .where(R.id == before["id"])
            .values(**moved, version=R.version + 1, updated_at=func.now())
        )
    return bool(moved)


async def delete_rule(connection: AsyncConnection, rule_id: UUID) -> None:
    """Take a rule away; tickets that it has sent keep their route."""
    await connection.execute(delete(routing_rules).where(R.id == rule_id))
