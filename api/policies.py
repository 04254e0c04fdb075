"""The SLA policy of each tenant as an API process last read it; a look at the revision tells whether that still holds."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from db.sla.policies import POLICY
from domain.sla.policy import SlaPolicy

MOST_KEPT: Final = 200


@dataclass
class Policies:
    """Keeps a policy as long as its revision holds, with the timetables that it has laid out."""

    kept: dict[UUID, tuple[int, SlaPolicy]] = field(default_factory=dict)

    async def of(self, session: AsyncConnection, tenant_id: UUID) -> SlaPolicy:
        """The policy of the transaction's tenant, as it is now."""
        known = self.kept.get(tenant_id)
        values = {"tenant": tenant_id, "known_sla_revision": known[0] if known else None}
        revision, content = (await session.execute(POLICY.clause, values)).one()  # type: ignore[call-overload]
        if content is not None:
            known = (revision, SlaPolicy.model_validate_json(content))
            if len(self.kept) >= MOST_KEPT:
                self.kept.clear()
            self.kept[tenant_id] = known
        if known is None:
            raise LookupError("a tenant without a policy")
        return known[1]
