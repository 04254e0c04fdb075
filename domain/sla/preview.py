"""Tries a calendar before it is used, and lays a clock's time out in stretches that counted, were paused, or were closed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.process import Invalid
from domain.sla.clocks import Clock, ClockKind, Hold, Target, pause, resume, start
from domain.sla.timetable import Timetable, instant

NOBODY = UUID(int=0)


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


def preview(
    table: Timetable, minutes: int, started_at: datetime, pauses: Sequence[Pause]
) -> tuple[datetime, list[Segment]]:
    """When `minutes` of business time after `started_at` are up, and how the time passes until then.

    A pause that begins at the deadline or later changes nothing. Raises BadPauses, OutOfReach.
    """
    refuse_odd(started_at, pauses)
    tables = {NOBODY: table}
    target = Target(definition_id=NOBODY, calendar_id=NOBODY, minutes=minutes)
    clock = start(ClockKind.RESOLUTION, 1, target, started_at, tables)
    at, stretches = started_at, []
    for since, until in pauses:
        if since >= due(clock, table):
            break
        clock = resume(pause(clock, Hold.CUSTOMER, since, tables), Hold.CUSTOMER, until, tables)
        stretches += [Stretch(at, since, True, table), Stretch(since, until, False, table)]
        at = until
    stretches.append(Stretch(at, due(clock, table), True, table))
    return due(clock, table), list(segments(stretches))


def refuse_odd(started_at: datetime, pauses: Sequence[Pause]) -> None:
    """Refuse pauses that are not one after the other. Raises BadPauses."""
    ends = [started_at, *(until for _, until in pauses)]
    odd = [index for index, (since, until) in enumerate(pauses) if until <= since or since < ends[index]]
    if odd:
        raise BadPauses(odd)


def due(clock: Clock, table: Timetable) -> datetime:
    """The deadline of a clock that runs. Raises OutOfReach."""
    return table.after(clock.running_since or clock.started_at, clock.left)
