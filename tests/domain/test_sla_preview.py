"""Trying a calendar: the deadline and how the time until then is spent."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.sla.calendars import DAYS, Calendar
from domain.sla.preview import BadPauses, Pause, SegmentState, preview
from domain.sla.timetable import Timetable

OFFICE = Timetable(Calendar(week=dict.fromkeys(DAYS[:5], (("09:00", "17:00"),))))
ALWAYS = Timetable(Calendar(week=dict.fromkeys(DAYS, (("00:00", "24:00"),))), "America/New_York")
RUNNING, PAUSED, CLOSED = SegmentState.RUNNING, SegmentState.PAUSED, SegmentState.CLOSED


def june(day: int, hour: float) -> datetime:
    return datetime(2025, 6, day, tzinfo=UTC) + timedelta(hours=hour)


def test_the_night_between_is_closed() -> None:
    due, found = preview(OFFICE, 120, june(11, 16), [])
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
    due, found = preview(OFFICE, 480, june(11, 9), [Pause(june(11, 16), june(12, 10))])
    assert due == june(12, 11)
    assert [segment.state for segment in found] == [RUNNING, PAUSED, CLOSED, PAUSED, RUNNING]


def test_b8_a_pause_over_the_repeated_hour_is_half_an_hour() -> None:
    start = datetime(2025, 11, 2, 4, tzinfo=UTC)
    pause = Pause(start + timedelta(hours=1.75), start + timedelta(hours=2.25))
    assert preview(ALWAYS, 240, start, [pause])[0] == start + timedelta(hours=4.5)


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
