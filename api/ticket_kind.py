"""What a ticket's workflow is started with: its kind, search attributes and summary."""

from typing import Final

from api.processes import Kind
from domain.customers import Tier
from domain.tickets.commands import CreateTicket, ImportTicket
from domain.tickets.model import Status


def foreseen(command: CreateTicket | ImportTicket) -> dict[str, str]:
    """The search attributes that a new ticket will most likely have; the decision corrects what turns out otherwise."""
    opened = Status.OPEN if command.assignee_id else Status.NEW
    status = command.status if isinstance(command, ImportTicket) else opened
    tier = command.sla_tier or Tier.BASIC
    found = {"SupStatus": status.value, "SupSeverity": command.severity.value, "SupTier": tier.value}
    return found | ({"SupAssignee": str(command.assignee_id)} if command.assignee_id else {})


TICKET: Final = Kind(
    name="ticket",
    summary=lambda command: f"{command.severity} {command.priority} by {command.channel}",
    attributes=foreseen,
)
