"""What the desk knows about a mail's sender and the tickets that the mail may belong to, read before it is judged."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from domain.identity import Role
from domain.process import Frozen
from domain.tickets.model import Priority, Severity, Status


class Mailbox(Frozen):
    """The mailbox to which it came; its mail becomes this team's, in this category."""

    id: UUID
    address: str
    team_id: UUID | None = None
    category: str | None = None


class User(Frozen):
    """An active user with the sender's address."""

    id: UUID
    role: Role
    name: str
    account_id: UUID | None = None

    @property
    def staff(self) -> bool:
        """Whether they work for the desk."""
        return self.role is not Role.CUSTOMER


class Candidate(Frozen):
    """A ticket that a mail may belong to."""

    id: UUID
    number: int
    status: Status
    customer_email: str
    subject: str
    priority: Priority
    severity: Severity
    category: str | None = None
    cc: tuple[str, ...] = ()
    account_id: UUID | None = None
    mailbox_id: UUID | None = None
    created_at: datetime


class Notice(Frozen):
    """A mail of ours that the mail is about: to whom, and about which ticket; `signed` when only who got it can know that."""

    id: UUID
    signed: bool = False
    address: str | None = None
    ticket_id: UUID | None = None


class Facts(Frozen):
    """What was found.

    `slug` is the tenant's, `addresses` are its mailboxes'. `account_id` is that of the sender's domain. `token` is the
    ticket of a valid signed address; `proven` says that it was signed for the sender, one of the staff, `noted` that it
    stands under a note. `referred` are those of the mails that this one answers, the newest first, `numbered` the one that
    the subject names; `notice` is what a bounce is about. `own` says that this is a mail of ours. `twins` are tickets to
    which the same mail came by other mailboxes, `said` the comments that it became there.
    """

    slug: str
    mailbox: Mailbox
    addresses: frozenset[str] = frozenset()
    user: User | None = None
    account_id: UUID | None = None
    tickets: Mapping[UUID, Candidate] = {}
    token: UUID | None = None
    proven: bool = False
    noted: bool = False
    referred: tuple[UUID, ...] = ()
    numbered: UUID | None = None
    notice: Notice | None = None
    own: bool = False
    twins: tuple[UUID, ...] = ()
    said: Mapping[UUID, UUID] = {}

    def ticket(self, ticket_id: UUID | None) -> Candidate | None:
        """A ticket that was found."""
        return self.tickets.get(ticket_id) if ticket_id is not None else None
