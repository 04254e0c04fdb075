"""Escalation rules at work on a ticket: which is due next, and what one does when it fires."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue

from domain.process import Channel
from domain.sla import ladder
from domain.sla.clocks import Clock, ClockKind, ClockState
from domain.sla.escalation import (
    Action,
    ClockPercent,
    Created,
    Notify,
    Page,
    Raise,
    Reassign,
    Reopened,
    Rule,
    Silence,
    Webhook,
)
from domain.sla.ladder import Firing
from domain.tickets.clocks import breach, retarget
from domain.tickets.draft import Draft
from domain.tickets.lifecycle import moved
from domain.tickets.model import Priority, Severity, Status, Ticket
from domain.tickets.queueing import transferred
from domain.tickets.recipients import on_call_of, recipient
from domain.tickets.surroundings import Terms

AT_WORK: Final = frozenset({Status.OPEN, Status.IN_PROGRESS, Status.PENDING_INTERNAL})
"""Where it is the assignee's turn."""


def concerning(ticket: Ticket, terms: Terms) -> list[Rule]:
    """The rules whose conditions hold for the ticket as it stands."""
    return [rule for rule in terms.policy.rules if rule.condition.holds(ticket)]


def next_escalation(ticket: Ticket, terms: Terms) -> datetime | None:
    """When the next rule is due to fire on this ticket."""
    rules = concerning(ticket, terms)
    dues = [ladder.next_due(clock, rules, terms.tables) for clock in ticket.clocks]
    dues += [firing.at for firing in silences(ticket, rules, terms)]
    return min((due for due in dues if due), default=None)


def silences(ticket: Ticket, rules: Sequence[Rule], terms: Terms, until: datetime | None = None) -> list[Firing]:
    """When each rule on a silent assignee fires next; with `until` those that are due, the highest one noting the others.

    The silence is counted as the resolution is, in business time; without such a clock, on the wall.
    """
    since = ticket.acted_at
    if since is None or ticket.assignee_id is None or ticket.status not in AT_WORK:
        return []
    clock, marks = ticket.clock(ClockKind.RESOLUTION), {mark.rule: mark for mark in ticket.fired if mark.at > since}
    fresh: list[tuple[int, Firing]] = []
    again: list[Firing] = []
    for rule in rules:
        if not isinstance(rule.trigger, Silence):
            continue
        mark = marks.get(rule.id)
        if mark is None:
            wait = timedelta(minutes=rule.trigger.minutes)
            at = terms.tables[clock.target.calendar_id].reach(since, wait) if clock else since + wait
            fresh += [(rule.trigger.minutes, Firing(rule, 1, at))] if at else []
        elif rule.repeat and (found := ladder.repeated(mark, rule.repeat, until, since)):
            again.append(Firing(rule, *found))
    if until is None:
        return [firing for _, firing in fresh] + again
    due = sorted((each for each in fresh if each[1].at <= until), key=lambda each: each[0])
    if not due:
        return [firing for firing in again if firing.at <= until]
    top = due[-1][0]
    noted = tuple(firing.rule for minutes, firing in due if minutes < top)
    return [firing._replace(noted=noted) for minutes, firing in due if minutes == top]


def escalate(draft: Draft, terms: Terms, until: datetime) -> None:
    """Fire what is due by `until`, clock by clock, a clock's breach before the rungs at or after it."""
    for kind in ClockKind:
        clock = draft.ticket.clock(kind)
        due = ladder.firings(clock, concerning(draft.ticket, terms), until, terms.tables) if clock else []
        for firing in due:
            current = draft.ticket.clock(kind)
            if current and current.state is ClockState.RUNNING and (current.deadline_at or until) <= firing.at:
                breach(draft, current)
            fire(draft, firing, draft.ticket.clock(kind))
    for firing in silences(draft.ticket, concerning(draft.ticket, terms), terms, until):
        fire(draft, firing, None)


def turn(draft: Draft, before: Ticket, at: datetime) -> None:
    """The silence of an assignee begins when the customer has left the ticket with them again."""
    after = draft.ticket
    if after.assignee_id and after.status in AT_WORK and before.status in (Status.PENDING_CUSTOMER, Status.RESOLVED):
        draft.set(acted_at=max(after.acted_at or at, at))


def created(draft: Draft) -> None:
    """Fire the rules on a new ticket."""
    happened(draft, Created, draft.ticket.created_at)


def reopened(draft: Draft, at: datetime) -> None:
    """Fire the rules on a ticket that was reopened just now, as often as they say."""
    happened(draft, Reopened, at)


