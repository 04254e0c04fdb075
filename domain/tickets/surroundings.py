"""What a decision on a ticket reads beside the ticket's state, in its own transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from pydantic import ConfigDict

from domain.customers import Tier
from domain.process import Frozen
from domain.sla.clocks import ClockKind, Timetables
from domain.sla.clocks import Target as Promised
from domain.sla.policy import SlaPolicy
from domain.tickets.model import Policy, Status, Ticket
from domain.tickets.routing import Queue, Rule


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

    def target(self, ticket: Ticket, kind: ClockKind) -> Promised | None:
        """What is promised for a ticket of this tier and severity today."""
        return self.policy.target(ticket.sla_tier, ticket.severity, kind)


class Target(Frozen):
    """The ticket into which one is to be merged."""

    id: UUID
    number: int
    status: Status
    account_id: UUID | None = None
    customer_email: str


class Surroundings(Frozen):
    """The settings and facts that rule one decision.

    `number`, the account and how often the sender was greeted lately are read for a creation, the description so far for
    anything else; the `…_known` answer for the ids that the command names. Without `terms` nothing is promised. `rules` route
    tickets; `queue` is the team's where one is to be assigned, `target` the ticket to merge into.
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
    files_known: bool = True
    link_known: bool = True
    watcher_known: bool = True
    rules: tuple[Rule, ...] = ()
    queue: Queue | None = None
    target: Target | None = None
    greeted_subject: int = 0
    greeted_sender: int = 0
