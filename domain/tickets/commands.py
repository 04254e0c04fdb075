"""The commands that a ticket takes, as they travel: what each one asks for, and nothing of what comes of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from domain.customers import ContactChannel, Tier
from domain.identity import Role
from domain.process import Command, Frozen, Wake
from domain.sla.clocks import ClockKind
from domain.tickets.model import Call, Link, Priority, Severity, Status


class NewTicketFields(Command):
    """What a ticket is given at its beginning, however it comes to be; the files of `attachment_ids` were stored before."""

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
    language: str | None = None
    cc: tuple[str, ...] = ()
    attachment_ids: tuple[UUID, ...] = ()


class CreateTicket(NewTicketFields):
    """Open a ticket. `opening` is the first public comment of a follow-up.

    `automatic` marks what a machine wrote: nobody acknowledges it. `quoted` is the folded part of a mail, `watchers` are of the
    staff and were copied in, `linked` are tickets that the same message opened in other mailboxes.
    """

    type: Literal["create"] = "create"
    follow_up_of: UUID | None = None
    opening: str | None = None
    mailbox_id: UUID | None = None
    automatic: bool = False
    quoted: str | None = None
    linked: tuple[UUID, ...] = ()
    watchers: tuple[UUID, ...] = ()


class ImportedComment(Frozen):
    """A comment that was made on another desk."""

    comment_id: UUID
    body: str
    internal: bool = False
    author_name: str
    author_role: Role
    author_id: UUID | None = None
    at: datetime


class ImportTicket(NewTicketFields):
    """Take over a ticket of another desk as it stands there; `external_ref` is its id there, such as `zendesk:1042`.

    Promises of a ticket that is still open count from now on; nobody is told anything. `heard_at` is when its customer last wrote,
    `unanswered` whether nobody has replied to that. `incomplete` announces that more comments follow, by ImportComments.
    """

    type: Literal["import"] = "import"
    external_ref: str
    status: Status
    links: tuple[Link, ...] = ()
    created_at: datetime
    updated_at: datetime | None = None
    first_response_at: datetime | None = None
    heard_at: datetime | None = None
    unanswered: bool = False
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    comments: tuple[ImportedComment, ...] = ()
    incomplete: bool = False


class ImportComments(Command):
    """Comments of an imported ticket that were too many for one command; with the `last` ones the ticket is as it was there."""

    type: Literal["import_comments"] = "import_comments"
    comments: tuple[ImportedComment, ...]
    last: bool = False


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
    language: str | None = None
    reason: str | None = None
    expected_versions: tuple[int, ...] | None = None


class AddComment(Command):
    """Say something on a ticket, to the customer or (internal) among the staff; `status` moves it in the same decision.

    `occurred_at` (leads with a reason, and mail by the instant at which it came) dates what happened before it was recorded.
    `via` says how it came when that is not the ticket's own channel. `automatic` marks what a machine wrote, which answers and
    asks nothing; `quoted` is the folded part of a mail; `cc` adds addresses to the conversation. `through` is the ticket
    merged into this one through which a reply on `addressed` has come here.
    """

    type: Literal["comment"] = "comment"
    comment_id: UUID
    body: str
    internal: bool = False
    status: Status | None = None
    occurred_at: datetime | None = None
    reason: str | None = None
    via: ContactChannel | None = None
    automatic: bool = False
    quoted: str | None = None
    cc: tuple[str, ...] = ()
    attachment_ids: tuple[UUID, ...] = ()
    mentions: tuple[UUID, ...] = ()
    call: Call | None = None
    through: UUID | None = None
    addressed: UUID | None = None


class ApplyMacro(Command):
    """Do what a macro says in one decision: the change first, then the comment.

    `add_tags` and `remove_tags` meet the tags of then; `set_fields` are laid over the custom fields of then, null ends one.
    """

    type: Literal["macro"] = "macro"
    template_id: UUID
    name: str
    change: ChangeTicket | None = None
    comment: AddComment | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    set_fields: dict[str, Any] = {}


class Merge(Command):
    """Close this ticket as one with `into_id`, where its conversation goes on."""

    type: Literal["merge"] = "merge"
    into_id: UUID
    reason: str | None = None


class Absorb(Command):
    """Take in what a ticket that was merged into this one leaves behind: its customer's unanswered messages, and who listens.

    `first_asked` is since when its customer was promised a first answer, if there was none.
    """

    type: Literal["absorb"] = "absorb"
    source_id: UUID
    source_number: int
    unanswered: tuple[datetime, ...] = ()
    first_asked: datetime | None = None
    cc: tuple[str, ...] = ()
    watchers: tuple[UUID, ...] = ()


class Relate(Command):
    """Link a ticket, or have somebody watch it or copied in; `remove` ends that."""

    type: Literal["relate"] = "relate"
    link: Link | None = None
    watcher_id: UUID | None = None
    cc: str | None = None
    remove: bool = False


class Assign(Command):
    """Give a ticket that waits in its team's queue to whoever has room for it. Refused while nobody has."""

    type: Literal["assign"] = "assign"


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


AnyCommand = (
    CreateTicket
    | ImportTicket
    | ImportComments
    | ChangeTicket
    | AddComment
    | ApplyMacro
    | Merge
    | Absorb
    | Relate
    | Assign
    | AdjustClock
    | Reapply
    | Wake
)
TicketCommand = Annotated[AnyCommand, Field(discriminator="type")]
TICKET_COMMAND: TypeAdapter[AnyCommand] = TypeAdapter(TicketCommand)


def change_in(command: Command) -> ChangeTicket | None:
    """The change of fields that a command asks for, by itself or as a part of more."""
    found = command.change if isinstance(command, ApplyMacro) else command
    return found if isinstance(found, ChangeTicket) else None


def comment_in(command: Command) -> AddComment | None:
    """What a command says, by itself or beside what else it does."""
    found = command.comment if isinstance(command, ApplyMacro) else command
    return found if isinstance(found, AddComment) else None
