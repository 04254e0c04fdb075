"""Business time to the instant: the cases of peers' bugs by their ids, clock changes, and laws that hold for any calendar."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sla.calendars import DAYS, Calendar, Holiday, Hours, faults
from domain.sla.timetable import OutOfReach, Timetable, instant

NEW_YORK = "America/New_York"
WORKDAYS = ("MON", "TUE", "WED", "THU", "FRI")
ALWAYS: Hours = (("00:00", "24:00"),)


def timetable(
    *hours: tuple[str, str], days: tuple[str, ...] = WORKDAYS, zone: str = "UTC", holidays: Any = ()
) -> Timetable:
    calendar = Calendar(time_zone=zone, week=dict.fromkeys(days, hours), holidays=holidays)
    assert not faults(calendar)
    return Timetable(calendar)


def at(text: str, zone: str = "UTC") -> datetime:
    """A wall time in a zone, or an instant that says its offset itself."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


NINE_TO_FIVE = timetable(("09:00", "17:00"))
EIGHT_TO_SIX = timetable(("08:00", "18:00"))
ROUND_THE_CLOCK = timetable(*ALWAYS, days=DAYS)
CHRISTMAS = tuple(Holiday(date=date(2025, 12, day)) for day in (25, 26))

CASES: dict[str, tuple[Timetable, str, float, str]] = {
    "A1 friday evening goes on on monday": (NINE_TO_FIVE, "2025-06-13T16:30", 60, "2025-06-16T09:30"),
    "A2 saturday waits for monday": (NINE_TO_FIVE, "2025-06-14T10:00", 120, "2025-06-16T11:00"),
    "A4 an exact fit ends at closing time": (NINE_TO_FIVE, "2025-06-11T09:00", 480, "2025-06-11T17:00"),
    "A5 made at closing time": (NINE_TO_FIVE, "2025-06-11T17:00", 60, "2025-06-12T10:00"),
    "A6 no minute is lost at midnight": (
        timetable(*ALWAYS, days=DAYS, holidays=[Holiday(date=date(2030, 1, 1))]),
        "2025-06-11T23:58",
        5,
        "2025-06-12T00:03",
    ),
    "A7 seconds are kept": (NINE_TO_FIVE, "2025-06-11T16:30:30", 60, "2025-06-12T09:30:30"),
    "A12 half a day before closed days": (
        timetable(
            ("09:00", "17:00"), holidays=[*CHRISTMAS, Holiday(date=date(2025, 12, 24), windows=(("09:00", "12:00"),))]
        ),
        "2025-12-24T11:00",
        240,
        "2025-12-29T12:00",
    ),
    "A17 a deadline of four hours": (EIGHT_TO_SIX, "2025-06-09T17:00", 240, "2025-06-10T11:00"),
    "A17 its warning an hour before": (EIGHT_TO_SIX, "2025-06-09T17:00", 180, "2025-06-10T10:00"),
    "A19 a deadline over closed hours": (EIGHT_TO_SIX, "2025-06-09T17:30", 60, "2025-06-10T08:30"),
    "A19 its warning at closing time": (EIGHT_TO_SIX, "2025-06-09T17:30", 30, "2025-06-09T18:00"),
    "nothing is due at once in open hours": (NINE_TO_FIVE, "2025-06-11T10:00", 0, "2025-06-11T10:00"),
    "nothing is due at the next opening": (NINE_TO_FIVE, "2025-06-11T17:00", 0, "2025-06-12T09:00"),
    "lunch does not count": (
        timetable(("09:00", "12:00"), ("13:00", "17:00")),
        "2025-06-11T11:30",
        60,
        "2025-06-11T13:30",
    ),
    "a night shift crosses midnight": (
        timetable(("22:00", "06:00"), days=("FRI",)),
        "2025-06-13T23:00",
        420,
        "2025-06-14T06:00",
    ),
    "a night shift of the evening before": (
        timetable(("22:00", "06:00"), days=("FRI",)),
        "2025-06-14T05:00",
        120,
        "2025-06-20T23:00",
    ),
    "a window runs to its end into a holiday": (
        timetable(("22:00", "06:00"), days=DAYS, holidays=[Holiday(date=date(2025, 6, 12))]),
        "2025-06-11T22:00",
        540,
        "2025-06-13T23:00",
    ),
    "a holiday may open a closed day": (
        timetable(("09:00", "17:00"), holidays=[Holiday(date=date(2025, 6, 14), windows=(("10:00", "12:00"),))]),
        "2025-06-13T16:00",
        120,
        "2025-06-14T11:00",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_so_much_business_time_after(case: str) -> None:
    table, start, minutes, expected = CASES[case]
    assert table.after(at(start), timedelta(minutes=minutes)) == at(expected)


ZONED: dict[str, tuple[str, tuple[str, ...], Hours, str, float, str]] = {
    "A11 berlin with two holidays": (
        "Europe/Berlin",
        DAYS,
        (("09:00", "21:00"),),
        "2016-11-09T23:00",
        48,
        "2016-11-15T21:00",
    ),
    "A14 the customer is in los angeles": (
        "America/Los_Angeles",
        WORKDAYS,
        (("09:00", "17:00"),),
        "2025-06-11T20:00+00:00",
        2,
        "2025-06-11T22:00+00:00",
    ),
    "A14 the customer is in sydney": (
        "Australia/Sydney",
        WORKDAYS,
        (("09:00", "17:00"),),
        "2025-06-11T20:00+00:00",
        2,
        "2025-06-12T01:00+00:00",
    ),
    "A15 new york": (NEW_YORK, WORKDAYS, (("09:00", "18:00"),), "2007-01-01T22:00Z", 2, "2007-01-02T15:00Z"),
    "A15 moscow": ("Europe/Moscow", WORKDAYS, (("09:00", "18:00"),), "2007-01-01T22:00Z", 2, "2007-01-02T08:00Z"),
    "B1 all day over the lost hour": (NEW_YORK, DAYS, ALWAYS, "2025-03-08T22:00", 24, "2025-03-10T03:00Z"),
    "B2 all day over the won hour": (NEW_YORK, DAYS, ALWAYS, "2025-11-01T22:00", 24, "2025-11-03T02:00Z"),
    "B3 over the weekend of the change": (
        NEW_YORK,
        WORKDAYS,
        (("09:00", "17:00"),),
        "2025-03-07T16:00",
        2,
        "2025-03-10T14:00Z",
    ),
    "B5 a night of nine hours": (NEW_YORK, DAYS, (("22:00", "06:00"),), "2025-11-01T22:00", 9, "2025-11-02T06:00"),
    "B5 a night of seven hours": (NEW_YORK, DAYS, (("22:00", "06:00"),), "2025-03-08T22:00", 7, "2025-03-09T06:00"),
    "B6 opens within the lost hour": (
        NEW_YORK,
        ("SUN",),
        (("02:30", "10:00"),),
        "2025-03-09T00:00",
        1,
        "2025-03-09T08:00Z",
    ),
    "closes within the lost hour": (NEW_YORK, DAYS, (("01:00", "02:30"),), "2025-03-09T01:30", 1, "2025-03-10T01:30"),
    "opens at the first of two": (
        NEW_YORK,
        ("SUN",),
        (("01:30", "03:00"),),
        "2025-11-02T00:00",
        1,
        "2025-11-02T06:30Z",
    ),
    "closes at the last of two": (NEW_YORK, DAYS, (("00:00", "01:30"),), "2025-11-02T00:00", 2.5, "2025-11-02T06:30Z"),
    "midnight does not exist in beirut": ("Asia/Beirut", DAYS, ALWAYS, "2025-03-29T23:00", 2, "2025-03-30T02:00"),
    "a day that apia skipped": ("Pacific/Apia", DAYS, ALWAYS, "2011-12-29T23:00", 2, "2011-12-31T01:00"),
    "half an hour's change on lord howe": (
        "Australia/Lord_Howe",
        DAYS,
        ALWAYS,
        "2025-04-05T23:00",
        24,
        "2025-04-06T22:30",
    ),
}


@pytest.mark.parametrize("case", ZONED)
def test_so_much_business_time_after_in_a_zone(case: str) -> None:
    zone, days, hours, start, count, expected = ZONED[case]
    holidays = [Holiday(date=date(2016, 11, day)) for day in (11, 13)]
    holidays = [*holidays, Holiday(date=date(2099, 1, 1))]  # else the whole week is open, and no day is laid out at all
    table = timetable(*hours, days=days, zone=zone, holidays=holidays)
    assert table.after(at(start, zone), timedelta(hours=count)) == at(expected, zone)


def test_a_calendar_that_is_always_open_counts_as_the_clock_does() -> None:
    assert ROUND_THE_CLOCK.after(at("2025-03-08T22:00"), timedelta(hours=24)) == at("2025-03-09T22:00")
    assert ROUND_THE_CLOCK.between(at("2025-03-08T22:00"), at("2025-03-09T22:00")) == timedelta(hours=24)


def test_a_calendar_without_a_zone_is_read_at_home() -> None:
    calendar = Calendar(week=dict.fromkeys(WORKDAYS, (("09:00", "17:00"),)))
    assert not faults(calendar)
    due = Timetable(calendar, "Australia/Sydney").after(at("2025-06-11T20:00+00:00"), timedelta(hours=2))
    assert due == at("2025-06-12T01:00+00:00")


def test_time_that_will_not_come_within_ten_years_is_out_of_reach() -> None:
    with pytest.raises(OutOfReach):
        timetable(("09:00", "09:10"), days=("MON",)).after(at("2025-06-11T10:00"), timedelta(days=10))


def test_an_instant_is_open_from_the_opening_to_just_before_the_closing() -> None:
    moments = ("08:59:59.999999", "09:00", "16:59:59.999999", "17:00")
    assert [NINE_TO_FIVE.is_open(at(f"2025-06-11T{moment}")) for moment in moments] == [False, True, True, False]


def test_public_holidays_are_closed_unless_the_calendar_says_otherwise() -> None:
    calendar = Calendar(
        time_zone="UTC",
        country="XX",
        week=dict.fromkeys(WORKDAYS, (("09:00", "17:00"),)),
        holidays=(Holiday(date=date(2025, 6, 13), windows=(("10:00", "11:00"),)),),
    )
    table = Timetable(calendar, public=lambda year: frozenset({date(year, 6, 12), date(year, 6, 13)}))
    assert table.after(at("2025-06-11T16:00"), timedelta(minutes=90)) == at("2025-06-13T10:30")


BOUNDARIES = [f"{hour:02}:{minute}" for hour in range(5, 24) for minute in ("00", "30")] + ["24:00"]
"""Wall times that no clock change touches in the zones below."""

days_of_hours = st.lists(st.sampled_from(range(len(BOUNDARIES))), max_size=6, unique=True).map(
    lambda picked: tuple((BOUNDARIES[a], BOUNDARIES[b]) for a, b in zip(*(iter(sorted(picked)),) * 2, strict=False))
)
zones = st.sampled_from(["UTC", NEW_YORK, "Europe/Berlin", "Australia/Sydney", "Asia/Kolkata", "Pacific/Auckland"])
calendars = st.builds(
    Calendar,
    time_zone=zones,
    week=st.dictionaries(st.sampled_from(DAYS), days_of_hours, min_size=1),
    holidays=st.dictionaries(st.dates(date(2025, 1, 1), date(2026, 12, 31)), days_of_hours, max_size=20).map(
        lambda found: tuple(Holiday(date=day, windows=hours) for day, hours in found.items())
    ),
).filter(lambda calendar: not faults(calendar))
instants = st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(calendars, instants, st.timedeltas(timedelta(), timedelta(hours=60)))
def test_the_deadline_is_the_first_instant_with_so_much_between(
    calendar: Calendar, start: datetime, duration: timedelta
) -> None:
    table = Timetable(calendar)
    due = table.after(start, duration)
    assert table.between(start, due) == duration
    if duration:
        assert table.between(start, due - timedelta(microseconds=1)) == duration - timedelta(microseconds=1)


@given(calendars, st.lists(instants, min_size=3, max_size=3).map(sorted))
def test_business_time_adds_up(calendar: Calendar, moments: list[datetime]) -> None:
    first, second, third = moments
    table = Timetable(calendar)
    assert table.between(first, second) + table.between(second, third) == table.between(first, third)
    assert table.between(third, first) == timedelta()


@given(calendars, instants)
def test_what_the_wall_clock_says_is_open_is_open(calendar: Calendar, moment: datetime) -> None:
    """An oracle that shares nothing with the timetable: look at the wall."""
    local = moment.astimezone(ZoneInfo(calendar.time_zone))
    hours = {holiday.date: holiday.windows for holiday in calendar.holidays}.get(
        local.date(), calendar.week.get(DAYS[local.weekday()], ())
    )
    wall = f"{local:%H:%M}"
    assert Timetable(calendar).is_open(moment) == any(opens <= wall < closes for opens, closes in hours)


@given(calendars, instants)
def test_open_stretches_are_apart_and_in_order(calendar: Calendar, start: datetime) -> None:
    ends = [edge for span in Timetable(calendar).within(start, start + timedelta(days=40)) for edge in span]
    assert all(before < after for before, after in pairwise(ends))
    assert not ends or instant(ends[0]) >= start
