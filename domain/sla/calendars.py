"""Business calendars as people write them: weekly windows, holidays, a time zone; and all that is wrong with one."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple
from uuid import UUID

from domain.customers import time_zone
from domain.process import Conflict, Frozen, Invalid

DAY_MINUTES: Final = 1440
MOST_WINDOWS: Final = 24
MOST_HOLIDAYS: Final = 1_000
CLOCK: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


class Weekday(StrEnum):
    """The days of a week, in the order of `date.weekday`."""

    MON = "MON"
    TUE = "TUE"
    WED = "WED"
    THU = "THU"
    FRI = "FRI"
    SAT = "SAT"
    SUN = "SUN"


DAYS: Final = tuple(Weekday)

Hours = tuple[tuple[str, str], ...]
"""The windows of a day as pairs of wall times, such as `("09:00", "17:00")`."""


class Holiday(Frozen):
    """A date with hours of its own, also where its weekday is closed; without any it is closed."""

    date: date
    windows: Hours = ()


class Calendar(Frozen):
    """When time counts. A window belongs to the local date on which it opens; a holiday's windows replace its date's own.

    Without a `time_zone` it is read in that of the customer's account.
    `country` names a set of public holidays (ISO 3166-1 alpha-2, perhaps with a subdivision: `DE-BY`), closed all day unless
    `holidays` says otherwise.
    """

    time_zone: str | None = None
    week: dict[Weekday, Hours]
    holidays: tuple[Holiday, ...] = ()
    country: str | None = None


class CalendarInUse(Conflict):
    """Definitions in force count their time on the calendar. `definitions` names them."""

    def __init__(self, definitions: Sequence[UUID]) -> None:
        super().__init__("Definitions in force count their time on this calendar.", definitions=list(definitions))


class Window(NamedTuple):
    """Opening hours in minutes after the local midnight of the day on which they open; past 1440 they close on the next day."""

    opens: int
    closes: int


class BadCalendar(Invalid):
    """The calendar contradicts itself, or never opens. `errors` names every place."""

    def __init__(self, faults: Sequence["Fault"], prefix: str = "") -> None:
        errors = [{"pointer": prefix + fault.pointer, "detail": fault.detail, "code": fault.code} for fault in faults]
        super().__init__("The calendar cannot be used.", errors)


class Fault(NamedTuple):
    """One thing that is wrong, and where (a JSON pointer into the calendar)."""

    pointer: str
    code: str
    detail: str


def window(opens: str, closes: str) -> Window:
    """The window between two wall times; a closing that is not after its opening is the next day's. Raises ValueError."""
    start, end = minutes(opens), minutes(closes)
    if start == DAY_MINUTES:
        raise ValueError("opens at 24:00; write 00:00 on the next day")
    if end == DAY_MINUTES - 1:
        raise ValueError("closes at 23:59 and would lose a minute; write 24:00")
    if start == end:
        raise ValueError("opens and closes at once; a whole day is 00:00 to 24:00")
    return Window(start, end if end > start else end + DAY_MINUTES)


def minutes(wall: str) -> int:
    """A wall time in minutes after midnight. Raises ValueError."""
    if not CLOCK.fullmatch(wall):
        raise ValueError("is not a pair of wall times between 00:00 and 24:00")
    return int(wall[:2]) * 60 + int(wall[3:])


def windows(hours: Hours) -> tuple[Window, ...]:
    """The windows of a day, the earliest first. Raises ValueError."""
    return tuple(sorted(window(*pair) for pair in hours))


def faults(calendar: Calendar) -> list[Fault]:
    """All that is wrong with a calendar; nothing for one that can be used."""
    found = [*_zone(calendar), *_week(calendar), *_holidays(calendar)]
    return found or list(_neighbours(calendar))


def _zone(calendar: Calendar) -> Iterator[Fault]:
    try:
        time_zone(calendar.time_zone or "UTC")
    except ValueError:
        yield Fault(
            "/timeZone", "time_zone", "must be an IANA time zone such as Europe/Paris, or null for the account's"
        )


def _week(calendar: Calendar) -> Iterator[Fault]:
    if not any(calendar.week.values()):
        yield Fault("/week", "never_opens", "never opens: at least one day needs a window")
    for day, hours in calendar.week.items():
        yield from _day(f"/week/{day}", hours)


def _holidays(calendar: Calendar) -> Iterator[Fault]:
    if len(calendar.holidays) > MOST_HOLIDAYS:
        yield Fault("/holidays", "too_many", f"must not be more than {MOST_HOLIDAYS}")
        return
    seen: set[date] = set()
    for index, holiday in enumerate(calendar.holidays):
        if holiday.date in seen:
            yield Fault(f"/holidays/{index}/date", "twice", "is in the list already")
        seen.add(holiday.date)
        yield from _day(f"/holidays/{index}/windows", holiday.windows)


def _day(pointer: str, hours: Hours) -> Iterator[Fault]:
    if len(hours) > MOST_WINDOWS:
        yield Fault(pointer, "too_many", f"must not be more than {MOST_WINDOWS} windows")
        return
    placed: list[tuple[Window, int]] = []
    for index, pair in enumerate(hours):
        try:
            placed.append((window(*pair), index))
        except ValueError as error:
            yield Fault(f"{pointer}/{index}", "window", str(error))
    for (before, _), (after, index) in pairwise(sorted(placed)):
        if before.closes > after.opens:
            yield Fault(f"{pointer}/{index}", "overlap", "overlaps another window of the day")


def _neighbours(calendar: Calendar) -> Iterator[Fault]:
    """Windows past midnight that run into the next day's. Those of holidays are joined instead, since no week foresees them."""
    days = [windows(calendar.week.get(day, ())) for day in DAYS]
    for index, name in enumerate(DAYS):
        evening, morning = days[index - 1], days[index]
        if evening and morning and evening[-1].closes - DAY_MINUTES > morning[0].opens:
            yield Fault(f"/week/{name}", "overlap", f"opens before the last window of {DAYS[index - 1]} has closed")
