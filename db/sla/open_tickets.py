"""Open tickets whose clocks an edit concerns, in pages by id. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.statements import composed

# Open processes are few and have an index; their clocks are looked up by key.
OPEN: Final = """
from processes p join support_tickets t on t.id = p.id
where not p.final and p.kind = 'ticket' and (:after is null or p.id > :after) and ($concerned)"""
PAGE: Final = composed("select p.id $open order by p.id limit :count", open=OPEN)
TOTAL: Final = composed("select count(*) $open", open=OPEN)

OFF_VERSION: Final = """exists (
    select from sla_clocks c where c.ticket_id = t.id and c.definition_id = :definition
      and c.state in ('RUNNING', 'PAUSED') and c.definition_version <> :version)
  or (t.sla_tier = :tier and t.severity = :severity and :kind <> 'NEXT_RESPONSE'
      and not exists (select from sla_clocks c where c.ticket_id = t.id and c.kind = :kind and c.state <> 'CANCELLED'))"""
"""Those with an open clock on another version of a definition, and those that lack what it promises to them."""

ON_CALENDAR: Final = """exists (
    select from sla_clocks c where c.ticket_id = t.id and c.calendar_id = :calendar and c.state in ('RUNNING', 'PAUSED'))"""
OF_ACCOUNT: Final = "t.account_id = :account"
ALL: Final = "t.status <> 'RESOLVED'"

PARAMETERS: Final = (
    *(bindparam(name, type_=Uuid) for name in ("after", "definition", "calendar", "account")),
    *(bindparam(name, type_=Text) for name in ("tier", "severity", "kind")),
)


class OpenTickets:
    """The open tickets that one kind of edit concerns."""

    def __init__(self, concerned: str) -> None:
        taken = [each for each in PARAMETERS if each.key == "after" or f":{each.key}" in concerned]
        self._page = text(composed(PAGE, concerned=concerned)).bindparams(*taken)
        self._total = text(composed(TOTAL, concerned=concerned)).bindparams(*taken)

    async def page(
        self, connection: AsyncConnection, values: Mapping[str, Any], after: UUID | None, count: int
    ) -> Sequence[UUID]:
        """The next ones after an id."""
        given = {**values, "after": after, "count": count}
        return (await connection.execute(self._page, given)).scalars().all()

    async def total(self, connection: AsyncConnection, values: Mapping[str, Any]) -> int:
        """How many there are."""
        found: int = (await connection.execute(self._total, {**values, "after": None})).scalar_one()
        return found


TO_REAPPLY: Final = OpenTickets(OFF_VERSION)
COUNTED_ON: Final = OpenTickets(ON_CALENDAR)
ACCOUNTS: Final = OpenTickets(OF_ACCOUNT)
EVERY: Final = OpenTickets(ALL)
