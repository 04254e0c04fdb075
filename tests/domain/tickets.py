"""Tickets as their rules see them: one in any status, and what a command does to it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.customers import ContactChannel, Tier
from domain.identity import Actor, Role
from domain.process import Command, Deadline, Decision
from domain.tickets.commands import AddComment, ChangeTicket, CreateTicket
from domain.tickets.decide import decide
from domain.tickets.draft import Event
from domain.tickets.lifecycle import deadlines
from domain.tickets.model import Policy, Priority, Severity, Status, Ticket
from domain.tickets.surroundings import Surroundings

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TICKET_ID = UUID("00000000-0000-8000-8000-000000000001")
SOMEBODY = UUID(int=0xA)
ACCOUNT = UUID(int=0xACC)
OFF = timedelta(0)

AGENT = Actor(id=UUID(int=0xA9), role=Role.AGENT, name="Alex Agent", email="alex@desk.example")
CUSTOMER = Actor(id=UUID(int=0xC0), role=Role.CUSTOMER, name="Casey Customer", email="casey@shop.example")
STRANGER = Actor(id=UUID(int=0x57), role=Role.CUSTOMER, name="Sam Stranger", email="sam@elsewhere.example")


def creation(**fields: Any) -> CreateTicket:
    """A creating command that only names what a test is about."""
    given = {"customer_email": CUSTOMER.email, "subject": "No dashboard", "description": "It answers 403."}
    return CreateTicket(**(given | fields))


def ticket(status: Status = Status.OPEN, **fields: Any) -> Ticket:
    """A ticket that entered `status` at START."""
    given: dict[str, Any] = {
        "id": TICKET_ID,
        "number": 1042,
        "status": status,
        "status_since": START,
        "customer_email": CUSTOMER.email,
        "subject": "No dashboard",
        "priority": Priority.MEDIUM,
        "severity": Severity.SEV3,
        "channel": ContactChannel.PORTAL,
        "sla_tier": Tier.BASIC,
        "created_at": START,
        "updated_at": START,
    }
    if status is Status.PENDING_CUSTOMER:
        given |= {"waits": 1}
    if status is Status.RESOLVED:
        given |= {"resolved_at": START, "resolutions": 1, "first_response_at": START}
    if status in (Status.CLOSED, Status.CANCELLED):
        given |= {"closed_at": START}
    return Ticket(**(given | fields))


def after(
    command: Command,
    before: Ticket | None = None,
    at: datetime = START,
    *,
    by: Actor = AGENT,
    late: timedelta = timedelta(0),
    policy: Policy | None = None,
    **around: Any,
) -> Decision[Ticket]:
    """The decision on `command`, which happened at `at` and is decided `late` after."""
    surroundings = Surroundings(policy=policy or Policy(), **({"number": 1042} | around))
    return decide(before, command, Event(at=at, now=at + late, actor=by), surroundings, TICKET_ID)


def move(to: Status) -> ChangeTicket:
    """A PATCH of the status."""
    return ChangeTicket(status=to)


def reply(**fields: Any) -> AddComment:
    """A comment that only names what a test is about."""
    return AddComment(**({"comment_id": UUID(int=0xC0FFEE), "body": "Is it well now?"} | fields))


def open_promises(of: Ticket, policy: Policy | None = None) -> dict[str, Deadline]:
    """What a ticket has open, by kind."""
    return {deadline.kind: deadline for deadline in deadlines(of, policy or Policy())}


def settled(decision: Decision[Ticket]) -> list[tuple[str, int, str, datetime]]:
    """How promises ended in a decision: kind, cycle, state, instant."""
    return [(end.kind, end.cycle, end.state.value, end.settled_at) for end in decision.settled]


def told(decision: Decision[Ticket]) -> list[tuple[str, str]]:
    """Who is told what by a decision."""
    return [(notice.template, notice.recipient) for notice in decision.notices]
