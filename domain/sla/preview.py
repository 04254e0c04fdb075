"""Tries a calendar before it is used, and lays a clock's time out in stretches that counted, were paused, or were closed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final, NamedTuple

from domain.process import Invalid
from domain.sla.timetable import Timetable, instant

MOST_SEGMENTS: Final = 1_000
"""So many are told; a clock that ran for years on a calendar of many windows has more."""


class SegmentState(StrEnum):
    """What a stretch of time did to a clock."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CLOSED = "CLOSED"


class Segment(NamedTuple):
    """A stretch of one kind; its length is real time."""

    since: datetime
    until: datetime
    state: SegmentState

    @property
    def seconds(self) -> float:
        """How long it was."""
        return (self.until - self.since).total_seconds()


class Stretch(NamedTuple):
    """From when to when a clock ran or was paused, by the clock on the wall, and on which timetable."""

    since: datetime
    until: datetime
    running: bool
    table: Timetable


class Pause(NamedTuple):
    """From when to when somebody was waited for."""

    since: datetime
    until: datetime


class Trial(NamedTuple):
    """When a promise is due, the first stretches of the time until then, and whether there are more."""

    deadline_at: datetime
    segments: list[Segment]
    truncated: bool


class BadPauses(Invalid):
    """A pause ends before it begins, begins before the clock does, or overlaps the one before."""

    def __init__(self, indexes: Iterable[int]) -> None:
        detail = "must end after it begins, and begin after the start and after the pause before"
        errors = [{"pointer": f"/pauses/{index}", "detail": detail, "code": "period"} for index in indexes]
        super().__init__("The pauses contradict each other.", errors)


class TooFar(Invalid):
    """So much business time does not pass on this calendar within ten years."""

    def __init__(self) -> None:
        detail = "does not pass on this calendar within ten years"
        error = {"pointer": "/targetMinutes", "code": "out_of_reach", "detail": detail}
        super().__init__("So much business time does not pass within ten years.", [error])


def segments(stretches: Iterable[Stretch]) -> Iterator[Segment]:
    """The stretches cut where the calendar opens and closes."""
    for since, until, running, table in stretches:
        at = since
        counted = SegmentState.RUNNING if running else SegmentState.PAUSED
        for opens, closes in table.within(since, until):
            if instant(opens) > at:
                yield Segment(at, instant(opens), SegmentState.CLOSED)
            yield Segment(instant(opens), instant(closes), counted)
            at = instant(closes)
        if until > at:
            yield Segment(at, until, SegmentState.CLOSED)


def preview(table: Timetable, minutes: int, started_at: datetime, pauses: Sequence[Pause]) -> Trial:
    """When `minutes` of business time after `started_at` are up, and how the time passes until then.

    A pause that begins at the deadline or later changes nothing. The time is gone through once, however many pauses there are.
    Raises BadPauses, OutOfReach.
    """
    refuse_odd(started_at, pauses)
    left = timedelta(minutes=minutes)
    table.after(started_at, left)
    at, stretches = started_at, []
    for since, until in pauses:
        ran = table.between(at, since)
        if ran >= left:
            break
        stretches += [Stretch(at, since, True, table), Stretch(since, until, False, table)]
        left, at = left - ran, until
    deadline = table.after(at, left)
    found = list(islice(segments([*stretches, Stretch(at, deadline, True, table)]), MOST_SEGMENTS + 1))
    return Trial(deadline, found[:MOST_SEGMENTS], len(found) > MOST_SEGMENTS)


def refuse_odd(started_at: datetime, pauses: Sequence[Pause]) -> None:
    """Refuse pauses that are not one after the other. Raises BadPauses."""
    ends = [started_at, *(until for _, until in pauses)]
    odd = [index for index, (since, until) in enumerate(pauses) if until <= since or since < ends[index]]
    if odd:
        raise BadPauses(odd)
