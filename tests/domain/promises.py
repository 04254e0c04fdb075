"""Promises for tests of tickets: a policy in a few words, a ticket's life as a list of what happened, and its clocks by kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.customers import Tier
from domain.identity import Actor, Role
from domain.process import Command, Decision, Wake
from domain.sla.calendars import DAYS
from domain.sla.clocks import Clock, ClockKind
from domain.sla.credits import CreditRule, Step
from domain.sla.escalation import Action, ClockPercent, Notify, Rule
from domain.sla.policy import Definition, Granted, NamedCalendar, SlaPolicy
from domain.sla.timetable import no_holidays
from domain.tickets.commands import ChangeTicket
from domain.tickets.model import Severity, Status, Ticket
from domain.tickets.surroundings import Terms
from tests.domain.tickets import AGENT, CUSTOMER, after, creation, reply

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
ALWAYS, OFFICE = UUID(int=0x24), UUID(int=0x95)
LEAD = Actor(id=UUID(int=0x1EAD), role=Role.LEAD, name="Lee Lead", email="lee@desk.example")
FIRST, NEXT, LAST = ClockKind.FIRST_RESPONSE, ClockKind.NEXT_RESPONSE, ClockKind.RESOLUTION

CALENDARS: Mapping[UUID, Mapping[str, Any]] = {
    ALWAYS: {"name": "Always", "time_zone": "UTC", "week": dict.fromkeys(DAYS, (("00:00", "24:00"),))},
    OFFICE: {"name": "Office", "time_zone": None, "week": dict.fromkeys(DAYS[:5], (("09:00", "17:00"),))},
}

Minutes = Mapping[ClockKind, int]


def policy(
    minutes: Mapping[Severity, Minutes] | Minutes,
    calendar: UUID | Mapping[ClockKind, UUID] = ALWAYS,
    rules: Sequence[Rule] = (),
    steps: Sequence[tuple[int, str]] = (),
    version: int = 1,
    calendars: Mapping[UUID, Mapping[str, Any]] = CALENDARS,
) -> SlaPolicy:
    """Targets by kind, for every severity alike or by severity, all on one calendar or on one for each kind."""
    by_severity: Mapping[Any, Any] = (
        minutes if isinstance(next(iter(minutes), None), Severity) else dict.fromkeys(Severity, minutes)
    )
    definitions = tuple(
        Definition(
            id=UUID(
                int=1000 * (1 + list(Severity).index(severity))
                + 10 * list(Tier).index(tier)
                + list(ClockKind).index(kind)
            ),
            version=version,
            tier=tier,
            severity=severity,
            kind=kind,
            target_minutes=target,
            calendar_id=calendar if isinstance(calendar, UUID) else calendar[kind],
        )
        for severity, targets in by_severity.items()
        for tier in Tier
        for kind, target in targets.items()
    )
    rule = CreditRule(steps=tuple(Step(overrun_minutes=at, percent=Decimal(percent)) for at, percent in steps))
    return SlaPolicy(
        calendars=tuple(NamedCalendar(id=each, version=1, **fields) for each, fields in calendars.items()),
        definitions=definitions,
        credits=tuple(Granted(id=each.id, version=each.version, credit=rule) for each in definitions) if steps else (),
        rules=tuple(rules),
    )


def terms(of: SlaPolicy, home: str = "UTC", fee: int = 0) -> Terms:
    """The policy for an account in the zone `home` that pays `fee`."""
    return Terms(policy=of, tables=of.timetables(home, lambda _: no_holidays), fee=Decimal(fee), currency="USD")


def at_percent(percent: int, *actions: Action, number: int | None = None, **fields: Any) -> Rule:
    """A rule at a share of every clock's target; it tells the assignee unless it acts otherwise."""
    name, done = f"at {percent} %", actions or (Notify(to="ASSIGNEE"),)
    return Rule(
        id=UUID(int=number or percent), name=name, trigger=ClockPercent(percent=percent), actions=done, **fields
    )


