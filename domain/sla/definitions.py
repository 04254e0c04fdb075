"""What holds among definitions: which promise one makes stays, and a higher tier should not wait longer than a lower one."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from domain.customers import Tier
from domain.process import Invalid
from domain.sla.calendars import DAYS, Calendar, Hours
from domain.sla.timetable import Timetable

WEEK: Final = timedelta(days=7)
MINUTE: Final = timedelta(minutes=1)
MONDAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
STARTS: Final = tuple(MONDAY + timedelta(hours=hour) for hour in range(0, 7 * 24, 2))
"""A week's worth of tickets."""


class OtherPromise(Invalid):
    """A definition keeps its tier, severity and kind; another promise is another definition."""

    def __init__(self, fields: Iterable[str]) -> None:
        detail = "cannot change; add a definition instead"
        errors = [{"pointer": f"/{field}", "code": "fixed", "detail": detail} for field in fields]
        super().__init__("A definition keeps its tier, severity and kind.", errors)


class Rung(NamedTuple):
    """What one tier promises for a severity and a kind: minutes of the hours of a week, Monday first."""

    tier: Tier
    minutes: int
    week: tuple[Hours, ...]


class Inversion(NamedTuple):
    """A higher tier that waits longer than a lower one; None when nothing is promised to it."""

    higher: Tier
    lower: Tier
    wait: timedelta | None
    shorter: timedelta


def inversions(tier: Tier, rungs: Sequence[Rung]) -> Iterator[Inversion]:
    """Where `tier`, against each of the others, is served worse than a lower one or better than a higher one."""
    waits = {rung.tier: mean_wait(rung.minutes, rung.week) for rung in rungs}
    for other in Tier:
        lower, higher = sorted((tier, other), key=lambda each: each.rank)
        if other is tier or lower not in waits:
            continue
        wait = waits.get(higher)
        if wait is None or wait > waits[lower]:
            yield Inversion(higher, lower, wait, waits[lower])


@lru_cache(maxsize=1024)
def mean_wait(minutes: int, week: tuple[Hours, ...]) -> timedelta:
    """How long after its start a promise is due on average over a week without holidays, in real time."""
    table = Timetable(Calendar(time_zone="UTC", week=dict(zip(DAYS, week, strict=True))))
    per_week = table.between(MONDAY, MONDAY + WEEK) // MINUTE
    weeks, rest = divmod(minutes - 1, per_week)
    due_in = [table.after(start, (rest + 1) * MINUTE) - start for start in STARTS]
    return sum(due_in, timedelta()) / len(due_in) + weeks * WEEK
