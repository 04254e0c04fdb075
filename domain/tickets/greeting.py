"""The answer that a customer gets at once: that the request has come, and when to expect somebody."""

from datetime import timedelta
from typing import Final

from domain.customers import ContactChannel
from domain.mail.threads import topic
from domain.sla.clocks import ClockKind, last_due
from domain.tickets.commands import CreateTicket
from domain.tickets.draft import Draft

GREETED: Final = frozenset({ContactChannel.EMAIL, ContactChannel.PORTAL})
"""The channels on which a customer sees nobody; who chats, calls or programs knows that the request has come."""

ACKNOWLEDGED: Final = "ticket_received"

MOST_OF_SUBJECT: Final = 2
MOST_OF_SENDER: Final = 10
WINDOW: Final = timedelta(minutes=180)
"""Two machines that answer each other fall silent: at most so many acknowledgements to one sender within this time."""


def subject_key(subject: str) -> str:
    """A subject without what mail programs put before it: the same for all mails of one conversation."""
    return " ".join(topic(subject).split()).casefold()[:200]


def acknowledge(draft: Draft, command: CreateTicket) -> None:
    """Tell the customer that the request has come, unless a machine wrote it or has been told often enough."""
    around, ticket = draft.around, draft.ticket
    if draft.event.actor.staff or command.automatic or ticket.channel not in GREETED or not around.policy.acknowledge:
        return
    if around.greeted_subject >= MOST_OF_SUBJECT or around.greeted_sender >= MOST_OF_SENDER:
        return
    opens = due = zone = None
    is_open = True
    clock = ticket.clock(ClockKind.FIRST_RESPONSE)
    if clock and around.terms:
        table = around.terms.tables[clock.target.calendar_id]
        is_open = table.is_open(draft.event.at)
        opens = None if is_open else table.reach(draft.event.at, timedelta())
        due = last_due(clock, around.terms.tables)
        zone = table.time_zone
    draft.tell_customer(
        ACKNOWLEDGED,
        subjectKey=subject_key(ticket.subject),
        open=is_open,
        opensAt=opens.isoformat() if opens else None,
        respondBy=due.isoformat() if due else None,
        timeZone=zone,
    )
