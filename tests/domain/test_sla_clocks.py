"""Clocks by the cases of peers' bugs: pauses, late news, changes of policy, reopening."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.sla import clocks
from domain.sla.calendars import DAYS, Calendar, Holiday
from domain.sla.clocks import Cause, Clock, ClockKind, ClockState, Hold, Target
from domain.sla.timetable import Timetable

NONE = timedelta()
OFFICE, NIGHT_AND_DAY, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
WORKDAYS = dict.fromkeys(DAYS[:5], (("09:00", "17:00"),))
TABLES = {
    OFFICE: Timetable(Calendar(time_zone="UTC", week=WORKDAYS)),
    NIGHT_AND_DAY: Timetable(Calendar(time_zone="UTC", week=dict.fromkeys(DAYS, (("00:00", "24:00"),)))),
}


def at(text: str) -> datetime:
    """An instant of the week of Wednesday, 2025-06-11."""
    day, wall = text.split()
    return datetime.fromisoformat(f"2025-06-{11 + DAYS.index(day) - 2:02}T{wall}").replace(tzinfo=UTC)


def target(minutes: int, calendar: UUID = OFFICE) -> Target:
    return Target(definition_id=UUID(int=9), calendar_id=calendar, minutes=minutes)


def resolution(minutes: int, start: str, calendar: UUID = OFFICE) -> Clock:
    return clocks.start(ClockKind.RESOLUTION, 1, target(minutes, calendar), at(start), TABLES)


def paused(clock: Clock, start: str, end: str, hold: Hold = Hold.CUSTOMER) -> Clock:
    return clocks.resume(clocks.pause(clock, hold, at(start), TABLES), hold, at(end), TABLES)


def test_c1_a_pause_without_business_time_moves_nothing() -> None:
    clock = paused(resolution(480, "WED 09:00"), "WED 17:00", "THU 09:00")
    assert (clock.left, clock.state) == (NONE, ClockState.RUNNING)
    assert paused(resolution(481, "WED 09:00"), "WED 17:00", "THU 09:00").deadline_at == at("THU 09:01")


def test_c1_the_deadline_stays_when_the_pause_was_before_it() -> None:
    assert paused(resolution(480, "WED 09:00"), "WED 07:00", "WED 08:59").deadline_at == at("WED 17:00")
    assert paused(resolution(600, "WED 09:00"), "WED 17:00", "THU 09:00").deadline_at == at("THU 11:00")


def test_c2_a_pause_counts_where_it_overlaps_business_time() -> None:
    assert paused(resolution(480, "WED 09:00"), "WED 16:00", "THU 10:00").deadline_at == at("THU 11:00")


def test_c4_a_deadline_after_closing_rolls_to_the_next_opening() -> None:
    assert paused(resolution(60, "WED 15:30"), "WED 15:45", "WED 16:30").deadline_at == at("THU 09:15")


@given(st.integers(0, 4000), st.integers(1, 3000), st.integers(0, 3000), st.sampled_from([OFFICE, NIGHT_AND_DAY]))
def test_d15_a_clock_that_counts_from_earlier_is_the_one_that_began_then(
    before: int, minutes: int, later: int, calendar: UUID
) -> None:
    began, promise = at("WED 09:30"), target(minutes, calendar)
    since, now = began - timedelta(minutes=before), began + timedelta(minutes=later)
    clock = clocks.start(ClockKind.FIRST_RESPONSE, 1, promise, began, TABLES)
    older = clocks.start(ClockKind.FIRST_RESPONSE, 1, promise, since, TABLES)
    assert clock.deadline_at is not None
    if now > clock.deadline_at:
        return
    counted = clocks.count_from(clock, since, now, TABLES)
    assert (counted.started_at, counted.deadline_at) == (since, older.deadline_at)
    assert clocks.elapsed(counted, now, TABLES) == clocks.elapsed(older, now, TABLES)
    assert (counted.state is ClockState.BREACHED) == (clocks.elapsed(older, now, TABLES) > promise.duration)
    assert clocks.recount(counted, now, TABLES) == counted


def test_c6_two_holds_pause_once_and_the_last_one_counts() -> None:
    clock = clocks.pause(resolution(240, "WED 09:00"), Hold.CUSTOMER, at("WED 10:00"), TABLES)
    clock = clocks.pause(clock, Hold.MANUAL, at("WED 11:00"), TABLES)
    clock = clocks.resume(clock, Hold.CUSTOMER, at("WED 12:00"), TABLES)
    assert (clock.state, clock.deadline_at) == (ClockState.PAUSED, None)
    assert clocks.resume(clock, Hold.MANUAL, at("WED 13:00"), TABLES).deadline_at == at("WED 16:00")
    assert clocks.pause(clock, Hold.MANUAL, at("WED 12:30"), TABLES) == clock


def test_c7_a_pause_at_the_very_deadline_wins() -> None:
    clock = clocks.pause(resolution(60, "WED 09:00"), Hold.CUSTOMER, at("WED 10:00"), TABLES)
    assert (clock.state, clock.left) == (ClockState.PAUSED, NONE)
    again = clocks.resume(clock, Hold.CUSTOMER, at("WED 18:00"), TABLES)
    assert again.deadline_at == at("THU 09:00")
    assert clocks.meet(again, at("THU 09:00"), TABLES).state is ClockState.MET


def test_c8_a_pause_within_a_holiday_changes_nothing() -> None:
    holiday = (Holiday(date=date(2025, 6, 12)),)
    tables = {OFFICE: Timetable(Calendar(time_zone="UTC", week=WORKDAYS, holidays=holiday))}
    clock = clocks.start(ClockKind.RESOLUTION, 1, target(480), at("WED 13:00"), tables)
    held = clocks.pause(clock, Hold.CUSTOMER, at("THU 10:00"), tables)
    assert clocks.resume(held, Hold.CUSTOMER, at("THU 15:00"), tables).deadline_at == clock.deadline_at


def test_c9_kept_at_the_very_deadline_is_kept() -> None:
    clock = clocks.meet(resolution(60, "WED 09:00"), at("WED 10:00"), TABLES)
    assert (clock.state, clock.met_at, clock.spent) == (ClockState.MET, at("WED 10:00"), timedelta(hours=1))


def test_kept_a_microsecond_late_is_broken_at_the_deadline() -> None:
    late = at("WED 10:00") + timedelta(microseconds=1)
    clock = clocks.meet(resolution(60, "WED 09:00"), late, TABLES)
    assert (clock.state, clock.breached_at, clock.met_at) == (ClockState.BREACHED, at("WED 10:00"), late)
    assert clock.spent == timedelta(hours=1, microseconds=1)


def test_c10_news_from_before_the_deadline_annul_the_breach() -> None:
    broken = clocks.breach(resolution(60, "WED 09:00"), at("WED 10:00"))
    clock = clocks.meet(broken, at("WED 09:59"), TABLES)
    assert (clock.state, clock.met_at, clock.breached_at) == (ClockState.ANNULLED, at("WED 09:59"), at("WED 10:00"))


def test_c10_also_when_it_was_answered_late_before_the_news_came() -> None:
    broken = clocks.breach(resolution(60, "WED 09:00"), at("WED 10:00"))
    late = clocks.meet(broken, at("WED 11:00"), TABLES)
    assert (late.state, late.met_at) == (ClockState.BREACHED, at("WED 11:00"))
    assert clocks.meet(late, at("WED 09:30"), TABLES).state is ClockState.ANNULLED
    assert clocks.meet(late, at("WED 12:00"), TABLES) == late


def test_c12_reopening_goes_on_with_what_was_left() -> None:
    clock = clocks.meet(resolution(240, "WED 09:00", NIGHT_AND_DAY), at("WED 12:00"), TABLES)
    again = clocks.reopen(clock, at("FRI 12:00"), TABLES)
    assert (again.cycle, again.state, again.deadline_at, again.met_at) == (
        1,
        ClockState.RUNNING,
        at("FRI 13:00"),
        None,
    )


def test_c13_reopening_after_a_breach_starts_a_clean_cycle() -> None:
    broken = clocks.meet(clocks.breach(resolution(60, "WED 09:00"), at("WED 10:00")), at("WED 11:00"), TABLES)
    again = clocks.reopen(broken, at("THU 09:00"), TABLES)
    assert (again.cycle, again.state, again.spent, again.deadline_at) == (
        2,
        ClockState.RUNNING,
        NONE,
        at("THU 10:00"),
    )


def test_c24_a_tighter_target_carries_what_has_passed() -> None:
    clock = resolution(240, "WED 10:00", NIGHT_AND_DAY)
    tighter = target(15, NIGHT_AND_DAY)
    assert clocks.retarget(clock, tighter, at("WED 10:10"), TABLES).deadline_at == at("WED 10:15")
    over = clocks.retarget(clock, tighter, at("WED 10:40"), TABLES)
    assert (over.state, over.cause) == (ClockState.BREACHED, Cause.POLICY_CHANGE)
    assert over.deadline_at == over.breached_at == over.detected_at == at("WED 10:40")
    assert clocks.meet(over, at("WED 10:20"), TABLES).state is ClockState.BREACHED


def test_a_change_of_calendar_counts_each_stretch_by_its_own() -> None:
    clock = clocks.retarget(resolution(480, "WED 13:00"), target(480, NIGHT_AND_DAY), at("WED 18:00"), TABLES)
    assert (clock.spent, clock.deadline_at) == (timedelta(hours=4), at("WED 22:00"))


def test_a_looser_target_never_erases_a_breach() -> None:
    broken = clocks.breach(resolution(60, "WED 09:00"), at("WED 10:00"))
    assert clocks.retarget(broken, target(600), at("WED 10:30"), TABLES) == broken


def test_c26_a_pause_outlives_a_change_of_policy() -> None:
    clock = clocks.pause(resolution(240, "WED 09:00"), Hold.CUSTOMER, at("WED 10:00"), TABLES)
    changed = clocks.retarget(clock, target(300), at("WED 11:00"), TABLES)
    assert (changed.state, changed.spent, changed.deadline_at) == (ClockState.PAUSED, timedelta(hours=1), None)
    assert clocks.resume(changed, Hold.CUSTOMER, at("WED 11:00"), TABLES).deadline_at == at("WED 15:00")


def test_c28_a_holiday_declared_now_moves_the_deadline() -> None:
    clock = resolution(240, "THU 15:00")
    assert clock.deadline_at == at("FRI 11:00")
    closed = (Holiday(date=date(2025, 6, 13)),)
    tables = {OFFICE: Timetable(Calendar(time_zone="UTC", week=WORKDAYS, holidays=closed))}
    moved = clocks.recount(clock, at("THU 16:00"), tables)
    assert moved.deadline_at == datetime(2025, 6, 16, 11, tzinfo=UTC)


def test_an_hour_opened_in_hindsight_that_uses_up_the_target_breaks_it_now() -> None:
    tables = {OFFICE: TABLES[NIGHT_AND_DAY]}
    moved = clocks.recount(resolution(240, "WED 16:00"), at("THU 09:00"), tables)
    assert (moved.state, moved.cause, moved.breached_at) == (
        ClockState.BREACHED,
        Cause.POLICY_CHANGE,
        at("THU 09:00"),
    )


def test_the_overrun_is_counted_without_the_pauses() -> None:
    broken = clocks.breach(resolution(60, "WED 09:00"), at("WED 10:00"))
    held = paused(broken, "WED 11:00", "WED 15:00")
    assert (held.state, held.deadline_at) == (ClockState.BREACHED, at("WED 10:00"))
    kept = clocks.meet(held, at("WED 16:00"), TABLES)
    assert kept.spent - kept.target.duration == timedelta(hours=2)


def test_what_was_cancelled_or_kept_takes_nothing_more() -> None:
    gone = clocks.cancel(resolution(60, "WED 09:00"), at("WED 09:30"), TABLES)
    assert (gone.state, gone.ended_at) == (ClockState.CANCELLED, at("WED 09:30"))
    kept = clocks.meet(resolution(60, "WED 09:00"), at("WED 09:30"), TABLES)
    for done in (gone, kept):
        assert clocks.meet(done, at("WED 09:40"), TABLES) == done
        assert clocks.pause(done, Hold.MANUAL, at("WED 09:40"), TABLES) == done
        assert clocks.cancel(done, at("WED 09:40"), TABLES) == done
        assert clocks.retarget(done, target(5), at("WED 09:40"), TABLES) == done


minutes = st.integers(0, 7 * 24 * 60)


@given(
    st.integers(1, 2400),
    st.lists(minutes, max_size=8, unique=True).map(sorted),
    st.sampled_from([OFFICE, NIGHT_AND_DAY]),
)
def test_pauses_put_the_deadline_off_by_their_business_time(length: int, moments: list[int], calendar: UUID) -> None:
    begin = at("MON 00:00")
    clock = clocks.start(ClockKind.RESOLUTION, 1, target(length, calendar), begin, TABLES)
    held = NONE
    for first, second in zip(moments[::2], moments[1::2], strict=False):
        opens, closes = (begin + timedelta(minutes=count) for count in (first, second))
        if clock.deadline_at is None or opens > clock.deadline_at:
            break
        held += TABLES[calendar].between(opens, closes)
        clock = clocks.resume(clocks.pause(clock, Hold.CUSTOMER, opens, TABLES), Hold.CUSTOMER, closes, TABLES)
        assert clock.deadline_at is not None
        assert TABLES[calendar].between(begin, clock.deadline_at) == held + timedelta(minutes=length)
