"""Which calendars are refused, and how they are read."""

from datetime import date
from typing import Any

import pytest

from domain.sla.calendars import BadCalendar, Calendar, Holiday, Window, faults, window, windows

OFFICE = (("09:00", "17:00"),)


def calendar(**fields: Any) -> Calendar:
    return Calendar(**({"time_zone": "UTC", "week": {"MON": OFFICE}} | fields))


def test_an_ordinary_week_has_no_faults() -> None:
    lunch = (("13:00", "17:00"), ("09:00", "12:00"))
    night = (("22:00", "06:00"),)
    holidays = (Holiday(date=date(2026, 12, 24), windows=(("09:00", "12:00"),)), Holiday(date=date(2026, 12, 25)))
    assert faults(calendar(week={"MON": lunch, "TUE": night, "SUN": (("00:00", "24:00"),)}, holidays=holidays)) == []


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"week": {}}, {("/week", "never_opens")}),
        ({"week": {"MON": (), "TUE": ()}}, {("/week", "never_opens")}),
        ({"time_zone": "Mars/Olympus"}, {("/timeZone", "time_zone")}),
        ({"time_zone": "../etc/passwd"}, {("/timeZone", "time_zone")}),
        ({"week": {"MON": (("09:00", "12:00"), ("11:00", "17:00"))}}, {("/week/MON/1", "overlap")}),
        ({"week": {"MON": (("11:00", "17:00"), ("09:00", "12:00"))}}, {("/week/MON/0", "overlap")}),
        ({"week": {"MON": (("9:00", "17:00"),)}}, {("/week/MON/0", "window")}),
        ({"week": {"MON": (("09:00", "25:00"),)}}, {("/week/MON/0", "window")}),
        ({"week": {"MON": (("09:00", "24:30"),)}}, {("/week/MON/0", "window")}),
        ({"week": {"MON": (("09:00", "09:00"),)}}, {("/week/MON/0", "window")}),
        ({"week": {"MON": (("24:00", "06:00"),)}}, {("/week/MON/0", "window")}),
        ({"week": {"MON": (("00:00", "23:59"),)}}, {("/week/MON/0", "window")}),  # A6, zammad 3180
        ({"week": {"MON": (("00:00", "24:00"),) * 25}}, {("/week/MON", "too_many")}),
        ({"week": {"MON": (("20:00", "06:00"),), "TUE": (("05:00", "09:00"),)}}, {("/week/TUE", "overlap")}),
        ({"week": {"SUN": (("20:00", "06:00"),), "MON": (("05:00", "09:00"),)}}, {("/week/MON", "overlap")}),
        ({"holidays": (Holiday(date=date(2026, 1, 1)),) * 2}, {("/holidays/1/date", "twice")}),
        (
            {"holidays": (Holiday(date=date(2026, 1, 1), windows=(("10:00", "x"),)),)},
            {("/holidays/0/windows/0", "window")},
        ),
        (
            {"time_zone": "Nowhere", "week": {"MON": (("b", "a"),), "FRI": (("10:00", "10:00"),)}},
            {("/timeZone", "time_zone"), ("/week/MON/0", "window"), ("/week/FRI/0", "window")},
        ),
    ],
)
def test_a10_every_fault_is_named_at_its_place(fields: dict[str, Any], found: set[tuple[str, str]]) -> None:
    named = faults(calendar(**fields))
    assert {(fault.pointer, fault.code) for fault in named} == found
    refusal = BadCalendar(named, "/calendar")
    assert {error["pointer"] for error in refusal.extra["errors"]} == {"/calendar" + pointer for pointer, _ in found}


def test_windows_that_meet_at_midnight_do_not_overlap() -> None:
    week = {"MON": (("20:00", "24:00"),), "TUE": (("00:00", "04:00"),), "WED": (("22:00", "06:00"),)}
    assert faults(calendar(week=week | {"THU": (("06:00", "08:00"),)})) == []


def test_a_window_that_closes_before_it_opens_closes_on_the_next_day() -> None:
    assert window("22:00", "06:00") == Window(1320, 1800)
    assert window("00:00", "24:00") == Window(0, 1440)
    assert windows((("13:00", "17:00"), ("09:00", "12:00"))) == (Window(540, 720), Window(780, 1020))