def when(text: str, day: int = 0) -> datetime:
    """A time of day on the Monday of these tests, or so many days later."""
    hours, minutes, *seconds = (int(part) for part in text.split(":"))
    return MONDAY + timedelta(days=day, hours=hours, minutes=minutes, seconds=seconds[0] if seconds else 0)


@dataclass
class Life:
    """A ticket and every decision on it."""

    terms: Terms
    decisions: list[Decision[Ticket]] = field(default_factory=list)
    account: bool = True

    @classmethod
    def begun(cls, of: Terms, at: datetime, *, account: bool = True, by: Actor = AGENT, **fields: Any) -> "Life":
        """A ticket that was created at `at`."""
        life = cls(of, account=account)
        life.do(creation(**fields), at, by=by)
        return life

    @property
    def ticket(self) -> Ticket:
        """The ticket as it is now."""
        return self.decisions[-1].state

    def do(
        self, command: Command, at: datetime, *, by: Actor = AGENT, late: timedelta = timedelta(0), **around: Any
    ) -> Decision[Ticket]:
        """Decide a command that came at `at`."""
        before = self.ticket if self.decisions else None
        known = {"account_id": UUID(int=0xACC)} if self.account else {}
        decision = after(command, before, at, by=by, late=late, terms=self.terms, **(known | around))
        self.decisions.append(decision)
        return decision

    def move(self, status: Status, at: datetime, **how: Any) -> Decision[Ticket]:
        """Move it."""
        return self.do(ChangeTicket(status=status), at, **how)

    def change(self, at: datetime, **fields: Any) -> Decision[Ticket]:
        """Change its fields."""
        return self.do(ChangeTicket(**fields), at)

    def answer(self, at: datetime, **fields: Any) -> Decision[Ticket]:
        """The staff write to the customer."""
        by = fields.pop("by", AGENT)
        return self.do(reply(**fields), at, by=by)

    def ask(self, at: datetime, **how: Any) -> Decision[Ticket]:
        """The customer writes."""
        return self.do(reply(), at, by=CUSTOMER, **how)

    def wake(self, at: datetime) -> Decision[Ticket]:
        """Its timer fires, or its worker comes back."""
        return self.do(Wake(), at, by=Actor())

    def live(self, until: datetime) -> None:
        """Wake at each of its deadlines up to an instant, as its timer does."""
        while True:
            due = min((d.due_at for d in self.decisions[-1].deadlines if d.state == "ARMED"), default=None)
            if due is None or due > until:
                return
            self.wake(due)

    def clock(self, kind: ClockKind) -> Clock:
        """Its latest clock of a kind."""
        found = self.ticket.clock(kind)
        assert found is not None
        return found

    def states(self) -> dict[str, str]:
        """Its clocks: kind and cycle → state."""
        return {f"{clock.kind} {clock.cycle}": clock.state.value for clock in self.ticket.clocks}

    def told(self) -> list[tuple[str, str, str | None]]:
        """Who was told what on which rung, over its whole life, in order; the customer's mail and assignments aside."""
        usual = {
            "ticket_reply",
            "ticket_resolved",
            "ticket_assigned",
            "customer_replied",
            "customer_reminder",
            "ticket_closed",
        }
        return [(n.template, n.recipient, n.rung) for d in self.decisions for n in d.notices if n.template not in usual]

    def announced(self, happened: str) -> int:
        """How often listeners were told of something."""
        return sum(a.type == f"ticket.{happened}" for d in self.decisions for a in d.announcements)


USUAL = policy({FIRST: 60, LAST: 480})
"""An hour for the first response, eight for the resolution."""


def life(of: SlaPolicy = USUAL, at: str = "09:00", **fields: object) -> Life:
    """A ticket opened on Monday at this time under that policy."""
    return Life.begun(terms(of), when(at), **fields)
