"""The ladder of a clock: which escalation rungs lie ahead of it, when the next one is due, and which of several that are due fires."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from domain.sla.clocks import NO_TIME, Clock, Fired, Timetables, counting, elapsed
from domain.sla.escalation import ClockMinutes, ClockPercent, Repeat, Rule


class Rung(NamedTuple):
    """A rule and the business time after which it fires on one clock."""

    rule: Rule
    threshold: timedelta


class Firing(NamedTuple):
    """A rule that fires at `at` for the `times`th time; `noted` are the rungs that it stands for, too."""

    rule: Rule
    times: int
    at: datetime
    noted: tuple[Rule, ...] = ()


def threshold(rule: Rule, clock: Clock) -> timedelta | None:
    """The business time after which a rule fires on a clock; None when it never does."""
    trigger = rule.trigger
    if not isinstance(trigger, ClockPercent | ClockMinutes) or trigger.clock not in (None, clock.kind):
        return None
    if isinstance(trigger, ClockPercent):
        return clock.target.duration * trigger.percent / 100
    after = clock.target.duration + timedelta(minutes=trigger.minutes)
    return after if after > NO_TIME else None


def rungs(clock: Clock, rules: Iterable[Rule]) -> list[Rung]:
    """The rungs of a clock, the lowest first."""
    found = ((rule, threshold(rule, clock)) for rule in rules)
    return sorted((Rung(rule, at) for rule, at in found if at is not None), key=lambda rung: rung.threshold)


def next_due(clock: Clock, rules: Sequence[Rule], tables: Timetables) -> datetime | None:
    """When the next rung of a clock is due, or the next repeat of its highest; None while it does not count or is excused."""
    if not counting(clock) or clock.running_since is None or clock.waived:
        return None
    ladder = rungs(clock, rules)
    dues = [again.at for again in _repeats(clock, ladder)]
    ahead = _ahead(clock, ladder)
    if ahead:
        left = max(ahead[0].threshold - clock.spent, NO_TIME)
        # Without anything left it is due where the run began, be that open or closed: at the change that brought it about.
        due = tables[clock.target.calendar_id].reach(clock.running_since, left) if left else clock.running_since
        dues += [due] if due else []
    return min(dues, default=None)


def firings(clock: Clock, rules: Sequence[Rule], until: datetime, tables: Timetables) -> list[Firing]:
    """What fires on a clock by `until`: of the rungs due together the highest, which notes the others, or else the repeats due."""
    if not counting(clock) or clock.running_since is None or clock.waived:
        return []
    ladder = rungs(clock, rules)
    passed = elapsed(clock, until, tables)
    due = [rung for rung in _ahead(clock, ladder) if rung.threshold <= passed]
    if not due:
        return [again for again in _repeats(clock, ladder, until) if again.at <= until]
    top = due[-1].threshold
    left = max(top - clock.spent, NO_TIME)
    at = tables[clock.target.calendar_id].due(clock.running_since, left) if left else clock.running_since
    noted = tuple(rung.rule for rung in due if rung.threshold < top)
    return [Firing(rung.rule, 1, at, noted) for rung in due if rung.threshold == top]


def record(fired: Sequence[Fired], firing: Firing) -> tuple[Fired, ...]:
    """The marks after a firing, those of the rungs that it notes included."""
    marks = {mark.rule: mark for mark in fired}
    for rule in firing.noted:
        marks[rule.id] = Fired(rule=rule.id, at=firing.at)
    marks[firing.rule.id] = Fired(rule=firing.rule.id, times=firing.times, at=firing.at)
    return tuple(marks.values())


def repeated(mark: Fired, repeat: Repeat, until: datetime | None, since: datetime) -> tuple[int, datetime] | None:
    """Which firing comes next and when, on the wall; with `until` the last one by then, since those missed are told as one.

    A clock that went on at `since` repeats nothing for the time before.
    """
    left = repeat.times + 1 - mark.times
    if left <= 0:
        return None
    every = timedelta(minutes=repeat.every_minutes)
    at = max(mark.at + every, since)
    more = min(left - 1, max(0, (until - at) // every)) if until else 0
    return mark.times + 1 + more, at + more * every


def _ahead(clock: Clock, ladder: Sequence[Rung]) -> list[Rung]:
    """The rungs that have not fired and lie at or above the highest that has."""
    done = {mark.rule for mark in clock.fired}
    reached = max((rung.threshold for rung in ladder if rung.rule.id in done), default=NO_TIME)
    return [rung for rung in ladder if rung.rule.id not in done and rung.threshold >= reached]


def _repeats(clock: Clock, ladder: Sequence[Rung], until: datetime | None = None) -> list[Firing]:
    """The next repeats of the rungs at the top of those that have fired; lower ones have been overtaken."""
    marks: dict[UUID, Fired] = {mark.rule: mark for mark in clock.fired}
    done = [rung for rung in ladder if rung.rule.id in marks]
    found = []
    for rung in done:
        repeat = rung.rule.repeat
        if repeat is None or rung.threshold < done[-1].threshold or clock.running_since is None:
            continue
        again = repeated(marks[rung.rule.id], repeat, until, clock.running_since)
        if again:
            found.append(Firing(rung.rule, *again))
    return found
