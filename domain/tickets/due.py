"""Everything that a ticket has promised and when it is due, and what happens when that instant has come."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from pydantic import JsonValue

from domain.process import Channel, Deadline, DeadlineState
from domain.sla.clocks import NO_TIME, OPEN, Clock, ClockKind, ClockState, last_due
from domain.sla.credits import CreditRule, left_of, month_of, share
from domain.sla.timetable import MICROSECOND
from domain.tickets.clocks import breach, breach_id, follow
from domain.tickets.draft import Draft
from domain.tickets.escalations import escalate, next_escalation
from domain.tickets.lifecycle import AUTO_CLOSE, AUTO_RESOLVE, FINAL, REMINDER, deadlines, moved
from domain.tickets.model import Status, Ticket
from domain.tickets.surroundings import Surroundings, Terms

ESCALATION: Final = "ESCALATION"
CREDIT: Final = "CREDIT"
LIFECYCLE: Final = (REMINDER, AUTO_RESOLVE, AUTO_CLOSE)
ORDER: Final = {kind: n for n, kind in enumerate((*LIFECYCLE, *ClockKind, ESCALATION, CREDIT))}
"""Which goes first of what is due at one instant: what the ticket does by itself may keep a promise at the very deadline."""

Credit = tuple[datetime, Clock, CreditRule, int]
"""When a step of a credit rule is reached, on which broken clock, and which step."""


def promises(ticket: Ticket, around: Surroundings) -> tuple[Deadline, ...]:
    """Every promise that a ticket has open, the earliest first."""
    if ticket.status in FINAL:
        return ()
    found = list(deadlines(ticket, around.policy))
    terms = around.terms
    if terms:
        found += [_of_clock(ticket, clock, terms) for clock in ticket.clocks if clock.state in OPEN]
        escalation = next_escalation(ticket, terms)
        if escalation:
            found.append(Deadline(kind=ESCALATION, cycle=ticket.escalations + 1, due_at=escalation))
        credit = next_credit(ticket, terms)
        if credit:
            found.append(Deadline(kind=CREDIT, cycle=ticket.credits + 1, due_at=credit[0]))
    return tuple(sorted(found, key=lambda each: (each.due_at, ORDER[each.kind])))


def next_credit(ticket: Ticket, terms: Terms, until: datetime | None = None) -> Credit | None:
    """The next step of a credit rule; with `until` the last one reached by then on the clock that reaches one first."""
    found = [each for clock in ticket.clocks if (each := _credit(ticket, clock, terms, until))]
    return min(found, key=lambda each: each[0], default=None)


def _credit(ticket: Ticket, clock: Clock, terms: Terms, until: datetime | None) -> Credit | None:
    if clock.state is not ClockState.BREACHED or clock.running_since is None or not (ticket.account_id and terms.fee):
        return None
    if clock.waived or breach_id(ticket, clock) in terms.waived | terms.credited:
        return None  # people have decided about it
    rule = terms.policy.credit(clock.target.definition_id, clock.target.version)
    reached: Credit | None = None
    for number, step in enumerate(rule.steps[clock.credited :] if rule else (), start=clock.credited):
        at = _overrun(clock, step.overrun, terms)
        if rule and at and (reached is None or (until and at <= until)):
            reached = at, clock, rule, number
    return reached


def _overrun(clock: Clock, by: timedelta, terms: Terms) -> datetime | None:
    """When a broken clock that runs has been overrun by so much; None when that is out of reach."""
    left = max(clock.target.duration + by - clock.spent, NO_TIME)
    since = clock.running_since or clock.started_at
    at = terms.tables[clock.target.calendar_id].reach(since, left) if left else since
    return at and max(at, clock.breached_at or at)


def fall_due(draft: Draft, until: datetime, *, inclusive: bool) -> None:
    """Handle every deadline up to `until`, in order, each at its own instant; one may arm the next."""
    while True:
        armed = [each for each in promises(draft.ticket, draft.around) if each.state is DeadlineState.ARMED]
        due = armed[0] if armed else None
        if due is None or due.due_at > until or (due.due_at == until and not inclusive):
            return
        # What the ticket does by itself ends the clocks: rungs from there on are not due.
        ends = [each.due_at - MICROSECOND for each in armed if each.kind in LIFECYCLE]
        before = draft.ticket
        handle(draft, due, min([until if inclusive else until - MICROSECOND, *ends]))
        if draft.ticket is before:
            return  # nothing came of it; the shell sees a deadline left standing, and says so


def handle(draft: Draft, due: Deadline, until: datetime) -> None:
    """What happens when a promise falls due."""
    terms = draft.around.terms
    if due.kind in LIFECYCLE:
        draft.settle(due.kind, due.cycle, DeadlineState.FIRED, due.due_at)
        by_itself(draft, due)
    elif terms and due.kind == ESCALATION:
        fired = len(draft.escalated)
        escalate(draft, terms, until)
        if len(draft.escalated) > fired:
            draft.settle(due.kind, due.cycle, DeadlineState.FIRED, due.due_at)
            draft.set(escalations=draft.ticket.escalations + 1)
    elif terms and due.kind == CREDIT:
        if propose(draft, terms, until):
            draft.settle(due.kind, due.cycle, DeadlineState.FIRED, due.due_at)
            draft.set(credits=draft.ticket.credits + 1)
    else:
        clock = draft.ticket.clock(ClockKind(due.kind))
        if clock:
            breach(draft, clock)


def by_itself(draft: Draft, due: Deadline) -> None:
    """What a ticket does when its customer is silent: remind, resolve, close."""
    rung, before = f"{due.kind}/{due.cycle}", draft.ticket
    if due.kind == REMINDER:
        draft.set(reminded=True)
        draft.tell_customer("customer_reminder", rung)
        return
    status, template = (
        (Status.RESOLVED, "ticket_resolved") if due.kind == AUTO_RESOLVE else (Status.CLOSED, "ticket_closed")
    )
    draft.set(**moved(before, status, due.due_at))
    follow(draft, before, due.due_at)
    draft.tell_customer(template, rung, automatic=True)


def propose(draft: Draft, terms: Terms, until: datetime) -> bool:
    """Propose what a broken promise is worth by now, and tell the leads. Whether a step was reached.

    The proposal is cut to what the month's cap leaves; where that is nothing, nobody is told.
    """
    found = next_credit(draft.ticket, terms, until)
    if found is None:
        return False
    at, clock, rule, number = found
    step = rule.steps[number]
    given = terms.granted.get(month_of(clock.breached_at or at), Decimal())
    left = left_of(rule, terms.fee, terms.currency, given)
    amount = min(share(step.percent, terms.fee, terms.currency), left)
    draft.put(clock.moved(credited=number + 1))
    if not amount:
        return True
    said: dict[str, JsonValue] = {
        "clock": clock.kind,
        "cycle": clock.cycle,
        "amount": str(amount),
        "currency": terms.currency,
        "overrunMinutes": step.overrun_minutes,
    }
    draft.proposed.append(
        {
            **said,
            "breachId": str(breach_id(draft.ticket, clock)),
            "step": number + 1,
            "percent": str(step.percent),
            "at": at.isoformat(),
        }
    )
    rung = f"{CREDIT}/{clock.kind}/{clock.cycle}/{number + 1}"
    draft.tell("credit_proposed", "role:LEAD", Channel.PREFERRED, rung, **said)
    return True


def _of_clock(ticket: Ticket, clock: Clock, terms: Terms) -> Deadline:
    """What the assignee owes; rungs and credits are nobody's to keep."""
    return Deadline(
        kind=clock.kind,
        cycle=clock.cycle,
        due_at=last_due(clock, terms.tables),
        owner_id=ticket.assignee_id,
        state=DeadlineState.PAUSED if clock.state is ClockState.PAUSED else DeadlineState.ARMED,
    )
