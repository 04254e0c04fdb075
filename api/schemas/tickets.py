"""Tickets on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticKnownError

from api.schemas.attachments import AttachmentIds
from api.schemas.common import (
    Body,
    Email,
    Instant,
    JsonObject,
    KnownEmail,
    OwnTenant,
    Resource,
    SearchText,
    View,
    Word,
    one_line,
    says_something,
    storable,
)
from domain.customers import ContactChannel, Tier
from domain.tickets.model import LinkKind, Method, Priority, Severity, Status
from domain.tickets.standing import SlaState

Subject = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(one_line)
]
Description = Annotated[
    str, StringConstraints(min_length=1, max_length=100_000), AfterValidator(storable), AfterValidator(says_something)
]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), AfterValidator(storable)
]


def unique(tags: list[str]) -> list[str]:
    """Tags in the order given, each once."""
    return list(dict.fromkeys(tags))


Tags = Annotated[list[Word], Field(max_length=50), AfterValidator(unique)]

Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
"""A language as in BCP 47: `de`, `pt-BR`."""

UNSET: Any = None
"""The default of a field that may be left out and may not be null."""

SORT = Literal[
    "createdAt", "-createdAt", "updatedAt", "-updatedAt", "priority", "-priority", "nextDeadline", "-nextDeadline"
]

EXAMPLE: dict[str, Any] = {
    "customerEmail": "customer@example.com",
    "subject": "Unable to access dashboard",
    "description": "Getting 403 error when accessing /dashboard",
    "priority": "HIGH",
    "severity": "SEV2",
    "channel": "EMAIL",
    "category": "Technical Issue",
    "slaTier": "ENTERPRISE",
}


ABSENT: Any = Field(default_factory=object)
"""The default of a field that may be left out of a request only when a template gives it."""


def unless_templated(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """A validator of what a request must say, unless it names a template; then it is None until that has filled it in."""
    if type(value) is not object:
        return validate(value)
    if info.data.get("template_id", value) is None:
        raise PydanticKnownError("missing")
    return None


class NewTicket(Body):
    """A request for help: a subject and a description at least, which a template may give instead (`templateId`, for the staff).

    The account of the customer, when one is known, decides the tier.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    tenant_id: OwnTenant | None = None
    template_id: Annotated[
        UUID | None, Field(description="Gives what the request leaves out: subject, description, and more.")
    ] = None
    customer_email: Email
    subject: Annotated[Subject, WrapValidator(unless_templated), Field(validate_default=True)] = ABSENT
    description: Annotated[Description, WrapValidator(unless_templated), Field(validate_default=True)] = ABSENT
    priority: Priority = Priority.MEDIUM
    severity: Severity = Severity.SEV3
    channel: ContactChannel | None = None
    category: Word | None = None
    sla_tier: Tier | None = None
    tags: Tags = []
    fields: JsonObject = {}
    assignee_id: UUID | None = None
    team_id: UUID | None = None
    language: Language | None = None
    cc: Annotated[list[Email], Field(max_length=20)] = []
    attachment_ids: AttachmentIds = []


class TicketPatch(Body):
    """Only the fields that are sent change; `null` clears category, assignee and team."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "PENDING_CUSTOMER", "assigneeId": None}]})

    status: Status = UNSET
    priority: Priority = UNSET
    severity: Severity = UNSET
    category: Word | None = None
    subject: Subject = UNSET
    description: Description = UNSET
    sla_tier: Tier = UNSET
    assignee_id: UUID | None = None
    team_id: UUID | None = None
    tags: Tags = UNSET
    fields: JsonObject = UNSET
    language: Language | None = None
    reason: Reason = UNSET


class MergeBody(Body):
    """The ticket in which the conversation goes on."""

    into_id: UUID
    reason: Reason | None = None


class LinkBody(Body):
    """What to link the ticket with."""

    type: LinkKind
    target_id: UUID


class WatcherBody(Body):
    """A colleague who is to hear what happens on the ticket."""

    user_id: UUID


class CopyBody(Body):
    """An address that is to hear what the customer is told, and may answer."""

    email: Email


class LinkView(View):
    """A link as a ticket keeps it."""

    type: LinkKind
    target_id: UUID


class LinkedView(LinkView):
    """A link with what is at its other end; `outgoing` ones are the ticket's own."""

    outgoing: bool
    number: str | None = Field(examples=["SUP-1042"])
    subject: str | None
    status: Status | None


