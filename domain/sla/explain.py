"""Explains a clock: every stretch of its time, what is used up and what is left, and a sentence that says why it is due when it is."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from domain.sla.clocks import NO_TIME, Clock, ClockState, Timetables, counting, elapsed
from domain.sla.preview import MOST_SEGMENTS, Segment, Stretch, segments


class Explanation(NamedTuple):
    """What a clock has done until an instant: business time used up and left, and the stretches of it."""

    elapsed: timedelta
    remaining: timedelta
    segments: list[Segment]
    started_outside_hours: bool
    text: str


def explain(clock: Clock, tables: Timetables, calendar: str, now: datetime, *, merged: bool = False) -> Explanation:
    """The clock as it stands at `now`, on a calendar of this name; `merged` says that its ticket went on in another."""
    used = elapsed(clock, max(now, clock.running_since or now), tables)
    left = max(clock.target.duration - used, NO_TIME)
    newest = deque(segments(_joined(stretches(clock, tables, now))), MOST_SEGMENTS)
    outside = not tables[clock.target.calendar_id].is_open(clock.started_at)
    return Explanation(used, left, list(newest), outside, "".join(sentence(clock, calendar, used, left, merged=merged)))


def stretches(clock: Clock, tables: Timetables, now: datetime) -> Iterator[Stretch]:
    """From when to when a clock ran, and was paused in between, until it ended or until now."""
    table, at = tables[clock.target.calendar_id], clock.started_at
    for run in clock.runs:
        if run.since > at:
            yield Stretch(at, run.since, False, tables[run.calendar_id])
        yield Stretch(run.since, run.until, True, tables[run.calendar_id])
        at = run.until
    if clock.running_since is not None:
        if clock.running_since > at:
            yield Stretch(at, clock.running_since, False, table)
        if now > clock.running_since:
            yield Stretch(clock.running_since, now, True, table)
    else:
        until = clock.ended_at or now
        if until > at:
            yield Stretch(at, until, False, table)


def _joined(parts: Iterator[Stretch]) -> Iterator[Stretch]:
    """Stretches of one kind that follow one another on one calendar, as one: a change of target ends a run, not the time."""
    for _, group in groupby(parts, key=lambda part: (part.running, id(part.table))):
        alike = list(group)
        yield alike[0]._replace(until=alike[-1].until)


def sentence(clock: Clock, calendar: str, used: timedelta, left: timedelta, *, merged: bool) -> Iterator[str]:
    """Why the clock stands as it does, in words."""
    yield f"{spelled(clock.target.duration)} of “{calendar}” from {clock.started_at:%Y-%m-%d %H:%M:%S} UTC on"
    yield f", {spelled(used)} used"
    if clock.holds:
        yield f"; paused ({', '.join(hold.value.lower() for hold in clock.holds)}), {spelled(left)} left"
    elif clock.state is ClockState.RUNNING and clock.deadline_at:
        yield f", {spelled(left)} left: due {clock.deadline_at:%Y-%m-%d %H:%M:%S} UTC"
    elif clock.breached_at:
        why = "time ran out" if clock.cause == "DEADLINE" else "a change left no time"
        yield f"; breached {clock.breached_at:%Y-%m-%d %H:%M:%S} UTC, {why}"
        yield from _afterwards(clock)
    elif clock.met_at:
        yield f"; met {clock.met_at:%Y-%m-%d %H:%M:%S} UTC with {spelled(left)} left"
    elif clock.ended_at:
        how = "waived" if clock.waived else "cancelled because the ticket was merged" if merged else "cancelled"
        yield f"; {how} {clock.ended_at:%Y-%m-%d %H:%M:%S} UTC"
    yield "."


def _afterwards(clock: Clock) -> Iterator[str]:
    if clock.state is ClockState.ANNULLED and clock.met_at:
        yield f", but annulled: it was met {clock.met_at:%Y-%m-%d %H:%M:%S} UTC"
    elif clock.met_at:
        yield f", met late {clock.met_at:%Y-%m-%d %H:%M:%S} UTC"
    elif counting(clock):
        yield ", and not met yet"


def spelled(duration: timedelta) -> str:
    """A duration in hours, minutes and seconds: `4 h`, `1 h 30 min`, `50 s`."""
    seconds = round(duration.total_seconds())
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
