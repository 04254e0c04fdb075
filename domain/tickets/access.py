"""Who sees a ticket, and who may say something on one that they do not see."""

from uuid import UUID

from domain.customers import ContactChannel
from domain.identity import Actor
from domain.tickets.commands import AddComment
from domain.tickets.model import Ticket


def sees(actor: Actor, account_id: UUID | None, address: str | None) -> bool:
    """Staff see all tickets of their tenant; customers those of their account, and those asked under their address.

    Being copied in shows nothing. `seen_by` in `db/tickets/reads.py` says the same in SQL.
    """
    if actor.staff:
        return True
    of_account = actor.account_id is not None and account_id == actor.account_id
    return of_account or (address is not None and address.lower() == actor.email.lower())


def joins(actor: Actor, ticket: Ticket, command: AddComment) -> bool:
    """Whether somebody may comment without seeing the ticket: who is copied in by mail, and whoever comes through a merged one."""
    copied = command.via is ContactChannel.EMAIL and actor.email.lower() in ticket.cc
    return copied or (command.through is not None and command.through in ticket.merged_from)
