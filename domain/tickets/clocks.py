"""What happens to a ticket's clocks: they begin with it, follow its status, are met by replies, and follow tier and severity."""

from datetime import datetime
from uuid import UUID

from domain.identity import Role
from domain.ids import derived_id
from domain.process import Channel, Conflict, Forbidden, NotFound
from domain.sla import clocks
from domain.sla.clocks import OPEN, Clock, ClockKind, ClockState, Hold, Timetables, counting
from domain.sla.escalation import Notify
from domain.sla.ladder import threshold
from domain.tickets.commands import AdjustClock, ClockAction
from domain.tickets.draft import Draft
from domain.tickets.lifecycle import FINAL
from domain.tickets.model import MOST_UNANSWERED, Status, Ticket
from domain.tickets.recipients import recipient
from domain.tickets.surroundings import Terms

BEGINNING = (ClockKind.FIRST_RESPONSE, ClockKind.RESOLUTION)


class NoClock(NotFound):
    """Nothing of this kind is promised for the ticket."""

    def __init__(self, kind: ClockKind) -> None:
        super().__init__(f"The ticket has no {kind} clock.")


class ClockStands(Conflict):
    """The clock is in a state that does not allow this."""


def begin(draft: Draft, at: datetime) -> None:
    """Start what is promised from the ticket's creation on."""
    terms = draft.around.terms
    if terms:
        for kind in BEGINNING:
            owe(draft, terms, kind, at)


def owe(draft: Draft, terms: Terms, kind: ClockKind, at: datetime, *, anew: bool = True) -> None:
    """Start the next cycle of a promise, if it is made for such a ticket: `anew`, or with the time that an ended one had counted."""
    target = terms.target(draft.ticket, kind)
    if target is None:
        return
    last = draft.ticket.clock(kind)
    if last and last.state is ClockState.CANCELLED and not anew:
        clock = clocks.take_up(last, target, at, terms.tables)
        announce_breach(draft, last, clock)
    else:
        clock = clocks.start(kind, last.cycle + 1 if last else 1, target, at, terms.tables)
    waits = kind is ClockKind.RESOLUTION and draft.ticket.status is Status.PENDING_CUSTOMER
    draft.put(clocks.pause(clock, Hold.CUSTOMER, at, terms.tables) if waits else clock)


def answered(draft: Draft, at: datetime) -> None:
    """The staff replied at `at`, in public: the customer waits no longer. A breach before which that was is annulled."""
    terms = draft.around.terms
    draft.set(unanswered=tuple(asked_at for asked_at in draft.ticket.unanswered if asked_at > at))
    for kind in (ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE):
        clock = draft.ticket.clock(kind)
        if terms and clock and clock.started_at <= at:
            meet(draft, clock, at, terms)


def meet(draft: Draft, clock: Clock, at: datetime, terms: Terms) -> None:
    """Take a promise as kept; whoever was told of a breach that is annulled is told of that."""
    kept = clocks.meet(clock, at, terms.tables)
    draft.put(kept)
    if kept.state is ClockState.ANNULLED and clock.state is ClockState.BREACHED:
        draft.announce("sla_annulled", clock=kept.kind, cycle=kept.cycle)
        told = {mark.rule for mark in clock.fired}
        for rule in terms.policy.rules:
            rung = threshold(rule, clock)
            if rule.id not in told or rung is None or rung < clock.target.duration:
                continue
            for action in rule.actions:
                if isinstance(action, Notify):
                    to = recipient(action, draft.ticket)
                    mark = f"{rule.id}/{clock.kind}/{clock.cycle}/annulled"
                    draft.tell("sla_annulled", to, Channel.PREFERRED, mark, clock=clock.kind, cycle=clock.cycle)


def asked(draft: Draft, at: datetime) -> None:
    """The customer wrote; after the first response an answer is owed."""
    draft.set(unanswered=(*draft.ticket.unanswered[: MOST_UNANSWERED - 1], at))
    if draft.ticket.first_response_at:
        owe_an_answer(draft, at)


