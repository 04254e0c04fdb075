"""Who an escalation means on a ticket, as the dispatcher understands it: a person, or words that it looks up when it delivers."""

from domain.sla.escalation import Notify
from domain.tickets.model import Ticket


def recipient(action: Notify, ticket: Ticket) -> str:
    """A user's id, or `role:LEAD`, `team:<id>`, `lead:<id of a team, or nothing>`, `oncall:<id of a team, or nothing>`.

    A ticket that nobody works on is its team lead's to hear of.
    """
    match action.to:
        case "ASSIGNEE":
            return str(ticket.assignee_id) if ticket.assignee_id else lead_of(ticket)
        case "TEAM_LEAD":
            return lead_of(ticket)
        case "ON_CALL":
            return on_call_of(ticket)
        case "USER":
            return str(action.id)
        case "TEAM":
            return f"team:{action.id}"
        case "ROLE":
            return f"role:{action.role}"


def lead_of(ticket: Ticket) -> str:
    """The lead of the ticket's team."""
    return f"lead:{ticket.team_id or ''}"


def on_call_of(ticket: Ticket) -> str:
    """Whoever is on call for the ticket's team."""
    return f"oncall:{ticket.team_id or ''}"
