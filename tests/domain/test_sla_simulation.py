"""Simulations: the past judged again, and nothing changed by what changes nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.customers import Tier
from domain.sla import clocks
from domain.sla.calendars import DAYS
from domain.sla.clocks import MOST_RUNS, NO_TIME, Clock, ClockKind, ClockState, Hold, Target
from domain.sla.credits import CreditRule, Step
from domain.sla.policy import Granted, NamedCalendar, SlaPolicy
from domain.sla.simulation import (
    Past,
    PastRun,
    Proposal,
    ProposedCalendar,
    ProposedTarget,
    Simulation,
    forgotten,
    recorded,
    replayed,
)
from domain.sla.timetable import no_holidays
from domain.tickets.model import Severity

OFFICE, ALWAYS, DEFINITION, ACCOUNT = (UUID(int=number) for number in range(1, 5))
NOW = datetime(2025, 7, 1, tzinfo=UTC)
MONDAY = datetime(2025, 6, 9, tzinfo=UTC)
OFFICE_WEEK = dict.fromkeys(DAYS[:5], (("09:00", "17:00"),))
WHOLE_WEEK = dict.fromkeys(DAYS, (("00:00", "24:00"),))
RULE = CreditRule(
    steps=(Step(overrun_minutes=0, percent=Decimal(5)), Step(overrun_minutes=240, percent=Decimal(10))),
    cap_percent=Decimal(20),
)
POLICY = SlaPolicy(
    calendars=(
        NamedCalendar(id=OFFICE, version=1, name="Office", time_zone="UTC", week=OFFICE_WEEK),
        NamedCalendar(id=ALWAYS, version=1, name="Always", time_zone="UTC", week=WHOLE_WEEK),
    ),
    credits=(Granted(id=DEFINITION, version=1, credit=RULE),),
)


def public(country: str) -> Any:
    return no_holidays


TABLES = POLICY.timetables("UTC", public)


def at(hours: float) -> datetime:
    """So many hours after Monday, 0:00."""
    return MONDAY + timedelta(hours=hours)


def past(*runs: tuple[float, float], minutes: int = 60, calendar: UUID = ALWAYS, **fields: Any) -> Past:
    """A clock that ran between these hours after Monday, and was met at the end of the last one in time unless told otherwise."""
    ran = tuple(PastRun(at(since), at(until), calendar) for since, until in runs)
    values: dict[str, Any] = {
        "ticket_id": UUID(int=9),
        "kind": ClockKind.FIRST_RESPONSE,
        "state": ClockState.MET,
        "tier": Tier.PREMIUM,
        "severity": Severity.SEV1,
        "target": timedelta(minutes=minutes),
        "calendar_id": calendar,
        "definition_id": DEFINITION,
        "definition_version": 1,
        "spent": sum((TABLES[calendar].between(run.since, run.until or NOW) for run in ran), NO_TIME),
        "runs": ran,
        "met_at": ran[-1].until,
        "breached_at": None,
        "account_id": ACCOUNT,
        "time_zone": "UTC",
        "fee": Decimal(1000),
        "currency": "EUR",
    }
    return Past(**{**values, **fields})


def broken(*runs: tuple[float, float], breached: float, **fields: Any) -> Past:
    """A clock that was kept too late."""
    return past(*runs, **{"state": ClockState.BREACHED, "breached_at": at(breached), **fields})


def tried(minutes: int, calendar: UUID | None = None) -> Proposal:
    target = ProposedTarget(
        tier=Tier.PREMIUM,
        severity=Severity.SEV1,
        kind=ClockKind.FIRST_RESPONSE,
        target_minutes=minutes,
        calendar_id=calendar,
    )
    return Proposal(definitions=(target,))


def simulated(proposal: Proposal, *pasts: Past) -> dict[str, Any]:
    simulation = Simulation(POLICY, proposal, public, NOW)
    for each in pasts:
        simulation.add(each)
    return simulation.result()


def test_a_tighter_target_breaks_and_a_looser_one_cures() -> None:
    pasts = (past((0, 0.5)), broken((0, 2), breached=1, ticket_id=UUID(int=10)))
    tighter, looser = simulated(tried(15), *pasts), simulated(tried(180), *pasts)
    assert tighter["before"]["responseCompliance"] == looser["before"]["responseCompliance"] == 50.0
    assert (tighter["after"]["responseCompliance"], tighter["changed"]) == (0.0, {"cured": 0, "broken": 1})
    assert (looser["after"]["responseCompliance"], looser["changed"]) == (100.0, {"cured": 1, "broken": 0})
    assert (tighter["tickets"], tighter["clocks"]) == (2, 2)
    assert tighter["before"]["resolutionCompliance"] is None


def test_at_the_very_deadline_it_is_met() -> None:
    assert simulated(tried(30), past((0, 0.5)))["after"]["breaches"] == 0
    assert simulated(tried(29), past((0, 0.5)))["after"]["breaches"] == 1


def test_what_happens_after_closing_is_late_although_no_business_time_has_passed() -> None:
    at_five = past((16, 17), minutes=120, calendar=OFFICE)
    at_eight = past((16, 20), minutes=120, calendar=OFFICE)
    assert simulated(tried(60), at_five)["after"]["breaches"] == 0
    assert simulated(tried(60), at_eight)["after"]["breaches"] == 1


def test_pauses_do_not_count_on_a_proposed_target_either() -> None:
    paused = past((0, 0.5), (10, 10.25), minutes=60)
    assert simulated(tried(45), paused)["after"]["breaches"] == 0
    assert simulated(tried(44), paused)["after"]["breaches"] == 1


def test_another_calendar_for_a_target_is_applied_to_every_run() -> None:
    night = broken((0, 8), breached=1)
    assert simulated(tried(60, OFFICE), night)["changed"] == {"cured": 1, "broken": 0}


def test_another_version_of_a_calendar_is_applied_to_the_clocks_that_ran_on_it() -> None:
    shorter = ProposedCalendar(id=OFFICE, time_zone="UTC", week=dict.fromkeys(DAYS[:5], (("12:00", "17:00"),)))
    morning = broken((9, 13), breached=11, minutes=120, calendar=OFFICE)
    elsewhere = broken((9, 13), breached=11, minutes=120, calendar=ALWAYS, ticket_id=UUID(int=10))
    result = simulated(Proposal(calendars=(shorter,)), morning, elsewhere)
    assert (result["after"]["breaches"], result["changed"]) == (1, {"cured": 1, "broken": 0})


def test_annulled_clocks_count_on_neither_side() -> None:
    result = simulated(tried(1), past((0, 0.5), state=ClockState.ANNULLED))
    assert result["before"]["responseCompliance"] is result["after"]["responseCompliance"] is None


def test_a_cancelled_clock_counts_when_it_would_have_been_broken_before() -> None:
    cancelled = past((0, 0.5), state=ClockState.CANCELLED, met_at=None)
    assert simulated(tried(15), cancelled)["after"]["breaches"] == 1
    assert simulated(tried(50), cancelled)["after"]["responseCompliance"] is None


def test_a_clock_that_still_runs_counts_up_to_now() -> None:
    run = PastRun(NOW - timedelta(minutes=30), None, ALWAYS)
    running = past((0, 1))._replace(state=ClockState.RUNNING, runs=(run,), spent=NO_TIME, met_at=None)
    assert simulated(tried(20), running)["after"]["breaches"] == 1
    assert simulated(tried(40), running)["after"]["breaches"] == 0


def test_runs_that_are_no_longer_remembered_count_for_what_they_took() -> None:
    minute = 1 / 60
    runs = [(hour, hour + minute) for hour in range(MOST_RUNS)]
    record = past(*runs, minutes=200)
    record = record._replace(spent=record.spent + timedelta(minutes=60))
    assert forgotten(record, TABLES) == timedelta(minutes=60)
    whole = MOST_RUNS + 60
    assert simulated(tried(whole), record)["after"]["breaches"] == 0
    assert simulated(tried(whole - 1), record)["after"]["breaches"] == 1
    assert simulated(tried(30), record)["after"]["breaches"] == 1


def test_credits_follow_the_overrun_and_stop_at_the_cap_of_the_month() -> None:
    late = [broken((0, 2), breached=1, ticket_id=UUID(int=20 + n)) for n in range(5)]
    result = simulated(tried(60, ALWAYS), *late)
    assert result["before"]["credits"] == result["after"]["credits"] == [{"currency": "EUR", "amount": "200.00"}]
    tighter = simulated(tried(15), broken((0, 4.5), breached=1))
    assert tighter["before"]["credits"] == [{"currency": "EUR", "amount": "50.00"}]
    assert tighter["after"]["credits"] == [{"currency": "EUR", "amount": "100.00"}]


def test_groups_add_up() -> None:
    pasts = (past((0, 0.5)), past((0, 0.5), tier=Tier.BASIC, severity=Severity.SEV4))
    result = simulated(tried(15), *pasts)
    assert [(each["tier"], each["severity"]) for each in result["groups"]] == [("BASIC", "SEV4"), ("PREMIUM", "SEV1")]
    assert [each["after"]["breaches"] for each in result["groups"]] == [0, 1]


def lives(minutes: int, calendar: UUID, moves: list[tuple[float, str]]) -> Past | None:
    """The record of a clock that went through `moves`, each some hours after the one before, as the clock's own rules write it."""
    target = Target(definition_id=DEFINITION, calendar_id=calendar, minutes=minutes)
    clock = clocks.start(ClockKind.FIRST_RESPONSE, 1, target, at(0), TABLES)
    now, runs = at(0), list[PastRun]()
    for hours, move in moves:
        now += timedelta(hours=hours)
        before = clock
        clock = due_by(clock, now)
        if move == "pause":
            clock = clocks.pause(clock, Hold.CUSTOMER, now, TABLES)
        elif move == "resume":
            clock = clocks.resume(clock, Hold.CUSTOMER, now, TABLES)
        elif move == "meet":
            clock = clocks.meet(clock, now, TABLES)
        elif move == "cancel":
            clock = clocks.cancel(clock, now, TABLES)
        if before.running_since is not None and clock.running_since is None:
            runs.append(PastRun(before.running_since, now, calendar))
        if clock.ended_at is not None:
            break
    if clock.running_since is not None:
        runs.append(PastRun(clock.running_since, None, calendar))
    return past((0, 1), minutes=minutes, calendar=calendar)._replace(
        state=clock.state, spent=clock.spent, runs=tuple(runs), met_at=clock.met_at, breached_at=clock.breached_at
    )


