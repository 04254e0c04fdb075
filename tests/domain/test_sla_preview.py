"""Trying a calendar: the deadline and how the time until then is spent."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.sla import clocks
from domain.sla.calendars import DAYS, Calendar
from domain.sla.preview import MOST_SEGMENTS, BadPauses, Pause, SegmentState, preview
from domain.sla.timetable import Timetable

OFFICE = Timetable(Calendar(week=dict.fromkeys(DAYS[:5], (("09:00", "17:00"),))))
ALWAYS = Timetable(Calendar(week=dict.fromkeys(DAYS, (("00:00", "24:00"),))), "America/New_York")
HOURLY = Timetable(Calendar(week=dict.fromkeys(DAYS, tuple((f"{hour:02}:00", f"{hour:02}:06") for hour in range(24)))))
TARGET = clocks.Target(definition_id=UUID(int=1), calendar_id=UUID(int=2), minutes=600)
RUNNING, PAUSED, CLOSED = SegmentState.RUNNING, SegmentState.PAUSED, SegmentState.CLOSED


def june(day: int, hour: float) -> datetime:
    return datetime(2025, 6, day, tzinfo=UTC) + timedelta(hours=hour)


def test_the_night_between_is_closed() -> None:
    due, found, _ = preview(OFFICE, 120, june(11, 16), [])
    assert due == june(12, 10)
    assert found == [
        (june(11, 16), june(11, 17), RUNNING),
        (june(11, 17), june(12, 9), CLOSED),
        (june(12, 9), june(12, 10), RUNNING),
    ]
    assert sum(segment.seconds for segment in found if segment.state is RUNNING) == 7200


def test_c1_a_pause_from_closing_to_opening_moves_nothing() -> None:
    assert preview(OFFICE, 480, june(11, 9), [Pause(june(11, 17), june(12, 9))])[0] == june(11, 17)


def test_c2_a_pause_counts_where_it_overlaps_business_time() -> None:
    due, found, _ = preview(OFFICE, 480, june(11, 9), [Pause(june(11, 16), june(12, 10))])
    assert due == june(12, 11)
    assert [segment.state for segment in found] == [RUNNING, PAUSED, CLOSED, PAUSED, RUNNING]


def test_b8_a_pause_over_the_repeated_hour_is_half_an_hour() -> None:
    start = datetime(2025, 11, 2, 4, tzinfo=UTC)
    pause = Pause(start + timedelta(hours=1.75), start + timedelta(hours=2.25))
    assert preview(ALWAYS, 240, start, [pause])[0] == start + timedelta(hours=4.5)


@pytest.mark.parametrize("length", [timedelta(minutes=1), timedelta(hours=7), timedelta(days=2)])
@pytest.mark.parametrize("since", [9, 9.5, 16, 17, 20, 33, 34.9, 35, 35.1])
def test_a_trial_is_due_when_a_clock_would_be(since: float, length: timedelta) -> None:
    pauses = [Pause(june(11, since), june(11, since) + length), Pause(june(15, 0), june(16, 12))]
    clock = clocks.start(clocks.ClockKind.RESOLUTION, 1, TARGET, june(11, 9), {TARGET.calendar_id: OFFICE})
    for pause in pauses:
        if clock.deadline_at and pause.since < clock.deadline_at:
            clock = clocks.pause(clock, clocks.Hold.CUSTOMER, pause.since, {TARGET.calendar_id: OFFICE})
            clock = clocks.resume(clock, clocks.Hold.CUSTOMER, pause.until, {TARGET.calendar_id: OFFICE})
    assert preview(OFFICE, TARGET.minutes, june(11, 9), pauses).deadline_at == clock.deadline_at


def test_of_very_many_stretches_the_first_thousand_are_told() -> None:
    trial = preview(HOURLY, 500_000, june(1, 0), [Pause(june(day, 0), june(day, 0.05)) for day in range(2, 30)])
    assert trial.deadline_at.year == 2034
    assert (len(trial.segments), trial.truncated) == (MOST_SEGMENTS, True)
    assert trial.segments[0] == (june(1, 0), june(1, 0.1), RUNNING)
    assert preview(OFFICE, 480, june(11, 9), []).truncated is False


@pytest.mark.parametrize(
    ("pauses", "odd"),
    [
        ([Pause(june(11, 12), june(11, 12))], ["/pauses/0"]),
        ([Pause(june(11, 8), june(11, 12))], ["/pauses/0"]),
        ([Pause(june(11, 10), june(11, 12)), Pause(june(11, 11), june(11, 13))], ["/pauses/1"]),
    ],
)
def test_pauses_that_contradict_each_other_are_refused(pauses: list[Pause], odd: list[str]) -> None:
    with pytest.raises(BadPauses) as refused:
        preview(OFFICE, 480, june(11, 9), pauses)
    assert [error["pointer"] for error in refused.value.extra["errors"]] == odd
