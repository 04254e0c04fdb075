"""The tenants' routing rules as this process last read them: a decision reads them again only when their revision has moved."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from activities.policies import MOST_TENANTS, Forgotten
from domain.tickets.routing import Rule

RULES: Final[TypeAdapter[tuple[Rule, ...]]] = TypeAdapter(tuple[Rule, ...])


class RoutingRules:
    """The rules of the tenants seen last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, tuple[int, tuple[Rule, ...]]] = OrderedDict()

    def known(self, tenant_id: UUID) -> int | None:
        """The revision that need not be read again."""
        kept = self._kept.get(tenant_id)
        return kept[0] if kept else None

    def of(self, tenant_id: UUID, row: Mapping[str, Any]) -> tuple[Rule, ...]:
        """The rules in force, from a row with the columns of `db/routing.py`. Raises Forgotten."""
        revision, written = row["routing_revision"], row["routing_rules"]
        if written is not None:
            self._kept[tenant_id] = revision, RULES.validate_json(written)
        kept = self._kept.get(tenant_id)
        if kept is None or kept[0] != revision:
            raise Forgotten
        self._kept.move_to_end(tenant_id)
        while len(self._kept) > MOST_TENANTS:
            self._kept.popitem(last=False)
        return kept[1]


ROUTING: Final = RoutingRules()
