"""Business time: which instants count, when so much of it has passed, and how much lies between two instants.

Instants go in and out as aware UTC datetimes; within, they are integer microseconds since 1970, so that nothing is rounded.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from domain.sla.calendars import DAYS, Calendar, Window, windows

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DAY: Final = date(1970, 1, 1).toordinal()
MICROSECOND: Final = timedelta(microseconds=1)
MINUTE: Final = 60_000_000
DAY: Final = 1440 * MINUTE
HORIZON_DAYS: Final = 3_660
"""How far ahead time is counted: ten years."""

WHOLE_DAY: Final = (Window(0, 1440),)

Span = tuple[int, int]
"""An open stretch, from its first microsecond to its first closed one."""


class OutOfReach(ValueError):
    """So much business time does not pass within ten years."""


def no_holidays(year: int) -> frozenset[date]:
    """The public holidays of a calendar without a country."""
    return frozenset()


class Timetable:
    """A calendar made ready for counting; `home` is the zone of one that has none.

    `public` gives the public holidays of a local year for calendars with a country. Days once laid out are kept.
    """

    def __init__(
        self, calendar: Calendar, home: str = "UTC", public: Callable[[int], frozenset[date]] = no_holidays
    ) -> None:
        self._zone = ZoneInfo(calendar.time_zone or home)
        self._week = [windows(calendar.week.get(day, ())) for day in DAYS]
        self._holidays = {holiday.date.toordinal(): windows(holiday.windows) for holiday in calendar.holidays}
        self._public = public if calendar.country else no_holidays
        self._always = not self._holidays and not calendar.country and all(day == WHOLE_DAY for day in self._week)
        self._days: dict[int, tuple[Span, ...]] = {}
        self._offsets: dict[int, int] = {}

    @property
    def time_zone(self) -> str:
        """The zone in which its windows are told."""
        return self._zone.key

    def is_open(self, at: datetime) -> bool:
        """Whether an instant counts. A window is open at its opening and no more at its closing."""
        begin = micros(at)
        return any(opens <= begin for opens, _ in islice(self._stretches(begin), 1))

    def after(self, start: datetime, duration: timedelta) -> datetime:
        """The first instant at which `duration` of business time has passed since `start`; for none, the first open instant.

        Raises OutOfReach.
        """
        left = duration // MICROSECOND
        begin = micros(start)
        for opens, closes in self._stretches(begin):
            if left < closes - opens or (left and left == closes - opens):
                return instant(opens + left)
            left -= closes - opens
        raise OutOfReach

    def reach(self, start: datetime, duration: timedelta) -> datetime | None:
        """As `after`, or None for what does not pass within ten years."""
        try:
            return self.after(start, duration)
        except OutOfReach:
            return None

    def due(self, start: datetime, duration: timedelta) -> datetime:
        """As `after`, but what does not pass within ten years is due when they are over: a promise always has a deadline."""
        return self.reach(start, duration) or start + timedelta(days=HORIZON_DAYS)

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The business time from `start` to `end`; nothing when `end` is earlier."""
        return timedelta(microseconds=sum(closes - opens for opens, closes in self._until(micros(start), micros(end))))

    def within(self, start: datetime, end: datetime) -> Iterator[Span]:
        """The open stretches between two instants, adjoining ones joined."""
        joined: Span | None = None
        for opens, closes in self._until(micros(start), micros(end)):
            if joined and joined[1] == opens:
                joined = joined[0], closes
                continue
            if joined:
                yield joined
            joined = opens, closes
        if joined:
            yield joined

    def _until(self, begin: int, until: int) -> Iterator[Span]:
        for opens, closes in self._stretches(begin):
            if opens >= until:
                return
            yield opens, min(closes, until)

    def _stretches(self, begin: int) -> Iterator[Span]:
        """Open stretches from `begin` on, earliest first and each instant once; ends after ten years. Whole days are not joined:
        round the clock there would be no end."""
        if self._always:
            yield begin, begin + HORIZON_DAYS * DAY
            return
        first = (
            begin // DAY + FIRST_DAY - 2
        )  # the local date differs by one at most, and windows spill over by one more
        reached = begin
        for day in range(first, first + HORIZON_DAYS):
            for start, end in self._laid_out(day):
                if end > reached:
                    yield max(start, reached), end
                    reached = end

    def _laid_out(self, day: int) -> tuple[Span, ...]:
        found = self._days.get(day)
        if found is None:
            found = self._days[day] = self._lay_out(day)
        return found

    def _lay_out(self, day: int) -> tuple[Span, ...]:
        hours = self._hours(day)
        if not hours:
            return ()
        offset = self._offset(day)
        midnight = (day - FIRST_DAY) * DAY - offset
        if offset == self._offset(day + 1) == self._offset(day + 2):
            return tuple((midnight + w.opens * MINUTE, midnight + w.closes * MINUTE) for w in hours)
        spans = ((self._instant(day, w.opens, last=False), self._instant(day, w.closes, last=True)) for w in hours)
        return tuple((start, end) for start, end in spans if end > start)

    def _hours(self, day: int) -> tuple[Window, ...]:
        own = self._holidays.get(day)
        if own is not None:
            return own
        hours = self._week[(day - 1) % 7]
        if hours and self._public is not no_holidays:
            local = date.fromordinal(day)
            return () if local in self._public(local.year) else hours
        return hours

    def _offset(self, day: int) -> int:
        """The zone's offset at the first midnight of a date."""
        found = self._offsets.get(day)
        if found is None:
            local = datetime.combine(date.fromordinal(day), time(), self._zone)
            found = self._offsets[day] = (local.utcoffset() or timedelta()) // MICROSECOND
        return found

    def _instant(self, day: int, minutes: int, *, last: bool) -> int:
        """The instant of a wall time: the first after a gap that swallows it, the first or last of two."""
        local = datetime.combine(date.fromordinal(day), time()) + timedelta(minutes=minutes)
        return wall_instant(self._zone, local, last=last)


def wall_instant(zone: ZoneInfo, local: datetime, *, last: bool) -> int:
    """A naive wall time in `zone` as microseconds. In a gap it is the first instant after it; of two, the first or the last one."""
    early, late = (local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    wall = (local - EPOCH.replace(tzinfo=None)) // MICROSECOND
    if early >= late:  # unambiguous, or the clock was put back: fold 0 is the earlier instant
        return wall - (late if last else early) // MICROSECOND
    # A gap, in which fold 0 tells the offset before it. The instant at which the clock jumped is where the offset changes.
    low, high = wall - late // MICROSECOND, wall - early // MICROSECOND
    return _jump(zone, low, high)


@lru_cache(maxsize=4096)
def _jump(zone: ZoneInfo, low: int, high: int) -> int:
    """The first instant in (low, high] with another offset than at `low`."""
    before = instant(low).astimezone(zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if instant(middle).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def micros(at: datetime) -> int:
    """An aware instant in microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


def instant(value: int) -> datetime:
    """Microseconds since 1970 as an aware UTC instant."""
    return EPOCH + timedelta(microseconds=value)
