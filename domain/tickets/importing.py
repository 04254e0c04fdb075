"""Taking over a ticket from another desk, as it stands there."""

from typing import Any

from domain.customers import Tier
from domain.process import Decision, Forbidden, Invalid
from domain.tickets.clocks import begin
from domain.tickets.draft import Draft, Event
from domain.tickets.lifecycle import FINAL
from domain.tickets.model import ImportTicket, Status, Ticket
from domain.tickets.outcome import conclude
from domain.tickets.queueing import unresolved
from domain.tickets.surroundings import Surroundings


def take_over(command: ImportTicket, event: Event, around: Surroundings, ticket_id: Any) -> Decision[Ticket]:
    """The ticket with its own instants. What it promises counts from now on, if it is still open; nobody is told anything."""
    if not event.actor.staff:
        raise Forbidden("Importing takes the role ADMIN.", required_role="ADMIN")
    refuse_disorder(command, event)
    over = command.status in FINAL
    since = (command.closed_at if over else command.resolved_at) or command.created_at
    ticket = Ticket(
        id=ticket_id,
        number=around.number,
        external_ref=command.external_ref,
        status=command.status,
        status_since=since,
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
        assignee_id=command.assignee_id if around.assignee_known else None,
        team_id=command.team_id if around.team_known else None,
        language=command.language,
        cc=tuple(address.lower() for address in command.cc),
        created_at=command.created_at,
        updated_at=max(since, command.created_at, *(each.at for each in command.comments)),
        first_response_at=command.first_response_at,
        resolved_at=command.resolved_at or (since if command.status is Status.RESOLVED else None),
        closed_at=(command.closed_at or since) if over else None,
        resolutions=1 if command.resolved_at or command.status is Status.RESOLVED else 0,
        waits=1 if command.status is Status.PENDING_CUSTOMER else 0,
        acted_at=event.at if command.assignee_id else None,
    )
    if ticket.status is Status.PENDING_CUSTOMER:
        # The customer gets the whole time of this desk to answer.
        ticket = ticket.model_copy(update={"status_since": event.at})
    draft = Draft(ticket, event, around)
    if unresolved(ticket):
        begin(draft, event.at)
    return conclude(None, draft, command)


def refuse_disorder(command: ImportTicket, event: Event) -> None:
    """Refuse instants that lie in the future, or before the ticket was opened. Raises Invalid, naming each."""
    errors = [
        {"pointer": f"/{name}", "detail": "must lie between the ticket's creation and now", "code": "out_of_range"}
        for name, at in (
            ("createdAt", command.created_at),
            ("firstResponseAt", command.first_response_at),
            ("resolvedAt", command.resolved_at),
            ("closedAt", command.closed_at),
        )
        if at and not command.created_at <= at <= event.now
    ]
    if errors:
        raise Invalid("The ticket's instants are out of order.", errors)
