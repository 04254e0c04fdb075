"""What is said on a ticket, by whom, and what that does: a reply keeps promises, a customer's word opens them."""

from datetime import datetime, timedelta
from typing import Final

from domain.customers import ContactChannel
from domain.process import Channel, DeadlineState, Forbidden, Invalid, NotFound
from domain.tickets import escalations
from domain.tickets.access import joins, sees
from domain.tickets.clocks import answered, asked, follow, owe_an_answer
from domain.tickets.commands import AddComment
from domain.tickets.draft import ANSWER, Draft, Event
from domain.tickets.due import fall_due
from domain.tickets.lifecycle import FINAL, TicketFinal, deadlines, moved
from domain.tickets.model import Status, Ticket
from domain.tickets.relations import copy_in, watch

CHAT_LIVE: Final = timedelta(minutes=10)
"""So long after their last word somebody who chats is taken to be there, and needs no mail to see an answer."""

REOPENS_BY_MAIL: Final = 3
REOPENS_WITHIN: Final = timedelta(minutes=5)
"""A mail that would reopen a ticket once more within this time comes from a machine, and reopens nothing."""


class UnknownFile(Invalid):
    """A file that was not uploaded for this ticket, or belongs to another comment."""

    def __init__(self) -> None:
        error = {"pointer": "/attachmentIds", "detail": "must be files uploaded for this ticket", "code": "unknown"}
        super().__init__("The comment names a file that it cannot have.", [error])


def admit(draft: Draft, at: datetime | None = None, *, joining: bool = False) -> None:
    """Handle what fell due before the event (or `at`); then refuse strangers but who joins, and everybody when the ticket is final."""
    ticket, actor = draft.ticket, draft.event.actor
    if not (joining or sees(actor, ticket.account_id, ticket.customer_email)):
        raise NotFound("There is no such ticket.")
    fall_due(draft, at or draft.event.at, inclusive=False)
    if draft.ticket.status in FINAL:
        raise TicketFinal(draft.ticket.status)


def comment(draft: Draft, command: AddComment) -> None:
    """Take a comment. A public one by the customer ends the wait for them and reopens a resolved ticket."""
    event, actor = draft.event, draft.event.actor
    # What Summit or a machine writes by itself answers nobody.
    by_hand = actor.staff and actor.id is not None and not command.automatic
    spoke = command.call is not None and command.call.seconds > 0
    answer = by_hand and (spoke or (not command.internal and command.call is None))
    if answer and command.occurred_at:
        # The reply was made before what fell due since; what it kept is not broken first.
        at = occurred(command, draft.ticket, event)
        fall_due(draft, at, inclusive=False)
        answered(draft, at)
    dated = command.occurred_at if not actor.staff and command.via is ContactChannel.EMAIL else None
    admit(draft, dated and min(dated, event.at), joining=joins(actor, draft.ticket, command))
    if not actor.staff and (command.internal or command.status or command.call or (command.occurred_at and not dated)):
        raise Forbidden("Customers can only write public comments.")
    if not draft.around.files_known:
        raise UnknownFile
    at = occurred(command, draft.ticket, event)
    copy_in(draft, command.cc)
    if command.automatic:
        return
    if actor.staff:
        said(draft, command, at, answer=answer)
    else:
        heard(draft, command, at)


def said(draft: Draft, command: AddComment, at: datetime, *, answer: bool) -> None:
    """The staff wrote or called: an answer keeps what was promised, and those whom it is for hear of it."""
    actor = draft.event.actor
    if answer:
        answered(draft, at)
        draft.set(first_response_at=min(draft.ticket.first_response_at or at, at))
        owe_an_answer(draft)
    names = {"commentId": str(command.comment_id)}
    if not command.internal and command.call is None:
        if not in_chat(draft.ticket, at):
            draft.tell_customer(ANSWER, **names)
        draft.tell_copied(ANSWER, **names)
        draft.tell_watchers("ticket_watched", **names)
    elif command.internal:
        for person in command.mentions:
            if person != actor.id:
                draft.tell("mentioned", str(person), Channel.PREFERRED, **names)
        watch(draft, *command.mentions)
    if actor.id == draft.ticket.assignee_id:
        draft.set(acted_at=draft.event.at)


def in_chat(ticket: Ticket, at: datetime) -> bool:
    """Whether the customer sits at the other end of a chat, and sees the answer as it is written."""
    heard_at = ticket.heard_at or ticket.created_at
    return ticket.channel is ContactChannel.CHAT and at - heard_at <= CHAT_LIVE


def heard(draft: Draft, command: AddComment, at: datetime) -> None:
    """The customer wrote: nobody waits for them any more, and an answer is owed."""
    before = draft.ticket
    names = {"commentId": str(command.comment_id)}
    if before.status is Status.RESOLVED and command.via is ContactChannel.EMAIL:
        lately = tuple(each for each in before.reopened_by_mail if at - each < REOPENS_WITHIN)
        if len(lately) >= REOPENS_BY_MAIL:
            draft.limited = True
            draft.tell_assignee("customer_replied", **names)
            return
        draft.set(reopened_by_mail=(*lately, at))
    if before.status is Status.PENDING_CUSTOMER:
        for promise in deadlines(before, draft.around.policy):
            draft.settle(promise.kind, promise.cycle, DeadlineState.MET, at)
    if before.status in (Status.PENDING_CUSTOMER, Status.RESOLVED):
        before = draft.ticket
        draft.set(**moved(before, Status.OPEN, at))
        follow(draft, before, at)
        escalations.turn(draft, before, at)
    asked(draft, at)
    draft.set(heard_at=at)
    if draft.ticket.reopens > before.reopens:
        escalations.reopened(draft, at)
    if draft.ticket.assignee_id is None and draft.ticket.team_id is not None:
        draft.tell("customer_replied", f"team:{draft.ticket.team_id}", Channel.PREFERRED, **names)
    draft.tell_assignee("customer_replied", **names)
    draft.tell_watchers("customer_replied", **names)


def occurred(command: AddComment, ticket: Ticket, event: Event) -> datetime:
    """The instant at which something was said: the event's, unless the command dates it earlier."""
    if command.occurred_at is None:
        return event.at
    if not ticket.created_at <= command.occurred_at <= event.now:
        error = {
            "pointer": "/occurredAt",
            "detail": "must lie between the ticket's creation and now",
            "code": "out_of_range",
        }
        raise Invalid("The comment's instant is out of range.", [error])
    return command.occurred_at
