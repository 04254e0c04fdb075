"""How a ticket stands with its promises, as lists filter and sort by it."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from domain.process import Deadline, DeadlineState
from domain.sla.clocks import OPEN, ClockKind, ClockState, counting
from domain.tickets.due import LIFECYCLE
from domain.tickets.model import Ticket

SHOWN: Final = frozenset((*LIFECYCLE, *ClockKind))
"""What is promised to the customer, of all that is due; rungs and credits are the desk's own."""


class SlaState(StrEnum):
    """How a ticket stands: broken, in danger (a clock has used three quarters of its target), held, or well."""

    OK = "ok"
    AT_RISK = "at_risk"
    BREACHED = "breached"
    PAUSED = "paused"


class Standing(NamedTuple):
    """What the ticket's row keeps; `sla_standing` is never `at_risk`, which comes with time, from `at_risk_at` on."""

    sla_standing: SlaState
    next_deadline_at: datetime | None
    next_deadline_kind: str | None
    at_risk_at: datetime | None
    overdue_since: datetime | None


def standing(ticket: Ticket, deadlines: Iterable[Deadline]) -> Standing:
    """The standing of a ticket with these promises open. What is overdue and not kept yet comes first in the queue."""
    ahead = [each for each in deadlines if each.state is DeadlineState.ARMED and each.kind in SHOWN]
    first = min(ahead, key=lambda each: each.due_at, default=None)
    states = {clock.state for clock in ticket.clocks if not clock.waived}
    late = [
        clock.breached_at
        for clock in ticket.clocks
        if clock.state is ClockState.BREACHED and clock.breached_at and counting(clock) and not clock.waived
    ]
    if ticket.merged_into:
        state, late = SlaState.OK, []  # its promises went on in the other ticket; the breach stays on record
    elif ClockState.BREACHED in states:
        state = SlaState.BREACHED
    elif states & OPEN == {ClockState.PAUSED}:
        state = SlaState.PAUSED
    else:
        state = SlaState.OK
    return Standing(
        sla_standing=state,
        next_deadline_at=first.due_at if first else None,
        next_deadline_kind=first.kind if first else None,
        at_risk_at=min((clock.at_risk_at for clock in ticket.clocks if clock.at_risk_at), default=None),
        overdue_since=min(late, default=None),
    )


def seen(state: str, at_risk_at: datetime | None, now: datetime) -> SlaState:
    """The state as readers see it at `now`."""
    if state == SlaState.OK and at_risk_at is not None and at_risk_at <= now:
        return SlaState.AT_RISK
    return SlaState(state)
