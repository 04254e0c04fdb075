"""What a ticket is, and the commands that it takes."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from domain.customers import ContactChannel, Tier
from domain.process import Command, Frozen, Wake
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


MOST_UNANSWERED: Final = 16


class Ticket(Frozen):
    """A ticket's state. Texts longer than a line stay in Postgres; instants are aware UTC.

    `version` moves when a field that can be patched has moved. `waits` and `resolutions` count how often the ticket began to
    wait for its customer and was resolved: they are the cycles of its deadlines, as `escalations` and `credits` are of theirs.
    `clocks` holds the latest cycle of each kind; `fired` the escalation rules that fired on no clock; `acted_at` is when its
    assignee was given it, last did something, or was last left with it by its customer. `unanswered` are the instants of the
    customer's messages that nobody has replied to: of more than MOST_UNANSWERED the oldest, and the last.
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
    escalations: int = 0
    credits: int = 0
    version: int = 1

    def clock(self, kind: ClockKind) -> Clock | None:
        """The latest clock of a kind, if there ever was one."""
        return next((clock for clock in self.clocks if clock.kind is kind), None)


class Policy(Frozen):
    """The tenant's settings that rule tickets; zero turns a reminder or an auto-resolve off."""

    remind_after: timedelta = timedelta(days=3)
    resolve_after: timedelta = timedelta(days=7)
    reopen_grace: timedelta = timedelta(days=7)


class CreateTicket(Command):
    """Open a ticket. `opening` is the first public comment of a follow-up."""

    type: Literal["create"] = "create"
    customer_email: str
    subject: str
    description: str
    priority: Priority = Priority.MEDIUM
    severity: Severity = Severity.SEV3
    channel: ContactChannel = ContactChannel.API
    category: str | None = None
    sla_tier: Tier | None = None
    tags: tuple[str, ...] = ()
    fields: dict[str, Any] = {}
    assignee_id: UUID | None = None
    team_id: UUID | None = None
    follow_up_of: UUID | None = None
    opening: str | None = None


class ChangeTicket(Command):
    """Change the fields that are set (`model_fields_set` says which); `expected_versions` come from If-Match."""

    type: Literal["change"] = "change"
    status: Status | None = None
    priority: Priority | None = None
    severity: Severity | None = None
    category: str | None = None
    subject: str | None = None
    description: str | None = None
    sla_tier: Tier | None = None
    assignee_id: UUID | None = None
    team_id: UUID | None = None
    tags: tuple[str, ...] | None = None
    fields: dict[str, Any] | None = None
    reason: str | None = None
    expected_versions: tuple[int, ...] | None = None


class AddComment(Command):
    """Say something on a ticket, to the customer or (internal) among the staff; `status` moves it in the same decision.

    `occurred_at` (leads only, with a reason) dates a reply that happened before it was recorded.
    """

    type: Literal["comment"] = "comment"
    comment_id: UUID
    body: str
    internal: bool = False
    status: Status | None = None
    occurred_at: datetime | None = None
    reason: str | None = None


class ClockAction(StrEnum):
    """What a lead can do to a clock by hand."""

    PAUSE = "PAUSE"
    RESUME = "RESUME"
    WAIVE = "WAIVE"


class AdjustClock(Command):
    """Pause, resume or give up one promise, for a reason."""

    type: Literal["clock"] = "clock"
    kind: ClockKind
    action: ClockAction
    reason: str


class Reapply(Command):
    """Put the open clock of a definition on its version of today; what was used up of the clock is carried over."""

    type: Literal["reapply"] = "reapply"
    definition_id: UUID


AnyCommand = CreateTicket | ChangeTicket | AddComment | AdjustClock | Reapply | Wake
TicketCommand = Annotated[AnyCommand, Field(discriminator="type")]
TICKET_COMMAND: TypeAdapter[AnyCommand] = TypeAdapter(TicketCommand)