class RouteView(View):
    """How a rule sent the ticket to its team; it waits in the team's queue while it has no assignee."""

    rule_id: UUID
    method: Method
    skills: list[str]


class SlaStanding(View):
    """How a ticket stands with its promises, and the next one to the customer that falls due; one that is late is not ahead."""

    state: SlaState
    next_deadline_at: datetime | None
    next_kind: str | None = Field(examples=["FIRST_RESPONSE"])


class TicketView(Resource):
    """A ticket, with the moves that it may make next and its next open promise."""

    number: str = Field(examples=["SUP-1042"])
    status: Status
    status_since: datetime
    customer_email: str
    subject: str
    description: str
    priority: Priority
    severity: Severity
    channel: ContactChannel
    category: str | None
    sla_tier: Tier
    tags: list[str]
    fields: dict[str, Any]
    account_id: UUID | None
    requester_id: UUID | None
    assignee_id: UUID | None
    team_id: UUID | None
    follow_up_of: UUID | None
    merged_into: UUID | None
    external_ref: str | None = Field(description="Its id on the desk that it was imported from.")
    mailbox_id: UUID | None
    language: str | None
    cc: list[str]
    watchers: list[UUID] = Field(description="Colleagues who are told; customers see none.")
    links: list[LinkView]
    route: RouteView | None = Field(description="Only the staff see it.")
    first_response_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    reopens: int
    satisfaction: int | None = Field(ge=1, le=5, description="How the customer rated its latest resolution.")
    sla: SlaStanding
    allowed_transitions: list[Status]


class TicketQuery(Body):
    """Filters, order and page of the ticket list; a repeated filter means any of its values."""

    q: Annotated[
        SearchText | None,
        Field(
            description='Words that one text of the ticket (subject and description, or a comment) holds: `word "a phrase" '
            "-without or`; also a number (`SUP-1042`) or a customer's whole address."
        ),
    ] = None
    status: list[Status] = []
    severity: list[Severity] = []
    priority: list[Priority] = []
    sla_tier: list[Tier] = []
    category: list[Word] = []
    channel: list[ContactChannel] = []
    assignee_id: list[UUID] = []
    unassigned: Annotated[
        bool | None, Field(description="true: only tickets that nobody has; false: only those that somebody has.")
    ] = None
    team_id: list[UUID] = []
    account_id: list[UUID] = []
    tag: Annotated[list[Word], Field(description="Tickets with any of these tags.")] = []
    field: Annotated[
        list[Annotated[str, Field(pattern=r"^[^:]{1,100}:[^\x00]{1,200}$", examples=["region:EU"])]],
        Field(
            max_length=20,
            description="`key:value`: tickets whose custom field has this value, a multiple choice among others. Several values of"
            " one key: any of them; several keys: all of them.",
        ),
    ] = []
    customer_email: KnownEmail | None = None
    sla_state: Annotated[
        list[SlaState],
        Field(
            description="`ok`, `at_risk` (a clock has used three quarters of its target) and `paused`: tickets with a promise that"
            " is open. `breached`: with one that was broken and not waived, those that are over included."
        ),
    ] = []
    created_from: Annotated[Instant | None, Field(description="Created at this instant or later.")] = None
    created_to: Annotated[Instant | None, Field(description="Created before this instant.")] = None
    due_before: Annotated[Instant | None, Field(description="With `sla.nextDeadlineAt` before this instant.")] = None
    sort: Annotated[
        SORT,
        Field(
            description="`-` means descending; by deadline, overdue ones come first and those without a deadline last."
        ),
    ] = "-createdAt"
    limit: Annotated[int, Field(ge=1, le=100)] = 25
    cursor: Annotated[str, Field(max_length=500)] | None = None
