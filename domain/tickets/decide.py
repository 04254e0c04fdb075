"""What each command does to a ticket: one pure function from state and command to decision."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, assert_never

from pydantic import JsonValue

from domain.customers import CHANNELS, Tier
from domain.identity import Actor
from domain.process import (
    Change,
    Command,
    DeadlineState,
    Decision,
    Forbidden,
    Invalid,
    NotFound,
    Settlement,
    Stale,
    Wake,
)
from domain.sla.clocks import ClockState
from domain.tickets import escalations
from domain.tickets.clocks import adjust, answered, asked, begin, excuse, follow, owe_an_answer, recount, retarget
from domain.tickets.draft import Draft, Event
from domain.tickets.due import fall_due, promises
from domain.tickets.lifecycle import FINAL, TicketFinal, deadlines, move, moved
from domain.tickets.model import (
    AddComment,
    AdjustClock,
    AnyCommand,
    ChangeTicket,
    CreateTicket,
    Reapply,
    Status,
    Ticket,
)
from domain.tickets.surroundings import Surroundings

PATCHED: Final = (
    "status",
    "priority",
    "severity",
    "category",
    "subject",
    "sla_tier",
    "assignee_id",
    "team_id",
    "tags",
    "fields",
)
"""The fields of the state that PATCH can change; only they move the version. The description is a document, handled beside."""

NOTHING: Final[Mapping[str, Change]] = {}

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
        case AddComment():
            comment(draft, command)
        case AdjustClock():
            admit(draft)
            adjust(draft, command)
        case Reapply():
            admit(draft)
            retarget(draft, event.at, reapply=command.definition_id)
        case CreateTicket():
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
        acted_at=event.at if command.assignee_id else None,
        created_at=event.at,
        updated_at=event.at,
    )
    draft = Draft(ticket, event, around)
    draft.tell_assignee("ticket_assigned")
    begin(draft, event.at)
    escalations.created(draft)
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
    chosen = [name for name in ("sla_tier", "assignee_id", "team_id") if getattr(command, name) is not None]
    if chosen:
        raise Forbidden("Customers cannot choose the tier, the assignee or the team.")
    tier = around.account_tier or Tier.BASIC
    if command.channel not in CHANNELS[tier]:
        error = {"pointer": "/channel", "detail": f"is not part of the {tier} tier", "code": "tier"}
        raise Invalid("The tier has no such channel.", [error], allowedChannels=sorted(CHANNELS[tier]))


def admit(draft: Draft) -> None:
    """Handle what fell due before the event; then refuse strangers, and everybody when the ticket is final."""
    if not visible(draft.ticket, draft.event.actor):
        raise NotFound("There is no such ticket.")
    fall_due(draft, draft.event.at, inclusive=False)
    if draft.ticket.status in FINAL:
        raise TicketFinal(draft.ticket.status)


def visible(ticket: Ticket, actor: Actor) -> bool:
    """Staff see all tickets of their tenant; customers those of their account and those asked under their address."""
    if actor.staff:
        return True
    of_account = actor.account_id is not None and ticket.account_id == actor.account_id
    return of_account or ticket.customer_email.lower() == actor.email.lower()


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
    if draft.ticket.assignee_id != before.assignee_id:
        draft.set(acted_at=event.at)
        draft.tell_assignee("ticket_assigned")
    elif event.actor.id == before.assignee_id:
        draft.set(acted_at=event.at)
    enter(draft, command.status)


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
        draft.tell_customer("ticket_resolved")
    if draft.ticket.reopens > before.reopens:
        escalations.reopened(draft, event.at)


def comment(draft: Draft, command: AddComment) -> None:
    """Take a comment. A public one by the customer ends the wait for them and reopens a resolved ticket."""
    event, actor = draft.event, draft.event.actor
    # What Summit writes by itself answers nobody.
    answer = actor.staff and actor.id is not None and not command.internal
    if answer and command.occurred_at and visible(draft.ticket, actor):
        # The reply was made before what fell due since; what it kept is not broken first.
        at = occurred(command, draft.ticket, event)
        fall_due(draft, at, inclusive=False)
        answered(draft, at)
    admit(draft)
    if not actor.staff and (command.internal or command.status or command.occurred_at):
        raise Forbidden("Customers can only write public comments.")
    at = occurred(command, draft.ticket, event)
    if actor.staff:
        if answer:
            answered(draft, at)
            draft.set(first_response_at=min(draft.ticket.first_response_at or at, at))
            owe_an_answer(draft)
        if not command.internal:
            draft.tell_customer("ticket_reply", commentId=str(command.comment_id))
        if actor.id == draft.ticket.assignee_id:
            draft.set(acted_at=event.at)
    else:
        heard(draft, command, at)
    enter(draft, command.status)


def heard(draft: Draft, command: AddComment, at: datetime) -> None:
    """The customer wrote: nobody waits for them any more, and an answer is owed."""
    before = draft.ticket
    if before.status is Status.PENDING_CUSTOMER:
        for promise in deadlines(before, draft.around.policy):
            draft.settle(promise.kind, promise.cycle, DeadlineState.MET, at)
    if before.status in (Status.PENDING_CUSTOMER, Status.RESOLVED):
        draft.set(**moved(before, Status.OPEN, at))
        follow(draft, before, at)
        escalations.turn(draft, before, at)
    asked(draft, at)
    if draft.ticket.reopens > before.reopens:
        escalations.reopened(draft, at)
    draft.tell_assignee("customer_replied", commentId=str(command.comment_id))


def occurred(command: AddComment, ticket: Ticket, event: Event) -> datetime:
    """The instant at which a reply was made: the event's, unless a lead dates it earlier with a reason."""
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


