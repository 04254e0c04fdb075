"""What a deadline costs: on a fresh timetable within a week, and a year away."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.sla.calendars import DAYS, Calendar, Holiday
from domain.sla.timetable import Timetable

WEEK_MICROSECONDS: Final = 50.0
YEAR_MICROSECONDS: Final = 1_000.0

OFFICE: Final = Calendar(
    time_zone="Europe/Paris",
    week=dict.fromkeys(DAYS[:5], (("08:00", "12:00"), ("13:00", "17:30"))),
    holidays=tuple(Holiday(date=datetime(2026, month, 1, tzinfo=UTC).date()) for month in range(1, 13)),
)
STARTS: Final = [datetime(2026, 1, 5, 9, 17, tzinfo=UTC) + timedelta(hours=31 * n) for n in range(200)]


def deadlines() -> dict[str, tuple[float, float]]:
    """Microseconds per deadline, and the most that it may take: the median over many starts, each on a timetable without memory."""
    return {
        "deadline within a week": (typical(timedelta(hours=16)), WEEK_MICROSECONDS),
        "deadline a year away": (typical(timedelta(hours=2_000)), YEAR_MICROSECONDS),
    }


def typical(duration: timedelta) -> float:
    """The median time of one deadline, in microseconds."""
    taken = sorted(seconds(start, duration) for start in STARTS)
    return 1e6 * taken[len(taken) // 2]


def seconds(start: datetime, duration: timedelta) -> float:
    """How long one deadline takes."""
    begun = time.perf_counter()
    Timetable(OFFICE).after(start, duration)
    return time.perf_counter() - begun
