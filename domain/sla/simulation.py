"""What would have been: clocks of the past run again on proposed targets and calendars, and the two outcomes compared.

Only what the proposal touches is run again: a clock that ran on an older version of its calendar is not judged by today's.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain.customers import Tier
from domain.process import Frozen
from domain.sla.calendars import Calendar
from domain.sla.clocks import MOST_RUNS, NO_TIME, ClockKind, ClockState, Timetables
from domain.sla.compliance import percent
from domain.sla.credits import credit_of, left_of, month_of
from domain.sla.policy import NamedCalendar, PublicHolidays, SlaPolicy
from domain.sla.timetable import OutOfReach, Timetable
from domain.tickets.model import Severity


class ProposedTarget(Frozen):
    """Another target for a (tier, severity, kind); without a calendar the clocks keep theirs."""

    tier: Tier
    severity: Severity
    kind: ClockKind
    target_minutes: int
    calendar_id: UUID | None = None


class ProposedCalendar(Calendar):
    """Another version of the calendar with this id."""

    id: UUID


class Proposal(Frozen):
    """What is tried; the rest of the policy stays."""

    definitions: tuple[ProposedTarget, ...] = ()
    calendars: tuple[ProposedCalendar, ...] = ()


class PastRun(NamedTuple):
    """From when to when a clock ran, by the clock on the wall; `until` is None for the run that still goes on."""

    since: datetime
    until: datetime | None
    calendar_id: UUID


class Past(NamedTuple):
    """A clock as it was recorded, with the account that a credit would go to.

    Of a clock with very many runs only the last ones are remembered; `spent` holds the business time of all that have ended.
    """

    ticket_id: UUID
    kind: ClockKind
    state: ClockState
    tier: Tier
    severity: Severity
    target: timedelta
    calendar_id: UUID
    definition_id: UUID
    definition_version: int
    spent: timedelta
    runs: tuple[PastRun, ...]
    met_at: datetime | None
    breached_at: datetime | None
    account_id: UUID | None
    time_zone: str
    fee: Decimal
    currency: str


class Verdict(NamedTuple):
    """How a clock ended: None for one that counts neither as met nor as breached. The overrun is business time."""

    state: ClockState | None
    breached_at: datetime | None = None
    overrun: timedelta = NO_TIME

    @property
    def breached(self) -> bool:
        """Whether the promise was broken."""
        return self.state is ClockState.BREACHED


UNCOUNTED: Final = Verdict(None)


def recorded(past: Past, tables: Timetables, now: datetime) -> Verdict:
    """What the record says."""
    if past.state is ClockState.BREACHED:
        spent = past.spent + sum(
            (tables[run.calendar_id].between(run.since, now) for run in past.runs if run.until is None), NO_TIME
        )
        return Verdict(ClockState.BREACHED, past.breached_at, max(spent - past.target, NO_TIME))
    return Verdict(ClockState.MET) if past.state is ClockState.MET else UNCOUNTED


def forgotten(past: Past, tables: Timetables) -> timedelta:
    """The business time of runs that are no longer remembered."""
    if len(past.runs) < MOST_RUNS:
        return NO_TIME
    remembered = (tables[run.calendar_id].between(run.since, run.until) for run in past.runs if run.until is not None)
    return max(past.spent - sum(remembered, NO_TIME), NO_TIME)


def replayed(
    past: Past,
    target: timedelta,
    tables: Timetables,
    calendar: UUID | None,
    now: datetime,
    carried: timedelta = NO_TIME,
) -> Verdict:
    """The same runs against another target, on `calendar` or on those that they ran on; `carried` is what runs before them took.

    Annulled ones stay uncounted. A clock that was cancelled, or is open, counts once it would have been broken before.
    """
    if past.state is ClockState.ANNULLED:
        return UNCOUNTED
    spent, broken = carried, None
    for since, until, own in past.runs:
        table, end = tables[calendar or own], until or now
        broken = broken or _deadline(table, since, max(target - spent, NO_TIME), end)
        spent += table.between(since, end)
    if broken is not None:
        return Verdict(ClockState.BREACHED, broken, max(spent - target, NO_TIME))
    return Verdict(ClockState.MET) if past.met_at is not None else UNCOUNTED


def _deadline(table: Timetable, since: datetime, left: timedelta, until: datetime) -> datetime | None:
    """The deadline of a run that went beyond it. What is due at the very end of a run is not broken by it."""
    try:
        due = table.after(since, left)
    except OutOfReach:
        return None
    return due if until > due else None


def _replaced(calendar: NamedCalendar, proposed: Mapping[UUID, ProposedCalendar]) -> NamedCalendar:
    other = proposed.get(calendar.id)
    return (
        calendar.model_copy(update={name: getattr(other, name) for name in Calendar.model_fields})
        if other
        else calendar
    )


@dataclass
class Side:
    """One of the two outcomes of a group, or of all."""

    met: Counter[ClockKind] = field(default_factory=Counter)
    breached: Counter[ClockKind] = field(default_factory=Counter)
    credits: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, kind: ClockKind, verdict: Verdict, currency: str, credit: Decimal) -> None:
        """Count a clock."""
        if verdict.state is ClockState.MET:
            self.met[kind] += 1
        elif verdict.breached:
            self.breached[kind] += 1
            if credit:
                self.credits[currency] += credit

    def told(self) -> dict[str, Any]:
        """As the job's result has it."""
        return {
            **{f"{name}Compliance": percent(self.met[kind], self.breached[kind]) for name, kind in KINDS.items()},
            "breaches": self.breached.total(),
            "credits": [{"currency": name, "amount": f"{amount:f}"} for name, amount in sorted(self.credits.items())],
        }


