"""What a decision on a ticket reads beside the ticket's state, in its own transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import ConfigDict

from domain.customers import Tier
from domain.process import Frozen
from domain.sla.clocks import ClockKind, Target, Timetables
from domain.sla.policy import SlaPolicy
from domain.tickets.model import Policy, Ticket


@dataclass(frozen=True)
class Terms:
    """The tenant's promises as they stand, the calendars in the account's zone, and what the account pays each month.

    `waived` and `credited` are breaches of the ticket about which people have decided that; `granted` is what the account was
    credited for the breaches of a calendar month (by its first instant, UTC), in its currency.
    """

    policy: SlaPolicy
    tables: Timetables
    fee: Decimal = Decimal(0)
    currency: str = "USD"
    waived: frozenset[UUID] = frozenset()
    credited: frozenset[UUID] = frozenset()
    granted: Mapping[datetime, Decimal] = field(default_factory=dict)

    def target(self, ticket: Ticket, kind: ClockKind) -> Target | None:
        """What is promised for a ticket of this tier and severity today."""
        return self.policy.target(ticket.sla_tier, ticket.severity, kind)


class Surroundings(Frozen):
    """The settings and facts that rule one decision.

    `number` and the account are read for a creation, the description so far for anything else; `assignee_known` and `team_known`
    answer for the ids that the command names. Without `terms` nothing is promised.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    policy: Policy = Policy()
    terms: Terms | None = None
    number: int = 0
    description: str | None = None
    account_id: UUID | None = None
    account_tier: Tier | None = None
    assignee_known: bool = True
    team_known: bool = True
