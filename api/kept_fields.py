"""The custom fields of each tenant as an API process last read them: known without a query, and believed for seconds."""

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.auth import Caller
from db.engine import tenant_transaction
from db.ticket_fields import definitions
from domain.process import Invalid
from domain.tickets.fields import Definitions, Fault, check

BELIEVED_SECONDS: Final = 5.0
"""So soon does a change of a definition take effect in every process."""
MOST_KEPT: Final = 1_000


class UnfitFields(Invalid):
    """A custom field is not defined, is missing, or has a value that its definition does not allow."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("Custom fields cannot be accepted.", faults)


@dataclass
class TicketFields:
    """Definitions by tenant, re-read every few seconds and after each change made here."""

    engine: AsyncEngine
    kept: dict[UUID, tuple[float, Definitions]] = field(default_factory=dict)
    changes: int = 0
    """How often something has been forgotten: what was read meanwhile may be of before the change, and is not kept."""

    async def of(self, tenant_id: UUID, session: AsyncConnection | None = None) -> Definitions:
        """The definitions of a tenant; who holds a connection already lends it, lest everybody wait for a second one."""
        entry = self.kept.get(tenant_id)
        if entry is not None and entry[0] > time.monotonic():
            return entry[1]
        until, changes = time.monotonic() + BELIEVED_SECONDS, self.changes
        async with nullcontext(session) if session else tenant_transaction(self.engine, tenant_id) as connection:
            found = await definitions(connection)
        if changes == self.changes:
            if len(self.kept) >= MOST_KEPT:
                self.kept.clear()
            self.kept[tenant_id] = (until, found)
        return found

    def forget(self, tenant_id: UUID) -> None:
        """Read a tenant's definitions anew at the next call, because a change of them has been committed here."""
        self.changes += 1
        self.kept.pop(tenant_id, None)

    async def faults(self, caller: Caller, fields: dict[str, Any] | None, **how: Any) -> list[Fault]:
        """What is wrong with fields that a caller writes; nothing when none are written."""
        if fields is None:
            return []
        return check(await self.of(caller.tenant_id), fields, by_staff=caller.actor.staff, **how)
