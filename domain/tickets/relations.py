"""What a ticket hangs together with: links, watchers among the staff, and addresses that are copied in."""

from typing import Any
from uuid import UUID

from domain.process import Forbidden, Invalid
from domain.tickets.commands import Relate
from domain.tickets.draft import Draft
from domain.tickets.model import MOST_COPIES, MOST_LINKS, MOST_WATCHERS, LinkKind


def relate(draft: Draft, command: Relate) -> None:
    """Add or remove a link, a watcher or a copied address; what is there already, or gone, changes nothing."""
    if not draft.event.actor.staff:
        raise Forbidden("Links and watchers take the role AGENT.", required_role="AGENT")
    ticket, around = draft.ticket, draft.around
    if command.link is not None:
        if not command.remove:
            if command.link.type is LinkKind.TICKET and command.link.target_id == ticket.id:
                raise refused("/targetId", "must be another ticket", "self")
            if not around.link_known:
                raise refused("/targetId", "does not exist", "unknown")
        draft.set(links=kept(ticket.links, command.link, command.remove, MOST_LINKS, "/targetId"))
    if command.watcher_id is not None:
        if not command.remove and not around.watcher_known:
            raise refused("/userId", "is not an active member of the staff", "unknown")
        draft.set(watchers=kept(ticket.watchers, command.watcher_id, command.remove, MOST_WATCHERS, "/userId"))
    if command.cc is not None:
        address = command.cc.lower()
        if not command.remove and address == ticket.customer_email.lower():
            raise refused("/email", "is the customer's own", "self")
        draft.set(cc=kept(ticket.cc, address, command.remove, MOST_COPIES, "/email"))


def watch(draft: Draft, *people: UUID) -> None:
    """Have people of the staff watch the ticket, as far as there is room."""
    draft.set(watchers=tuple(dict.fromkeys((*draft.ticket.watchers, *people)))[:MOST_WATCHERS])


def copy_in(draft: Draft, addresses: tuple[str, ...]) -> None:
    """Copy addresses in, as far as there is room; the customer's own is no copy."""
    own = draft.ticket.customer_email.lower()
    wanted = [each for each in map(str.lower, addresses) if each != own]
    if wanted:
        draft.set(cc=tuple(dict.fromkeys((*draft.ticket.cc, *wanted)))[:MOST_COPIES])


def kept(there: tuple[Any, ...], item: Any, remove: bool, most: int, pointer: str) -> tuple[Any, ...]:
    """A list with the item, or without it. Raises Invalid when it is full."""
    if remove:
        return tuple(each for each in there if each != item)
    if item in there:
        return there
    if len(there) >= most:
        raise refused(pointer, f"would be the {most + 1}th; a ticket has at most {most}", "too_many")
    return (*there, item)


def refused(pointer: str, detail: str, code: str) -> Invalid:
    """A relation that cannot be."""
    return Invalid("The ticket cannot be related like this.", [{"pointer": pointer, "detail": detail, "code": code}])
