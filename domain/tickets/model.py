"""What a ticket is, and what it is made of."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from domain.customers import ContactChannel, Tier
from domain.process import Frozen
from domain.sla.clocks import Clock, ClockKind, Fired


class Status(StrEnum):
    """Where a ticket stands (guide: Ticket Lifecycle)."""

    NEW = "NEW"
    OPEN = "OPEN"
    IN_PROGRESS = "IN_PROGRESS"
    PENDING_CUSTOMER = "PENDING_CUSTOMER"
    PENDING_INTERNAL = "PENDING_INTERNAL"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


class Priority(StrEnum):
    """How soon the desk should look at it."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    URGENT = "URGENT"


class Severity(StrEnum):
    """How badly the customer is hit; SEV1 is worst."""

    SEV1 = "SEV1"
    SEV2 = "SEV2"
    SEV3 = "SEV3"
    SEV4 = "SEV4"


class LinkKind(StrEnum):
    """What a ticket can be linked to."""

    ARTICLE = "ARTICLE"
    INCIDENT = "INCIDENT"
    TICKET = "TICKET"


class Link(Frozen):
    """A ticket's link to something else of the tenant."""

    type: LinkKind
    target_id: UUID


class Direction(StrEnum):
    """Who called whom: INBOUND is the customer's call."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class Call(Frozen):
    """A call on the phone; one of no seconds was missed."""

    direction: Direction
    seconds: int = Field(ge=0)


class Method(StrEnum):
    """How a team's tickets find an agent."""

    LEAST_LOADED = "LEAST_LOADED"
    ROUND_ROBIN = "ROUND_ROBIN"
    MANUAL = "MANUAL"


class Route(Frozen):
    """How a rule sent a ticket to its team, and whom of the team it needs; it is kept while the ticket waits for an agent.

    `declined_by` are those from whom it was taken by hand: the queue does not give it to them again.
    """

    rule_id: UUID
    method: Method
    skills: tuple[str, ...] = ()
    declined_by: tuple[UUID, ...] = ()


MOST_UNANSWERED: Final = 16
MOST_WATCHERS: Final = 50
MOST_COPIES: Final = 20
MOST_LINKS: Final = 50
MOST_MERGED: Final = 64


class Ticket(Frozen):
    """A ticket's state. Texts longer than a line stay in Postgres; instants are aware UTC.

    `version` moves when a field that can be patched has moved. `waits` and `resolutions` count how often the ticket began to
    wait for its customer and was resolved: they are the cycles of its deadlines, as `escalations` and `credits` are of theirs.
    `clocks` holds the latest cycle of each kind; `fired` the escalation rules that fired on no clock; `acted_at` is when its
    assignee was given it, last did something, or was last left with it by its customer. `unanswered` are the instants of the
    customer's messages that nobody has replied to: of more than MOST_UNANSWERED the oldest, and the last. `heard_at` is the last
    of them all. `cc` are addresses that hear what the customer is told, and may answer by mail; `watchers` are of the staff.
    `reopened_by_mail` holds the last few instants at which a mail reopened it. `incomplete` says that comments of an import are
    still to come: until then even a closed ticket's process goes on.
    """

    id: UUID
    number: int
    status: Status
    status_since: datetime
    customer_email: str
    subject: str
    priority: Priority
    severity: Severity
    channel: ContactChannel
    category: str | None = None
    sla_tier: Tier
    tags: tuple[str, ...] = ()
    fields: dict[str, Any] = {}
    account_id: UUID | None = None
    requester_id: UUID | None = None
    assignee_id: UUID | None = None
    team_id: UUID | None = None
    follow_up_of: UUID | None = None
    merged_into: UUID | None = None
    merged_from: tuple[UUID, ...] = ()
    external_ref: str | None = None
    mailbox_id: UUID | None = None
    language: str | None = None
    cc: tuple[str, ...] = ()
    watchers: tuple[UUID, ...] = ()
    links: tuple[Link, ...] = ()
    route: Route | None = None
    created_at: datetime
    updated_at: datetime
    first_response_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    waits: int = 0
    reminded: bool = False
    resolutions: int = 0
    reopens: int = 0
    clocks: tuple[Clock, ...] = ()
    fired: tuple[Fired, ...] = ()
    acted_at: datetime | None = None
    unanswered: tuple[datetime, ...] = ()
    heard_at: datetime | None = None
    reopened_by_mail: tuple[datetime, ...] = ()
    incomplete: bool = False
    escalations: int = 0
    credits: int = 0
    version: int = 1

    def clock(self, kind: ClockKind) -> Clock | None:
        """The latest clock of a kind, if there ever was one."""
        return next((clock for clock in self.clocks if clock.kind is kind), None)


class Policy(Frozen):
    """The tenant's settings that rule tickets; zero turns a reminder or an auto-resolve off.

    `acknowledge` tells customers at once that their request has come; `merge_reopens` reopens a resolved ticket into which
    one is merged whose customer waits.
    """

    remind_after: timedelta = timedelta(days=3)
    resolve_after: timedelta = timedelta(days=7)
    reopen_grace: timedelta = timedelta(days=7)
    acknowledge: bool = True
    merge_reopens: bool = True