def owe_an_answer(draft: Draft, at: datetime | None = None) -> None:
    """Owe the next response, unless one is owed: from `at`, or from the oldest message that a reply dated back left unanswered."""
    terms, last = draft.around.terms, draft.ticket.clock(ClockKind.NEXT_RESPONSE)
    since = at or next(iter(draft.ticket.unanswered), None)
    if terms and since and not (last and counting(last)):
        owe(draft, terms, ClockKind.NEXT_RESPONSE, since)


def asked_before(draft: Draft, since: datetime) -> None:
    """The first answer was asked for at `since`, on a ticket that was merged into this one: its open clock counts from then on."""
    terms, clock = draft.around.terms, draft.ticket.clock(ClockKind.FIRST_RESPONSE)
    if terms and clock:
        draft.put(clocks.count_from(clock, since, draft.event.at, terms.tables))
        announce_breach(draft, clock, draft.ticket.clock(clock.kind))


def follow(draft: Draft, before: Ticket, at: datetime) -> None:
    """Follow the ticket's move from its status before."""
    terms, status = draft.around.terms, draft.ticket.status
    if terms is None or before.status is status:
        return
    if before.status is Status.PENDING_CUSTOMER:
        hold(draft, terms.tables, at, resumed=True)
    if status is Status.PENDING_CUSTOMER:
        hold(draft, terms.tables, at, resumed=False)
    elif status is Status.RESOLVED:
        resolved(draft, at, terms)
    elif status in FINAL:
        for clock in draft.ticket.clocks:
            draft.put(clocks.cancel(clock, at, terms.tables))
    elif before.status is Status.RESOLVED:
        reopened(draft, at, terms)


def hold(draft: Draft, tables: Timetables, at: datetime, *, resumed: bool) -> None:
    """Waiting for the customer holds the resolution, and nothing else."""
    clock = draft.ticket.clock(ClockKind.RESOLUTION)
    if clock:
        change = clocks.resume if resumed else clocks.pause
        draft.put(change(clock, Hold.CUSTOMER, at, tables))


def resolved(draft: Draft, at: datetime, terms: Terms) -> None:
    """The customer is told that it is done: resolution and first response are kept, and no further answer is owed."""
    draft.set(unanswered=())
    for clock in draft.ticket.clocks:
        if clock.kind is ClockKind.NEXT_RESPONSE:
            draft.put(clocks.cancel(clock, at, terms.tables))
        else:
            meet(draft, clock, at, terms)


def reopened(draft: Draft, at: datetime, terms: Terms) -> None:
    """The resolution goes on with what was left, or begins anew after a breach; a waived one stays given up."""
    clock = draft.ticket.clock(ClockKind.RESOLUTION)
    if clock is None or (clock.state is ClockState.CANCELLED and not clock.waived):
        owe(draft, terms, ClockKind.RESOLUTION, at, anew=False)
    elif clock.state is not ClockState.CANCELLED:
        draft.put(clocks.reopen(clock, at, terms.tables))
        retarget(draft, at)


def retarget(draft: Draft, at: datetime, *, moved: bool = False, reapply: UUID | None = None) -> None:
    """Put the open clocks on what is promised for the ticket's tier and severity, those of the definition `reapply` anew.

    `moved` says that tier or severity have changed; a definition that ended meanwhile keeps the tickets that it has.
    Elapsed time is carried over. A promise that is no longer made is cancelled; one that is newly made starts now.
    """
    terms = draft.around.terms
    if terms is None or draft.ticket.status in FINAL:
        return
    for kind in ClockKind:
        clock, target = draft.ticket.clock(kind), terms.target(draft.ticket, kind)
        if clock and clock.state in OPEN:
            if target is None:
                if moved or reapply == clock.target.definition_id:
                    draft.put(clocks.cancel(clock, at, terms.tables))
            elif reapply == target.definition_id or target.definition_id != clock.target.definition_id:
                draft.put(clocks.retarget(clock, target, at, terms.tables))
                announce_breach(draft, clock, draft.ticket.clock(kind))
        elif owed(draft.ticket, kind, clock):
            owe(draft, terms, kind, at, anew=False)


