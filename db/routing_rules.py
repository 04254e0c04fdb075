"""Routing rules as records in an order: each change moves the revision by which decisions know that they must read them again."""

from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.positions import Ordered
from db.tables.routing import routing_rules

R: Final = routing_rules.c
RULES: Final = Ordered(routing_rules)

# The tenant's row is locked by it: rules are written one after another, and their order and number are certain.
MOVE: Final = text("""
update tenants set routing_revision = routing_revision + 1
where id = nullif(current_setting('summit.tenant', true), '')::uuid
""")


async def move_revision(connection: AsyncConnection) -> None:
    """Have decisions read the rules again, from this transaction on; rules wait for one another here."""
    await connection.execute(MOVE)


async def make_room(connection: AsyncConnection, position: int, rule_id: UUID) -> None:
    """Move the rules from `position` on one place down, where another rule than this one stands there."""
    others = R.id != rule_id
    taken = await connection.execute(select(R.id).where(R.position == position, others).limit(1))
    if taken.first():
        moved = {"position": R.position + 1, "version": R.version + 1, "updated_at": func.now()}
        await connection.execute(update(routing_rules).where(R.position >= position, others).values(**moved))