def due_by(clock: Clock, now: datetime) -> Clock:
    """The clock after its timer, which fires at its instant, or with the next input when that comes at the same one."""
    due = clock.state is ClockState.RUNNING and clock.deadline_at is not None and clock.deadline_at < now
    return clocks.breach(clock, now) if due else clock


MOVES = st.lists(
    st.tuples(
        st.floats(0, 30).map(lambda hours: round(hours, 2)), st.sampled_from(["pause", "resume", "meet", "cancel"])
    ),
    max_size=6,
)


@given(st.integers(1, 3000), st.sampled_from([OFFICE, ALWAYS]), MOVES)
def test_the_same_target_and_calendar_change_nothing(
    minutes: int, calendar: UUID, moves: list[tuple[float, str]]
) -> None:
    record = lives(minutes, calendar, moves)
    now = max([NOW, *(run.until for run in record.runs if run.until)])
    record = settled(record, now)
    assert replayed(record, record.target, TABLES, calendar, now) == recorded(record, TABLES, now)


def settled(record: Past, now: datetime) -> Past:
    """The record once the timer of a clock that still runs has fired too."""
    for run in record.runs:
        if run.until is None and record.state is ClockState.RUNNING:
            due = TABLES[run.calendar_id].after(run.since, record.target - record.spent)
            if due < now:
                return record._replace(state=ClockState.BREACHED, breached_at=due)
    return record


@given(st.integers(1, 600), st.lists(st.tuples(st.integers(1, 900), st.booleans()), min_size=1, max_size=20))
def test_a_looser_target_breaks_nothing(minutes: int, lengths: list[tuple[int, bool]]) -> None:
    pasts = list(answered(minutes, lengths))
    same, looser = simulated(tried(minutes), *pasts), simulated(tried(minutes + 60), *pasts)
    assert same["before"] == same["after"]
    assert same["changed"] == {"cured": 0, "broken": 0}
    assert looser["after"]["breaches"] <= looser["before"]["breaches"]
    assert looser["changed"]["broken"] == 0


def answered(minutes: int, lengths: list[tuple[int, bool]]) -> Iterator[Past]:
    """First responses after so many minutes."""
    for number, (length, _) in enumerate(lengths):
        span, ticket = (0.0, length / 60), UUID(int=100 + number)
        if length > minutes:
            yield broken(span, breached=minutes / 60, minutes=minutes, ticket_id=ticket)
        else:
            yield past(span, minutes=minutes, ticket_id=ticket)
