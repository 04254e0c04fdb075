"""Taking over a ticket from another desk, as it stands there."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from domain.customers import Tier
from domain.identity import Role
from domain.process import Conflict, Decision, Forbidden, Invalid
from domain.sla.clocks import ClockKind
from domain.tickets.clocks import begin, owe
from domain.tickets.commands import ImportComments, ImportedComment, ImportTicket
from domain.tickets.draft import Draft, Event
from domain.tickets.due import fall_due
from domain.tickets.lifecycle import FINAL
from domain.tickets.model import MOST_COPIES, Status, Ticket
from domain.tickets.outcome import conclude
from domain.tickets.queueing import unresolved
from domain.tickets.surroundings import Surroundings


class ImportOver(Conflict):
    """The ticket was not imported, or all that was said on it is there."""

    def __init__(self) -> None:
        super().__init__("No more comments are imported into this ticket.")


class Gist(NamedTuple):
    """What a conversation says of itself: when the staff first replied, when the customer last wrote, and whether that is unanswered."""

    first_response_at: datetime | None
    heard_at: datetime | None
    unanswered: bool


def gist(comments: Iterable[ImportedComment]) -> Gist:
    """The gist of what was said in public, in whatever order it comes. A ticket's description counts as neither."""
    public = [each for each in comments if not each.internal]
    answers = [each.at for each in public if each.author_role is not Role.CUSTOMER]
    asked = [each.at for each in public if each.author_role is Role.CUSTOMER]
    unanswered = bool(asked) and (not answers or max(asked) > max(answers))
    return Gist(min(answers, default=None), max(asked, default=None), unanswered)


def take_over(command: ImportTicket, event: Event, around: Surroundings, ticket_id: Any) -> Decision[Ticket]:
    """The ticket with its own instants. What it promises counts from now on, if it is still open; nobody is told anything."""
    require_admin(event)
    refuse_disorder(command, event)
    over, status = command.status in FINAL, command.status
    resolved = status is Status.RESOLVED
    last = max(filter(None, (command.created_at, command.updated_at, *(each.at for each in command.comments))))
    ended = command.closed_at or command.resolved_at or last
    own = command.customer_email.lower()
    copies = dict.fromkeys(each for each in map(str.lower, command.cc) if each != own)
    assignee = command.assignee_id if around.assignee_known else None
    ticket = Ticket(
        id=ticket_id,
        number=around.number,
        external_ref=command.external_ref,
        status=status,
        # Customers get the whole time of this desk: to answer where it waits for them, to reopen what is resolved.
        status_since=ended if over else event.at if resolved or status is Status.PENDING_CUSTOMER else last,
        customer_email=command.customer_email,
        subject=command.subject,
        priority=command.priority,
        severity=command.severity,
        channel=command.channel,
        category=command.category,
        sla_tier=around.account_tier or command.sla_tier or Tier.BASIC,
        tags=command.tags,
        fields=command.fields,
        account_id=around.account_id,
        assignee_id=assignee,
        team_id=command.team_id if around.team_known else None,
        language=command.language,
        cc=tuple(copies)[:MOST_COPIES],
        links=command.links,
        created_at=command.created_at,
        updated_at=max(filter(None, (last, command.resolved_at, command.closed_at))),
        first_response_at=command.first_response_at,
        resolved_at=command.resolved_at or ended if resolved else command.resolved_at if over else None,
        closed_at=ended if over else None,
        resolutions=1 if resolved or (over and command.resolved_at) else 0,
        waits=1 if status is Status.PENDING_CUSTOMER else 0,
        acted_at=event.at if assignee and not over else None,
        heard_at=command.heard_at,
        incomplete=command.incomplete,
    )
    draft = Draft(ticket, event, around)
    if unresolved(ticket):
        promise(draft, unanswered=command.unanswered)
    return conclude(None, draft, command)


def promise(draft: Draft, *, unanswered: bool) -> None:
    """What the desk owes from now on: a first answer if there was none, else the next one where the customer waits for it."""
    at, terms = draft.event.at, draft.around.terms
    if unanswered:
        draft.set(unanswered=(at,))
    if draft.ticket.first_response_at is None:
        begin(draft, at)
    elif terms:
        owe(draft, terms, ClockKind.RESOLUTION, at)
        if unanswered:
            owe(draft, terms, ClockKind.NEXT_RESPONSE, at)


def go_on(draft: Draft, command: ImportComments) -> None:
    """Take more of what was said on an imported ticket; it changes nothing else. Raises ImportOver."""
    require_admin(draft.event)
    if not draft.ticket.incomplete:
        raise ImportOver
    if draft.ticket.status not in FINAL:
        fall_due(draft, draft.event.at, inclusive=False)
    draft.set(incomplete=not command.last)


def require_admin(event: Event) -> None:
    """Refuse everybody else. Raises Forbidden."""
    if event.actor.role is not Role.ADMIN:
        raise Forbidden("Importing takes the role ADMIN.", required_role=Role.ADMIN)


def refuse_disorder(command: ImportTicket, event: Event) -> None:
    """Refuse instants that lie in the future, or before the ticket was opened. Raises Invalid, naming each.

    Other desks have comments that are a moment older than their ticket, so those are only kept out of the future.
    """
    errors = [
        {"pointer": pointer, "detail": "must lie between the ticket's creation and now", "code": "out_of_range"}
        for pointer, at in (
            ("/createdAt", command.created_at),
            ("/updatedAt", command.updated_at),
            ("/firstResponseAt", command.first_response_at),
            ("/resolvedAt", command.resolved_at),
            ("/closedAt", command.closed_at),
        )
        if at and not command.created_at <= at <= event.now
    ]
    errors += [
        {"pointer": f"/comments/{n}/at", "detail": "must not lie in the future", "code": "out_of_range"}
        for n, each in enumerate(command.comments)
        if each.at > event.now
    ]
    if errors:
        raise Invalid("The ticket's instants are out of order.", errors)
