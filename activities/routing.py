"""The tenants' routing rules as this process last read them."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from activities.kept import Kept
from domain.tickets.routing import Rule

RULES: Final[TypeAdapter[tuple[Rule, ...]]] = TypeAdapter(tuple[Rule, ...])


class RoutingRules(Kept[tuple[Rule, ...]]):
    """The rules of the tenants seen last."""

    def __init__(self) -> None:
        super().__init__(RULES.validate_json)

    def of(self, tenant_id: UUID, row: Mapping[str, Any]) -> tuple[Rule, ...]:
        """The rules in force, from a row with the columns of `db/routing.py`. Raises Forgotten."""
        return self.at(tenant_id, row["routing_revision"], row["routing_rules"])


ROUTING: Final = RoutingRules()