def known(command: CreateTicket | ChangeTicket, around: Surroundings) -> None:
    """Refuse an assignee or a team that the tenant does not have."""
    errors = []
    if command.assignee_id and not around.assignee_known:
        errors.append({"pointer": "/assigneeId", "detail": "is not an active member of the staff", "code": "unknown"})
    if command.team_id and not around.team_known:
        errors.append({"pointer": "/teamId", "detail": "is not a team of this tenant", "code": "unknown"})
    if errors:
        raise Invalid("The command names somebody unknown.", errors)


def conclude(before: Ticket | None, draft: Draft, command: Command) -> Decision[Ticket]:
    """Number the version, note what changed, and list what is open now."""
    ticket, event, around = draft.ticket, draft.event, draft.around
    moved = {name for name in PATCHED if before is None or getattr(before, name) != getattr(ticket, name)}
    was = before.model_dump(mode="json", include=moved) if before and moved else {}
    now = ticket.model_dump(mode="json", include=moved) if moved else {}
    changes: dict[str, Change] = {
        name: Change(before=was.get(name), after=now[name]) for name in PATCHED if name in moved
    }
    changes |= described(command, around) if before is not None else NOTHING
    if before is not None and changes:
        ticket = ticket.model_copy(update={"version": ticket.version + 1})
    if before is not None and (changes or draft.notices or draft.ticket != before):
        ticket = ticket.model_copy(update={"updated_at": max(event.at, before.updated_at)})
    draft.ticket = ticket
    settled = tuple(sorted((*draft.ends_of_clocks(before), *draft.settled), key=lambda end: end.settled_at))
    announce(draft, before, command, changed=bool(changes))
    open_now = promises(ticket, around)
    return Decision(
        state=ticket,
        deadlines=open_now,
        settled=settled,
        changes=changes | noted(draft, settled),
        notices=tuple(draft.notices),
        announcements=tuple(draft.announcements),
        final=ticket.status in FINAL,
        details=describe(ticket, open_now),
        attributes=attributes(ticket),
    )


def noted(draft: Draft, settled: Sequence[Settlement]) -> dict[str, Change]:
    """What the history keeps beside the fields: promises that ended, clocks that moved, rules that fired, credits proposed."""
    found: dict[str, list[JsonValue]] = {
        "promises": [f"{promise.kind} #{promise.cycle} {promise.state}" for promise in settled],
        "clocks": [clock.model_dump(mode="json") for clock in draft.touched.values()],
        "escalations": draft.escalated,
        "credits": draft.proposed,
    }
    return {name: Change(after=entries) for name, entries in found.items() if entries}


def described(command: Any, around: Surroundings) -> Mapping[str, Change]:
    """How a command changes the description, which is a document beside the state."""
    if not isinstance(command, ChangeTicket) or command.description in (None, around.description):
        return NOTHING
    return {"description": Change(before=around.description, after=command.description)}


def announce(draft: Draft, before: Ticket | None, command: Command, *, changed: bool) -> None:
    """Tell listeners of the decision itself; internal comments are the staff's own.

    What time alone brings about is announced by what it is, and as an update only when it has changed the ticket's fields.
    """
    if isinstance(command, Wake) and not changed:
        return
    commented = isinstance(command, AddComment)
    happened = "created" if before is None else "commented" if commented else "updated"
    draft.announce(happened, internal=isinstance(command, AddComment) and command.internal)


def describe(ticket: Ticket, open_now: tuple[Any, ...]) -> str:
    """The ticket in Markdown, for operators who look at its workflow."""
    head = f"**SUP-{ticket.number}** {ticket.status} · {ticket.severity} {ticket.priority} · {ticket.sla_tier} · v{ticket.version}"
    who = f"assignee `{ticket.assignee_id or '–'}` · team `{ticket.team_id or '–'}` · account `{ticket.account_id or '–'}`"
    dues = "\n".join(f"- {d.kind} #{d.cycle} due {d.due_at:%Y-%m-%d %H:%M:%S}Z" for d in open_now)
    return "\n\n".join(part for part in (head, who, dues) if part)


def attributes(ticket: Ticket) -> dict[str, str | bool]:
    """What operators can filter workflows by."""
    found: dict[str, str | bool] = {
        "SupStatus": ticket.status.value,
        "SupSeverity": ticket.severity.value,
        "SupTier": ticket.sla_tier.value,
    }
    if any(clock.state is ClockState.BREACHED for clock in ticket.clocks):
        found["SupBreached"] = True
    return found | ({"SupAssignee": str(ticket.assignee_id)} if ticket.assignee_id else {})