def owed(ticket: Ticket, kind: ClockKind, last: Clock | None) -> bool:
    """Whether a ticket without an open clock of this kind still waits for what it promises; `last` was the latest."""
    if ticket.status is Status.RESOLVED or (last and (last.waived or counting(last))):
        return False
    if kind is ClockKind.NEXT_RESPONSE:
        return bool(ticket.unanswered and ticket.first_response_at)
    return (last is None or last.state is ClockState.CANCELLED) and (
        kind is ClockKind.RESOLUTION or ticket.first_response_at is None
    )


def recount(draft: Draft) -> None:
    """Count the open clocks on their calendars of today: an edit of one is seen at the next decision."""
    terms = draft.around.terms
    for clock in draft.ticket.clocks if terms else ():
        if terms:
            draft.put(clocks.recount(clock, draft.event.at, terms.tables))
            announce_breach(draft, clock, draft.ticket.clock(clock.kind))


def excuse(draft: Draft) -> None:
    """Take note of the breaches that people have waived: nothing more follows from them."""
    terms = draft.around.terms
    for clock in draft.ticket.clocks if terms and terms.waived else ():
        if terms and clock.state is ClockState.BREACHED and breach_id(draft.ticket, clock) in terms.waived:
            draft.put(clock.moved(waived=True))


def breach(draft: Draft, clock: Clock) -> None:
    """The deadline has passed."""
    draft.put(clocks.breach(clock, draft.event.now))
    announce_breach(draft, clock, draft.ticket.clock(clock.kind))


def announce_breach(draft: Draft, before: Clock, after: Clock | None) -> None:
    """Tell listeners, when a clock has just been broken."""
    if after and after.state is ClockState.BREACHED and before.state is not ClockState.BREACHED and after.breached_at:
        draft.announce(
            "sla_breached",
            breachId=str(breach_id(draft.ticket, after)),
            clock=after.kind,
            cycle=after.cycle,
            breachedAt=after.breached_at.isoformat(),
            cause=after.cause,
        )


def breach_id(ticket: Ticket, clock: Clock) -> UUID:
    """The id of the breach of a clock: the same for ever, because ticket, kind and cycle are."""
    return derived_id("breach", ticket.id, clock.kind, clock.cycle)


def adjust(draft: Draft, command: AdjustClock) -> None:
    """Pause, resume or waive one clock by hand. Raises Forbidden, NoClock, ClockStands."""
    if not draft.event.actor.role.includes(Role.LEAD):
        raise Forbidden("Adjusting a clock takes the role LEAD.", required_role=Role.LEAD)
    terms, clock, at = draft.around.terms, draft.ticket.clock(command.kind), draft.event.at
    if terms is None or clock is None:
        raise NoClock(command.kind)
    held = Hold.MANUAL in clock.holds
    match command.action:
        case ClockAction.PAUSE if not counting(clock) or held:
            raise ClockStands("The clock is paused by hand already." if held else f"The clock is {clock.state}.")
        case ClockAction.RESUME if not held:
            raise ClockStands("Nobody has paused the clock by hand.")
        case ClockAction.WAIVE if clock.state is ClockState.BREACHED:
            broken = str(breach_id(draft.ticket, clock))
            raise ClockStands("The promise is broken already; waive the breach.", breachId=broken)
        case ClockAction.WAIVE if clock.state not in OPEN:
            raise ClockStands(f"The clock is {clock.state}.")
        case ClockAction.PAUSE:
            draft.put(clocks.pause(clock, Hold.MANUAL, at, terms.tables))
        case ClockAction.RESUME:
            draft.put(clocks.resume(clock, Hold.MANUAL, at, terms.tables))
        case ClockAction.WAIVE:
            draft.put(clocks.waive(clock, at, terms.tables))