KINDS: Final[Mapping[str, ClockKind]] = {
    "response": ClockKind.FIRST_RESPONSE,
    "nextResponse": ClockKind.NEXT_RESPONSE,
    "resolution": ClockKind.RESOLUTION,
}

BEFORE, AFTER = "before", "after"


class Simulation:
    """Takes clocks one by one, those of a ticket together, and keeps nothing but sums."""

    def __init__(self, policy: SlaPolicy, proposal: Proposal, public: PublicHolidays, now: datetime) -> None:
        self._now, self._public, self._policy = now, public, policy
        proposed = {each.id: each for each in proposal.calendars}
        self._calendars = frozenset(proposed)
        self._targets = {(each.tier, each.severity, each.kind): each for each in proposal.definitions}
        self._proposed = SlaPolicy(calendars=tuple(_replaced(each, proposed) for each in policy.calendars))
        self._total = {BEFORE: Side(), AFTER: Side()}
        self._groups: dict[tuple[Tier, Severity], dict[str, Side]] = {}
        self._given: dict[str, defaultdict[tuple[UUID, datetime], Decimal]] = {
            BEFORE: defaultdict(Decimal),
            AFTER: defaultdict(Decimal),
        }
        self._last: UUID | None = None
        self.tickets = self.clocks = self.cured = self.broken = 0

    def add(self, past: Past) -> None:
        """Judge a clock twice."""
        self.clocks += 1
        self.tickets += past.ticket_id != self._last
        self._last = past.ticket_id
        before = recorded(past, self._policy.timetables(past.time_zone, self._public), self._now)
        after = self._after(past, before)
        self.cured += before.breached and not after.breached
        self.broken += after.breached and not before.breached
        group = self._groups.setdefault((past.tier, past.severity), {BEFORE: Side(), AFTER: Side()})
        for side, verdict in ((BEFORE, before), (AFTER, after)):
            credit = self._credit(side, past, verdict)
            self._total[side].add(past.kind, verdict, past.currency, credit)
            group[side].add(past.kind, verdict, past.currency, credit)

    def result(self) -> dict[str, Any]:
        """The comparison, as JSON."""
        return {
            **{side: sums.told() for side, sums in self._total.items()},
            "groups": list(self._grouped()),
            "tickets": self.tickets,
            "clocks": self.clocks,
            "changed": {"cured": self.cured, "broken": self.broken},
        }

    def _grouped(self) -> Iterator[dict[str, Any]]:
        for (tier, severity), sides in sorted(self._groups.items(), key=lambda item: (item[0][0].rank, item[0][1])):
            yield {
                "tier": tier.value,
                "severity": severity.value,
                **{side: sums.told() for side, sums in sides.items()},
            }

    def _after(self, past: Past, before: Verdict) -> Verdict:
        proposed = self._targets.get((past.tier, past.severity, past.kind))
        target = timedelta(minutes=proposed.target_minutes) if proposed else past.target
        calendar = proposed.calendar_id if proposed else None
        ran_on = {run.calendar_id for run in past.runs}
        moved = calendar is not None and ran_on != {calendar}
        if target == past.target and not moved and self._calendars.isdisjoint(ran_on):
            return before
        tables = self._proposed.timetables(past.time_zone, self._public)
        carried = forgotten(past, self._policy.timetables(past.time_zone, self._public))
        return replayed(past, target, tables, calendar, self._now, carried)

    def _credit(self, side: str, past: Past, verdict: Verdict) -> Decimal:
        """What the clock's own rule would propose; one account's breaches share the month's cap, the earliest ticket first."""
        rule = self._policy.credit(past.definition_id, past.definition_version)
        if not verdict.breached or rule is None or past.account_id is None or verdict.breached_at is None:
            return Decimal()
        month = (past.account_id, month_of(verdict.breached_at))
        given = self._given[side]
        wanted = credit_of(rule, verdict.overrun, past.fee, past.currency)
        credit = min(wanted, left_of(rule, past.fee, past.currency, given[month]))
        given[month] += credit
        return credit