def happened(draft: Draft, trigger: type[Created | Reopened], at: datetime) -> None:
    """Fire the rules on something that happened at `at`, each once."""
    terms, done = draft.around.terms, {mark.rule for mark in draft.ticket.fired}
    for rule in concerning(draft.ticket, terms) if terms else ():
        if not isinstance(rule.trigger, trigger) or rule.id in done:
            continue
        if not isinstance(rule.trigger, Reopened) or rule.trigger.count == draft.ticket.reopens:
            fire(draft, Firing(rule, 1, at), None)


def fire(draft: Draft, firing: Firing, clock: Clock | None) -> None:
    """Mark a rule as fired, note it for the history, and act."""
    if clock:
        draft.put(clock.moved(fired=ladder.record(clock.fired, firing)))
    else:
        draft.set(fired=ladder.record(draft.ticket.fired, firing))
    where = f"{clock.kind}/{clock.cycle}" if clock else firing.at.isoformat()
    rung = f"{firing.rule.id}/{where}/{firing.times}"
    done: list[JsonValue] = [action.type for action in firing.rule.actions if act(draft, firing, action, clock, rung)]
    draft.escalated.append(
        {
            "ruleId": str(firing.rule.id),
            "rule": firing.rule.name,
            "at": firing.at.isoformat(),
            "times": firing.times,
            "clock": clock.kind if clock else None,
            "cycle": clock.cycle if clock else None,
            "actions": done,
            "noted": [rule.name for rule in firing.noted],
        }
    )


def act(draft: Draft, firing: Firing, action: Action, clock: Clock | None, rung: str) -> bool:
    """One action of a rule that fires. Whether anything came of it."""
    before = draft.ticket
    said: dict[str, JsonValue] = {"rule": firing.rule.name, "times": firing.times, **about(firing, clock)}
    match action:
        case Notify():
            draft.tell(template(clock), recipient(action, draft.ticket), Channel.PREFERRED, rung, **said)
        case Page():
            draft.tell("page", on_call_of(draft.ticket), Channel.PREFERRED, rung, **said)
        case Webhook():
            draft.announce("escalated", internal=True, **said)
        case Reassign():
            reassign(draft, action, firing.at)
        case Raise():
            overtaken(draft, firing.at)
            ticket = draft.ticket
            draft.set(
                priority=higher(ticket.priority, action.priority), severity=worse(ticket.severity, action.severity)
            )
            retarget(draft, firing.at)
    return isinstance(action, Notify | Page | Webhook) or draft.ticket != before


def overtaken(draft: Draft, at: datetime) -> None:
    """Break the promises whose deadlines lie before `at`: what changes then changes nothing of them."""
    for clock in draft.ticket.clocks:
        if clock.state is ClockState.RUNNING and clock.deadline_at and clock.deadline_at < at:
            breach(draft, clock)


def about(firing: Firing, clock: Clock | None) -> dict[str, JsonValue]:
    """What is told of the clock on which a rule fires."""
    if clock is None:
        return {}
    trigger = firing.rule.trigger
    return {
        "clock": clock.kind,
        "cycle": clock.cycle,
        "percent": trigger.percent if isinstance(trigger, ClockPercent) else None,
        "deadlineAt": clock.deadline_at.isoformat() if clock.deadline_at else None,
    }


def reassign(draft: Draft, action: Reassign, at: datetime) -> None:
    """Give the ticket to those whom a rule names; the silence of a new assignee begins."""
    before = draft.ticket
    if action.team_id:
        draft.set(team_id=action.team_id)
        transferred(draft, before)
    if action.assignee_id and action.assignee_id != before.assignee_id:
        draft.set(assignee_id=action.assignee_id, acted_at=at)
        if before.status is Status.NEW:
            draft.set(**moved(before, Status.OPEN, at))
        draft.tell_assignee("ticket_assigned")


def template(clock: Clock | None) -> str:
    """What is told: a warning or a breach of a clock, or else that a rule has fired."""
    if clock is None:
        return "escalated"
    return "sla_breached" if clock.state is ClockState.BREACHED else "sla_warning"


def higher(one: Priority, other: Priority | None) -> Priority:
    """The more urgent of two."""
    order = list(Priority)
    return max(one, other or one, key=order.index)


def worse(one: Severity, other: Severity | None) -> Severity:
    """The more severe of two."""
    order = list(Severity)
    return min(one, other or one, key=order.index)
