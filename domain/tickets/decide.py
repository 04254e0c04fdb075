"""What each command does to a ticket: one pure function from state and command to decision."""

from typing import Any, Final, assert_never

from domain.customers import CHANNELS, Tier
from domain.identity import Actor
from domain.process import Decision, Forbidden, Invalid, NotFound, Stale, Wake
from domain.tickets import escalations
from domain.tickets.clocks import adjust, begin, excuse, follow, recount, retarget
from domain.tickets.commands import (
    Absorb,
    AddComment,
    AdjustClock,
    AnyCommand,
    ApplyMacro,
    Assign,
    ChangeTicket,
    CreateTicket,
    ImportComments,
    ImportTicket,
    Merge,
    Reapply,
    Relate,
)
from domain.tickets.conversation import UnknownFile, admit, comment
from domain.tickets.draft import Draft, Event
from domain.tickets.due import fall_due
from domain.tickets.greeting import acknowledge
from domain.tickets.importing import go_on, take_over
from domain.tickets.lifecycle import FINAL, TicketFinal, move, moved
from domain.tickets.merging import absorb, merge
from domain.tickets.model import Link, LinkKind, Status, Ticket
from domain.tickets.outcome import PATCHED, conclude
from domain.tickets.queueing import assign, enqueue, given_back, route, transferred
from domain.tickets.relations import copy_in, relate, watch
from domain.tickets.surroundings import Surroundings

MOST_TAGS: Final = 50

CUSTOMER_PATCH: Final = frozenset({"status", "reason", "expected_versions", "type"})
"""What a customer may send with PATCH: a move, and why."""


def decide(
    ticket: Ticket | None,
    command: AnyCommand,
    event: Event,
    around: Surroundings,
    ticket_id: Any,
) -> Decision[Ticket]:
    """What `command` does to `ticket` (None before its creation). Raises Refusal; changes nothing else.

    Deadlines that lie before the event are handled first, each at its own instant: a late worker closes a ticket at the end of
    its grace although a reply came an hour after. An event at the very deadline goes first.
    """
    if ticket is None:
        if isinstance(command, ImportTicket):
            return take_over(command, event, around, ticket_id)
        if not isinstance(command, CreateTicket):
            raise NotFound("There is no such ticket.")
        return create(command, event, around, ticket_id)
    draft = Draft(ticket, event, around)
    if ticket.status not in FINAL:
        recount(draft)
        excuse(draft)
    match command:
        case Wake():
            fall_due(draft, event.now, inclusive=True)
        case ChangeTicket():
            admit(draft)
            change(draft, command)
        case ImportComments():
            go_on(draft, command)
        case AddComment():
            comment(draft, command)
            enter(draft, command.status)
        case ApplyMacro():
            admit(draft)
            macro(draft, command)
        case Merge():
            admit(draft)
            merge(draft, command)
        case Absorb():
            admit(draft)
            absorb(draft, command)
        case Relate():
            admit(draft)
            relate(draft, command)
        case Assign():
            admit(draft)
            assign(draft)
        case AdjustClock():
            admit(draft)
            adjust(draft, command)
        case Reapply():
            admit(draft)
            retarget(draft, event.at, reapply=command.definition_id)
        case CreateTicket() | ImportTicket():
            raise TicketFinal(ticket.status) if ticket.status in FINAL else Invalid("The ticket exists already.")
        case _:
            assert_never(command)
    return conclude(ticket, draft, command)


def create(command: CreateTicket, event: Event, around: Surroundings, ticket_id: Any) -> Decision[Ticket]:
    """A new ticket; the tier comes from the customer's account when one is known, else from the command, else it is BASIC."""
    take_in(command, event.actor, around)
    ticket = Ticket(
        id=ticket_id,
        number=around.number,
        status=Status.OPEN if command.assignee_id else Status.NEW,
        status_since=event.at,
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
        requester_id=event.actor.id if not event.actor.staff else None,
        assignee_id=command.assignee_id,
        team_id=command.team_id,
        follow_up_of=command.follow_up_of,
        mailbox_id=command.mailbox_id,
        language=command.language,
        links=tuple(Link(type=LinkKind.TICKET, target_id=other) for other in command.linked),
        acted_at=event.at if command.assignee_id else None,
        created_at=event.at,
        updated_at=event.at,
    )
    draft = Draft(ticket, event, around)
    copy_in(draft, command.cc)
    watch(draft, *command.watchers)
    draft.tell_assignee("ticket_assigned")
    route(draft)
    begin(draft, event.at)
    escalations.created(draft)
    enqueue(draft)
    acknowledge(draft, command)
    return conclude(None, draft, command)


