"""A tenant's settings, and what must follow when they change."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.identity import tenants

TIMED: Final = frozenset({"remind_after_minutes", "resolve_after_minutes", "reopen_grace_minutes"})
"""Settings that open promises are derived from."""

SETTINGS: Final = select(tenants).where(
    tenants.c.id == func.nullif(func.current_setting("summit.tenant", True), "").cast(tenants.c.id.type)
)

# The auditor wakes what is not confirmed, and a woken process derives its deadlines anew: the change reaches every open
# promise although the API may die right after this transaction.
DERIVE_AGAIN: Final = text("""
update processes set confirmed_revision = revision - 1, touched_at = clock_timestamp()
where not final and confirmed_revision = revision
  and id in (select id from support_tickets where status in ('PENDING_CUSTOMER', 'RESOLVED'))
""")


async def find_settings(connection: AsyncConnection, *, lock: bool = False) -> dict[str, Any]:
    """The settings of the transaction's tenant; with `lock` nobody else changes them until it ends."""
    statement = SETTINGS.with_for_update() if lock else SETTINGS
    return dict((await connection.execute(statement)).mappings().one())


async def change_settings(connection: AsyncConnection, before: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Change the settings given, and have the open promises that they rule derived again."""
    moved = {name: value for name, value in changes.items() if before[name] != value}
    if not moved:
        return
    await connection.execute(
        update(tenants)
        .where(tenants.c.id == before["id"])
        .values(**moved, version=tenants.c.version + 1, updated_at=func.now())
    )
    if moved.keys() & TIMED:
        await connection.execute(DERIVE_AGAIN)
