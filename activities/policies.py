"""The tenants' SLA policies as this process last read them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from activities.kept import Kept
from domain.sla.policy import SlaPolicy
from domain.tickets.surroundings import Terms
from runtime.holidays import holidays_or_none


class Policies(Kept[SlaPolicy]):
    """The policies of the tenants seen last."""

    def __init__(self) -> None:
        super().__init__(SlaPolicy.model_validate_json)

    def terms(self, tenant_id: UUID, row: Mapping[str, Any]) -> Terms:
        """What is promised, from a row with the columns of `db/sla/policies.py` and the account's. Raises Forgotten."""
        policy = self.at(tenant_id, row["sla_revision"], row["sla_policy"])
        return Terms(
            policy=policy,
            tables=policy.timetables(row["time_zone"] or "UTC", holidays_or_none),
            fee=row["monthly_fee"] or Decimal(0),
            currency=row["currency"] or "USD",
            waived=frozenset(UUID(breach) for breach, deed in row.get("deeds") or () if deed == "WAIVE"),
            credited=frozenset(UUID(breach) for breach, deed in row.get("deeds") or () if deed == "CREDIT"),
            granted={datetime.fromisoformat(month): Decimal(amount) for month, amount in row.get("granted") or ()},
        )


POLICIES: Final = Policies()