def take_in(command: CreateTicket, actor: Actor, around: Surroundings) -> None:
    """Refuse a creation that the caller or the customer's tier does not allow; the API asks too, before it starts a process.

    Staff may record any channel; customers ask for themselves, on the channels of their tier (guide: Support Tiers). A
    follow-up stays its first asker's, whoever of the account replied: the API has seen that they may read the old ticket.
    """
    known(command, around)
    if actor.staff:
        return
    if command.customer_email.lower() != actor.email.lower() and command.follow_up_of is None:
        raise Forbidden("Customers can only ask in their own name.")
    # A mailbox has a team; whoever writes to it has not chosen that.
    names = ("sla_tier", "assignee_id") if command.mailbox_id else ("sla_tier", "assignee_id", "team_id")
    chosen = [name for name in names if getattr(command, name) is not None]
    if chosen:
        raise Forbidden("Customers cannot choose the tier, the assignee or the team.")
    tier = around.account_tier or Tier.BASIC
    if command.channel not in CHANNELS[tier]:
        error = {"pointer": "/channel", "detail": f"is not part of the {tier} tier", "code": "tier"}
        raise Invalid("The tier has no such channel.", [error], allowedChannels=sorted(CHANNELS[tier]))


def change(draft: Draft, command: ChangeTicket) -> None:
    """Apply a PATCH: fields first, then assignment (NEW becomes OPEN), then the move that it asks for."""
    before, event = draft.ticket, draft.event
    if command.expected_versions is not None and before.version not in command.expected_versions:
        raise Stale(currentVersion=before.version)
    given = command.model_fields_set
    if not event.actor.staff and not given <= CUSTOMER_PATCH:
        raise Forbidden("Customers can only reopen or close a resolved ticket.")
    known(command, draft.around)
    draft.set(**{name: getattr(command, name) for name in PATCHED if name in given and name != "status"})
    if draft.ticket.assignee_id and before.status is Status.NEW:
        draft.set(**moved(draft.ticket, Status.OPEN, event.at))
    if (draft.ticket.severity, draft.ticket.sla_tier) != (before.severity, before.sla_tier):
        retarget(draft, event.at, moved=True)
    transferred(draft, before)
    given_back(draft, before)
    if draft.ticket.assignee_id != before.assignee_id:
        draft.set(acted_at=event.at)
        draft.tell_assignee("ticket_assigned")
    elif event.actor.id == before.assignee_id:
        draft.set(acted_at=event.at)
    enter(draft, command.status)


def macro(draft: Draft, command: ApplyMacro) -> None:
    """Do what a macro says: fields and tags, then what it says to the customer or the staff, then the move."""
    status = None
    if command.change is not None:
        status = command.change.status
        kept = command.change.model_copy(update={"status": None})
        change(draft, kept)
    tags = dict.fromkeys((*draft.ticket.tags, *command.add_tags))
    draft.set(tags=tuple(tag for tag in tags if tag not in command.remove_tags)[:MOST_TAGS])
    if command.set_fields:
        fields = {**draft.ticket.fields, **command.set_fields}
        draft.set(
            fields={key: value for key, value in fields.items() if value is not None or key not in command.set_fields}
        )
    if command.comment is not None:
        comment(draft, command.comment)
    enter(draft, status)


def enter(draft: Draft, status: Status | None) -> None:
    """Move the ticket where the command asks; its clocks follow, and the customer hears of a resolution."""
    before, event = draft.ticket, draft.event
    if status is None:
        return
    draft.ticket = move(before, status, event.at, event.actor)
    follow(draft, before, event.at)
    if draft.ticket.status is before.status:
        return
    escalations.turn(draft, before, event.at)
    if draft.ticket.status is Status.RESOLVED:
        draft.tell_customer("ticket_resolved", resolution=draft.ticket.resolutions)
    if draft.ticket.reopens > before.reopens:
        escalations.reopened(draft, event.at)


def known(command: CreateTicket | ChangeTicket, around: Surroundings) -> None:
    """Refuse an assignee or a team that the tenant does not have, and files that are not the ticket's."""
    errors = []
    if command.assignee_id and not around.assignee_known:
        errors.append({"pointer": "/assigneeId", "detail": "is not an active member of the staff", "code": "unknown"})
    if command.team_id and not around.team_known:
        errors.append({"pointer": "/teamId", "detail": "is not a team of this tenant", "code": "unknown"})
    if errors:
        raise Invalid("The command names somebody unknown.", errors)
    if not around.files_known:
        raise UnknownFile
