"""What each command does to a ticket: one pure function from state and command to decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, assert_never

from pydantic import JsonValue

from domain.customers import CHANNELS, Tier
from domain.identity import SYSTEM, Actor
from domain.process import (
    Announcement,
    Change,
    Channel,
    Command,
    DeadlineState,
    Decision,
    Forbidden,
    Invalid,
    NotFound,
    Notice,
    Settlement,
    Stale,
    Wake,
)
from domain.tickets.lifecycle import FINAL, TicketFinal, deadlines, move, moved
from domain.tickets.model import AddComment, ChangeTicket, CreateTicket, Status, Surroundings, Ticket

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


@dataclass(frozen=True)
class Event:
    """When and by whom: `at` is the instant of the event itself, `now` that of the decision (never before `at`), aware UTC."""

    at: datetime
    now: datetime
    actor: Actor = SYSTEM


@dataclass
class Draft:
    """A decision in the making."""

    ticket: Ticket
    settled: list[Settlement] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def settle(self, kind: str, cycle: int, state: Any, at: datetime) -> None:
        self.settled.append(Settlement(kind=kind, cycle=cycle, state=state, settled_at=at))

    def tell_customer(self, template: str, rung: str | None = None, **payload: Any) -> None:
        self.notices.append(
            Notice(
                template=template,
                recipient=self.ticket.customer_email,
                rung=rung,
                payload={"number": self.ticket.number, **payload},
            )
        )

    def tell_assignee(self, template: str, actor: Actor, **payload: Any) -> None:
        if self.ticket.assignee_id and self.ticket.assignee_id != actor.id:
            self.notices.append(
                Notice(
                    template=template,
                    recipient=str(self.ticket.assignee_id),
                    channel=Channel.IN_APP,
                    payload={"number": self.ticket.number, **payload},
                )
            )


def decide(
    ticket: Ticket | None,
    command: CreateTicket | ChangeTicket | AddComment | Wake,
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
    draft = Draft(ticket)
    match command:
        case Wake():
            fall_due(draft, event.now, around, inclusive=True)
        case ChangeTicket():
            admit(draft, event, around)
            change(draft, command, event, around)
        case AddComment():
            admit(draft, event, around)
            comment(draft, command, event, around)
        case CreateTicket():
            raise TicketFinal(ticket.status) if ticket.status in FINAL else Invalid("The ticket exists already.")
        case _:
            assert_never(command)
    return conclude(ticket, draft, event, around, command)


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
        created_at=event.at,
        updated_at=event.at,
    )
    draft = Draft(ticket)
    draft.tell_assignee("ticket_assigned", event.actor)
    return conclude(None, draft, event, around, command)


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


def admit(draft: Draft, event: Event, around: Surroundings) -> None:
    """Handle what fell due before the event; then refuse strangers, and everybody when the ticket is final."""
    if not visible(draft.ticket, event.actor):
        raise NotFound("There is no such ticket.")
    fall_due(draft, event.at, around, inclusive=False)
    if draft.ticket.status in FINAL:
        raise TicketFinal(draft.ticket.status)


def visible(ticket: Ticket, actor: Actor) -> bool:
    """Staff see all tickets of their tenant; customers those of their account and those asked under their address."""
    if actor.staff:
        return True
    of_account = actor.account_id is not None and ticket.account_id == actor.account_id
    return of_account or ticket.customer_email.lower() == actor.email.lower()


def fall_due(draft: Draft, until: datetime, around: Surroundings, *, inclusive: bool) -> None:
    """Handle every deadline up to `until`, in order, each at its own instant; one may arm the next."""
    while True:
        due = next(iter(deadlines(draft.ticket, around.policy)), None)
        if due is None or due.due_at > until or (due.due_at == until and not inclusive):
            return
        draft.settle(due.kind, due.cycle, DeadlineState.FIRED, due.due_at)
        rung = f"{due.kind}/{due.cycle}"
        match due.kind:
            case "CUSTOMER_REMINDER":
                draft.ticket = draft.ticket.model_copy(update={"reminded": True})
                draft.tell_customer("customer_reminder", rung)
            case "AUTO_RESOLVE":
                draft.ticket = draft.ticket.model_copy(update=moved(draft.ticket, Status.RESOLVED, due.due_at))
                draft.tell_customer("ticket_resolved", rung, automatic=True)
            case "AUTO_CLOSE":
                draft.ticket = draft.ticket.model_copy(update=moved(draft.ticket, Status.CLOSED, due.due_at))
                draft.tell_customer("ticket_closed", rung, automatic=True)


def change(draft: Draft, command: ChangeTicket, event: Event, around: Surroundings) -> None:
    """Apply a PATCH: fields first, then assignment (NEW becomes OPEN), then the move that it asks for."""
    ticket = draft.ticket
    if command.expected_versions is not None and ticket.version not in command.expected_versions:
        raise Stale(currentVersion=ticket.version)
    given = command.model_fields_set
    if not event.actor.staff and not given <= CUSTOMER_PATCH:
        raise Forbidden("Customers can only reopen or close a resolved ticket.")
    known(command, around)
    direct: dict[str, Any] = {name: getattr(command, name) for name in PATCHED if name in given and name != "status"}
    ticket = ticket.model_copy(update=direct)
    if ticket.assignee_id and ticket.status is Status.NEW:
        ticket = ticket.model_copy(update=moved(ticket, Status.OPEN, event.at))
    if command.status is not None:
        ticket = move(ticket, command.status, event.at, event.actor)
    before = draft.ticket
    draft.ticket = ticket
    if ticket.assignee_id != before.assignee_id:
        draft.tell_assignee("ticket_assigned", event.actor)
    tell_resolution(draft, before)


def comment(draft: Draft, command: AddComment, event: Event, around: Surroundings) -> None:
    """Take a comment. A public one by the customer ends the wait for them and reopens a resolved ticket."""
    before = draft.ticket
    actor = event.actor
    if not actor.staff and (command.internal or command.status or command.occurred_at):
        raise Forbidden("Customers can only write public comments.")
    at = occurred(command, before, event)
    if not command.internal and actor.staff:
        draft.ticket = before.model_copy(update={"first_response_at": before.first_response_at or at})
        draft.tell_customer("ticket_reply", commentId=str(command.comment_id))
    if not actor.staff:
        if before.status is Status.PENDING_CUSTOMER:
            for promise in deadlines(before, around.policy):
                draft.settle(promise.kind, promise.cycle, DeadlineState.MET, at)
        if before.status in (Status.PENDING_CUSTOMER, Status.RESOLVED):
            draft.ticket = draft.ticket.model_copy(update=moved(before, Status.OPEN, at))
        draft.tell_assignee("customer_replied", actor, commentId=str(command.comment_id))
    if command.status is not None:
        draft.ticket = move(draft.ticket, command.status, event.at, actor)
        tell_resolution(draft, before)


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


def tell_resolution(draft: Draft, before: Ticket) -> None:
    """Tell the customer that their ticket was resolved."""
    if draft.ticket.status is Status.RESOLVED and before.status is not Status.RESOLVED:
        draft.tell_customer("ticket_resolved")


def known(command: CreateTicket | ChangeTicket, around: Surroundings) -> None:
    """Refuse an assignee or a team that the tenant does not have."""
    errors = []
    if command.assignee_id and not around.assignee_known:
        errors.append({"pointer": "/assigneeId", "detail": "is not an active member of the staff", "code": "unknown"})
    if command.team_id and not around.team_known:
        errors.append({"pointer": "/teamId", "detail": "is not a team of this tenant", "code": "unknown"})
    if errors:
        raise Invalid("The command names somebody unknown.", errors)


def conclude(
    before: Ticket | None, draft: Draft, event: Event, around: Surroundings, command: Command
) -> Decision[Ticket]:
    """Number the version, note what changed, and list what is open now."""
    ticket = draft.ticket
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
    if draft.settled:
        ended: list[JsonValue] = [f"{promise.kind} #{promise.cycle} {promise.state}" for promise in draft.settled]
        changes["promises"] = Change(after=ended)
    open_now = () if ticket.status in FINAL else deadlines(ticket, around.policy)
    return Decision(
        state=ticket,
        deadlines=open_now,
        settled=tuple(draft.settled),
        changes=changes,
        notices=tuple(draft.notices),
        announcements=(announced(before, ticket, command),),
        final=ticket.status in FINAL,
        details=describe(ticket, open_now),
        attributes=attributes(ticket),
    )


def described(command: Any, around: Surroundings) -> Mapping[str, Change]:
    """How a command changes the description, which is a document beside the state."""
    if not isinstance(command, ChangeTicket) or command.description in (None, around.description):
        return NOTHING
    return {"description": Change(before=around.description, after=command.description)}


def announced(before: Ticket | None, ticket: Ticket, command: Command) -> Announcement:
    """What listeners are told of a decision; internal comments are the staff's own."""
    commented = isinstance(command, AddComment)
    happened = "created" if before is None else "commented" if commented else "updated"
    return Announcement(
        type=f"ticket.{happened}",
        version=ticket.version,
        internal=isinstance(command, AddComment) and command.internal,
        account_id=ticket.account_id,
        address=ticket.customer_email,
    )


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
    return found | ({"SupAssignee": str(ticket.assignee_id)} if ticket.assignee_id else {})
