"""Two tickets about one thing: one is closed into the other, which takes over what its customer still waits for."""

from datetime import datetime

from domain.process import Channel, Conflict, Forbidden, Invalid, NotFound
from domain.sla import clocks
from domain.sla.clocks import ClockKind, counting
from domain.tickets import escalations
from domain.tickets.clocks import asked_before, follow, owe
from domain.tickets.commands import Absorb, Merge
from domain.tickets.draft import Draft
from domain.tickets.lifecycle import FINAL, moved
from domain.tickets.model import (
    MOST_COPIES,
    MOST_LINKS,
    MOST_MERGED,
    MOST_UNANSWERED,
    MOST_WATCHERS,
    Link,
    LinkKind,
    Status,
    Ticket,
)


class MergeTargetFinal(Conflict):
    """The other ticket is closed, cancelled or merged itself."""

    def __init__(self, at: Status) -> None:
        super().__init__(f"The ticket to merge into is {at} and takes nothing more.")


class MergeAcrossAccounts(Conflict):
    """The tickets are of customers who may not read each other's words."""

    def __init__(self) -> None:
        super().__init__(
            "The tickets are not of one account or person: each customer would read what the other writes. Link them instead."
        )


def into_itself() -> Invalid:
    """What is wrong with merging a ticket into itself."""
    error = {"pointer": "/intoId", "detail": "must be another ticket", "code": "self"}
    return Invalid("A ticket cannot be merged into itself.", [error])


def merge(draft: Draft, command: Merge) -> None:
    """Close the ticket into another one of the tenant, whose row is locked too, so that two merges cannot cross each other."""
    ticket, target, at = draft.ticket, draft.around.target, draft.event.at
    if not draft.event.actor.staff:
        raise Forbidden("Merging takes the role AGENT.", required_role="AGENT")
    if command.into_id == ticket.id:
        raise into_itself()
    if target is None:
        raise NotFound("There is no ticket to merge into.")
    if target.status in FINAL:
        raise MergeTargetFinal(target.status)
    one_account = ticket.account_id is not None and target.account_id == ticket.account_id
    if not one_account and target.customer_email.lower() != ticket.customer_email.lower():
        raise MergeAcrossAccounts
    draft.set(**moved(ticket, Status.CLOSED, at), merged_into=target.id)
    follow(draft, ticket, at)
    draft.tell_customer("ticket_merged", targetNumber=target.number)


def absorb(draft: Draft, command: Absorb) -> None:
    """Take over listeners and the wait of a ticket that was merged into this one; the older wait counts."""
    ticket, at = draft.ticket, draft.event.at
    if command.source_id in ticket.merged_from:
        return
    others = [address for address in command.cc if address != ticket.customer_email.lower()]
    draft.set(
        merged_from=(*ticket.merged_from, command.source_id)[-MOST_MERGED:],
        cc=tuple(dict.fromkeys((*ticket.cc, *others)))[:MOST_COPIES],
        watchers=tuple(dict.fromkeys((*ticket.watchers, *command.watchers)))[:MOST_WATCHERS],
        links=tuple(dict.fromkeys((*ticket.links, Link(type=LinkKind.TICKET, target_id=command.source_id))))[
            :MOST_LINKS
        ],
    )
    if command.unanswered:
        take_over_wait(draft, command, ticket)
    if draft.ticket.assignee_id and draft.ticket.assignee_id != draft.event.actor.id:
        draft.tell(
            "ticket_absorbed", str(draft.ticket.assignee_id), Channel.PREFERRED, sourceNumber=command.source_number
        )
    draft.set(acted_at=draft.ticket.acted_at or at)


def take_over_wait(draft: Draft, command: Absorb, before: Ticket) -> None:
    """The source's customer waits for an answer: here from now on, and since then."""
    at, policy, terms = draft.event.at, draft.around.policy, draft.around.terms
    if before.status is Status.RESOLVED and not policy.merge_reopens:
        return
    if before.status is Status.RESOLVED:
        draft.set(**moved(before, Status.OPEN, at))
        follow(draft, before, at)
        escalations.turn(draft, before, at)
        escalations.reopened(draft, at)
    asked = sorted({*draft.ticket.unanswered, *command.unanswered})
    kept = (*asked[: MOST_UNANSWERED - 1], asked[-1]) if len(asked) > MOST_UNANSWERED else tuple(asked)
    draft.set(unanswered=kept, heard_at=max(filter(None, (draft.ticket.heard_at, asked[-1]))))
    if never_answered(draft.ticket):
        if command.first_asked:
            asked_before(draft, command.first_asked)
        return
    if terms is None:
        return
    last = draft.ticket.clock(ClockKind.NEXT_RESPONSE)
    if last and counting(last):
        if last.started_at <= asked[0]:
            return
        draft.put(clocks.cancel(last, at, terms.tables))
    owe(draft, terms, ClockKind.NEXT_RESPONSE, asked[0])


def wait_of(source: Ticket) -> tuple[datetime, ...]:
    """Since when the customer of a ticket waits for an answer: one that was never answered, since it was opened."""
    asked = source.unanswered
    return (source.created_at, *asked[: MOST_UNANSWERED - 1]) if never_answered(source) else asked


def first_wait_of(source: Ticket) -> datetime | None:
    """Since when the customer of a ticket waits for the first answer; None if it was given, or its promise given up.

    A clock in its first cycle knows that best: for imported tickets it began with the import, and after a merge with the older wait.
    """
    clock = source.clock(ClockKind.FIRST_RESPONSE)
    if not never_answered(source) or (clock and clock.waived):
        return None
    return clock.started_at if clock and clock.cycle == 1 else min(wait_of(source))


def never_answered(ticket: Ticket) -> bool:
    """Whether the customer has got neither an answer nor a resolution, which is one."""
    return ticket.first_response_at is None and not ticket.resolutions


def left_behind(source: Ticket) -> Absorb:
    """What a merged ticket leaves to the other, where its customer hears the answers."""
    return Absorb(
        source_id=source.id,
        source_number=source.number,
        unanswered=wait_of(source),
        first_asked=first_wait_of(source),
        cc=(source.customer_email.lower(), *source.cc),
        watchers=source.watchers,
    )
