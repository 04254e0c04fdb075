"""The tenants' SLA policies as this process last read them: a decision reads one again only when its revision has moved."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from domain.sla.policy import SlaPolicy
from domain.tickets.surroundings import Terms
from runtime.holidays import holidays_or_none

MOST_TENANTS: Final = 1_000


class Forgotten(ConnectionError):
    """The policy that a decision counted on has made room for others meanwhile; the next attempt reads it."""


class Policies:
    """The policies of the tenants seen last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, tuple[int, SlaPolicy]] = OrderedDict()

    def known(self, tenant_id: UUID) -> int | None:
        """The revision that need not be read again."""
        kept = self._kept.get(tenant_id)
        return kept[0] if kept else None

    def terms(self, tenant_id: UUID, row: Mapping[str, Any]) -> Terms:
        """What is promised, from a row with the columns of `db/sla/policies.py` and the account's. Raises Forgotten."""
        policy = self._policy(tenant_id, row)
        return Terms(
            policy=policy,
            tables=policy.timetables(row["time_zone"] or "UTC", holidays_or_none),
            fee=row["monthly_fee"] or Decimal(0),
            currency=row["currency"] or "USD",
            waived=frozenset(UUID(breach) for breach, deed in row.get("deeds") or () if deed == "WAIVE"),
            credited=frozenset(UUID(breach) for breach, deed in row.get("deeds") or () if deed == "CREDIT"),
            granted={datetime.fromisoformat(month): Decimal(amount) for month, amount in row.get("granted") or ()},
        )

    def _policy(self, tenant_id: UUID, row: Mapping[str, Any]) -> SlaPolicy:
        revision, written = row["sla_revision"], row["sla_policy"]
        if written is not None:
            self._kept[tenant_id] = revision, SlaPolicy.model_validate_json(written)
        kept = self._kept.get(tenant_id)
        if kept is None or kept[0] != revision:
            raise Forgotten
        self._kept.move_to_end(tenant_id)
        while len(self._kept) > MOST_TENANTS:
            self._kept.popitem(last=False)
        return kept[1]


POLICIES: Final = Policies()
