"""One clock of one promise: it starts, pauses, goes on, is met, breached, annulled or cancelled, and can say when it is due."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from pydantic import SerializerFunctionWrapHandler, model_serializer

from domain.process import Frozen
from domain.sla.timetable import Timetable

NO_TIME: Final = timedelta()
AT_RISK: Final = 0.75
"""The share of a target after which a running clock is at risk."""
MOST_RUNS: Final = 64
"""How many runs a clock remembers one by one: its state travels with every decision."""


class ClockKind(StrEnum):
    """What is promised; the order is that in which they are shown."""

    FIRST_RESPONSE = "FIRST_RESPONSE"
    NEXT_RESPONSE = "NEXT_RESPONSE"
    RESOLUTION = "RESOLUTION"


class ClockState(StrEnum):
    """Where a clock stands. A breached one stays so, also when the promise is kept late."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    MET = "MET"
    BREACHED = "BREACHED"
    CANCELLED = "CANCELLED"
    ANNULLED = "ANNULLED"


OPEN: Final = frozenset({ClockState.RUNNING, ClockState.PAUSED})


class Hold(StrEnum):
    """Why a clock is paused; it goes on when the last hold is gone."""

    CUSTOMER = "CUSTOMER"
    MANUAL = "MANUAL"


class Cause(StrEnum):
    """Why a promise was broken: time ran out, or a change (of policy, or of since when somebody waits) left it no time."""

    DEADLINE = "DEADLINE"
    POLICY_CHANGE = "POLICY_CHANGE"


class Target(Frozen):
    """What one version of a definition promises: `minutes` of business time on a calendar."""

    definition_id: UUID
    version: int = 1
    calendar_id: UUID
    minutes: int

    @property
    def duration(self) -> timedelta:
        """The target as business time."""
        return timedelta(minutes=self.minutes)


class Run(Frozen):
    """A stretch in which a clock ran, by the clock on the wall, and the calendar that it was counted on."""

    since: datetime
    until: datetime
    calendar_id: UUID


class Fired(Frozen):
    """That an escalation rule has fired, how often, and when last."""

    rule: UUID
    times: int = 1
    at: datetime


class Clock(Frozen):
    """The clock of one cycle of one kind of promise. `spent` is the business time of the runs that have ended; instants are aware UTC.

    `deadline_at` is None while paused. `breached_at` is the deadline itself, however late that was noticed (`detected_at`).
    `carried` is the part of `spent` whose runs are no longer remembered; `fired` and `credited` tell which rungs are behind it.
    """

    kind: ClockKind
    cycle: int = 1
    state: ClockState = ClockState.RUNNING
    target: Target
    started_at: datetime
    running_since: datetime | None = None
    spent: timedelta = NO_TIME
    carried: timedelta = NO_TIME
    runs: tuple[Run, ...] = ()
    deadline_at: datetime | None = None
    at_risk_at: datetime | None = None
    holds: tuple[Hold, ...] = ()
    met_at: datetime | None = None
    breached_at: datetime | None = None
    detected_at: datetime | None = None
    cause: Cause | None = None
    ended_at: datetime | None = None
    waived: bool = False
    fired: tuple[Fired, ...] = ()
    credited: int = 0

    @model_serializer(mode="wrap")
    def _only_what_differs(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        given = {name for name, info in type(self).model_fields.items() if getattr(self, name) != info.default}
        return {name: value for name, value in serialise(self).items() if name in given}

    @property
    def left(self) -> timedelta:
        """The business time that is left when no run is counted that still goes on."""
        return max(self.target.duration - self.spent, NO_TIME)

    def moved(self, **fields: Any) -> "Clock":
        """This clock with other values."""
        return self.model_copy(update=fields)


Timetables = Mapping[UUID, Timetable]
"""The timetable of each calendar that a clock or a target names."""


def counting(clock: Clock) -> bool:
    """Whether a clock counts, or would if nothing held it: it is open, or broken and its promise not kept yet."""
    return clock.state in OPEN or (clock.state is ClockState.BREACHED and clock.ended_at is None)


def start(kind: ClockKind, cycle: int, target: Target, at: datetime, tables: Timetables) -> Clock:
    """A clock that runs from `at` on."""
    return _run(Clock(kind=kind, cycle=cycle, target=target, started_at=at), at, tables)


def take_up(before: Clock, target: Target, at: datetime, tables: Timetables) -> Clock:
    """The next cycle of a promise that was not made for a while: it goes on with the time, and the rungs, that are behind it."""
    cycle = Clock(kind=before.kind, cycle=before.cycle + 1, target=target, started_at=at, running_since=at)
    return _judged(cycle.moved(spent=before.spent, carried=before.spent, fired=before.fired), at, tables)


def elapsed(clock: Clock, at: datetime, tables: Timetables) -> timedelta:
    """The business time that had passed at `at`."""
    if clock.running_since is None:
        return clock.spent
    return clock.spent + tables[clock.target.calendar_id].between(clock.running_since, at)


def pause(clock: Clock, hold: Hold, at: datetime, tables: Timetables) -> Clock:
    """The clock with one more hold. A pause at the very deadline wins: nothing is left, and nothing broken.

    A breached one pauses too, without a change of state: its overrun is counted as fairly as its target was.
    """
    if not counting(clock) or hold in clock.holds:
        return clock
    holds = (*clock.holds, hold)
    if clock.running_since is None:
        return clock.moved(holds=holds)
    clock = _halted(clock, at, tables).moved(holds=holds)
    if clock.state is ClockState.BREACHED:
        return clock
    return clock.moved(state=ClockState.PAUSED, deadline_at=None, at_risk_at=None)


def resume(clock: Clock, hold: Hold, at: datetime, tables: Timetables) -> Clock:
    """The clock without a hold; it runs when that was the last one."""
    if not counting(clock) or hold not in clock.holds:
        return clock
    holds = tuple(other for other in clock.holds if other is not hold)
    clock = clock.moved(holds=holds)
    return clock if holds else _run(clock, at, tables)


def meet(clock: Clock, at: datetime, tables: Timetables) -> Clock:
    """The promise is kept at `at`: in time unless that is after the deadline. An instant before a recorded breach annuls it.

    A change that left no time has broken a promise at its own instant, which nothing before undoes.
    """
    if clock.state in OPEN:
        late = clock.deadline_at is not None and at > clock.deadline_at
        kept = breach(clock, at) if late else clock.moved(state=ClockState.MET)
        return _stopped(kept, at, tables).moved(met_at=at)
    if clock.state is not ClockState.BREACHED or (clock.met_at is not None and clock.met_at <= at):
        return clock
    ran_out = clock.cause is Cause.DEADLINE or clock.breached_at != clock.detected_at
    in_time = ran_out and clock.breached_at is not None and at <= clock.breached_at
    kept = clock.moved(met_at=at, state=ClockState.ANNULLED) if in_time else clock.moved(met_at=at)
    return _stopped(kept, at, tables) if counting(clock) else kept


def breach(clock: Clock, detected_at: datetime) -> Clock:
    """The deadline has passed; the clock counts on, so that the overrun can be told."""
    return clock.moved(
        state=ClockState.BREACHED,
        breached_at=clock.deadline_at,
        detected_at=detected_at,
        at_risk_at=None,
        cause=Cause.DEADLINE,
    )


def cancel(clock: Clock, at: datetime, tables: Timetables) -> Clock:
    """The promise no longer holds. What was broken stays broken."""
    if clock.state in OPEN:
        return _stopped(clock, at, tables).moved(state=ClockState.CANCELLED)
    return _stopped(clock, at, tables) if counting(clock) else clock


def waive(clock: Clock, at: datetime, tables: Timetables) -> Clock:
    """The promise is given up on purpose, while it is open; a broken one is waived as a record of its breach."""
    return cancel(clock, at, tables).moved(waived=True) if clock.state in OPEN else clock


def reopen(clock: Clock, at: datetime, tables: Timetables) -> Clock:
    """Go on after the promise was thought kept: with what was left of an unbroken cycle, else with a new cycle."""
    if clock.state is ClockState.MET:
        return _run(clock.moved(met_at=None, ended_at=None), at, tables)
    return start(clock.kind, clock.cycle + 1, clock.target, at, tables)


def retarget(clock: Clock, target: Target, at: datetime, tables: Timetables) -> Clock:
    """Carry the elapsed business time to another target. Only an open clock changes: a recorded breach is never erased.

    What brought the change about may lie before the clock's run, when it is decided late: then nothing of the run is behind it.
    """
    if clock.state not in OPEN or target == clock.target:
        return clock
    at = max(at, clock.running_since or (clock.runs[-1].until if clock.runs else clock.started_at))
    running_since = at if clock.running_since else None
    return _judged(_halted(clock, at, tables).moved(target=target, running_since=running_since), at, tables)


def recount(clock: Clock, at: datetime, tables: Timetables) -> Clock:
    """The clock on its calendars as they are at `at`; the same clock when none of them was edited."""
    if clock.state not in OPEN:
        return clock
    ended = (tables[run.calendar_id].between(run.since, run.until) for run in clock.runs)
    spent = sum(ended, clock.carried)
    due = tables[clock.target.calendar_id].due(clock.running_since, clock.left) if clock.running_since else None
    if spent == clock.spent and due == clock.deadline_at:
        return clock
    return _judged(clock.moved(spent=spent), at, tables)


def count_from(clock: Clock, since: datetime, at: datetime, tables: Timetables) -> Clock:
    """An open clock as if it had begun at `since`, where that is earlier; what it was held and what it has fired it keeps.

    If no time is left at `at`, it was broken at the deadline that it would have had, and that is noticed now. What it had carried
    from an earlier cycle was counted within that time, and is not counted twice.
    """
    if clock.state not in OPEN or since >= clock.started_at:
        return clock
    earlier = tables[clock.target.calendar_id].between(since, clock.started_at)
    if earlier < clock.carried:
        return clock
    first = Run(since=since, until=clock.started_at, calendar_id=clock.target.calendar_id)
    spent = earlier + clock.spent - clock.carried
    clock = clock.moved(started_at=since, spent=spent, carried=NO_TIME, runs=(first, *clock.runs))
    at = max(at, clock.running_since or at)
    running_since = at if clock.running_since else None
    judged = _judged(_halted(clock, at, tables).moved(running_since=running_since), at, tables)
    if judged.state is not ClockState.BREACHED:
        return judged
    due = _used_up(judged, tables)
    return judged.moved(deadline_at=due, breached_at=due)


def last_due(clock: Clock, tables: Timetables) -> datetime:
    """The deadline; of a paused clock, the one that it would have kept had it not been paused last."""
    if clock.deadline_at is not None:
        return clock.deadline_at
    since = max(clock.started_at, clock.runs[-1].until) if clock.runs else clock.started_at
    return tables[clock.target.calendar_id].due(since, clock.left)


def _judged(clock: Clock, at: datetime, tables: Timetables) -> Clock:
    """A clock whose promise was changed at `at`: due at another instant, or broken now, once, when no time is left."""
    if elapsed(clock, at, tables) > clock.target.duration:
        return clock.moved(
            state=ClockState.BREACHED,
            deadline_at=at,
            breached_at=at,
            detected_at=at,
            at_risk_at=None,
            cause=Cause.POLICY_CHANGE,
        )
    return _run(clock, clock.running_since, tables) if clock.running_since else clock


def _run(clock: Clock, at: datetime, tables: Timetables) -> Clock:
    if clock.state is ClockState.BREACHED:
        return clock.moved(running_since=at)
    table = tables[clock.target.calendar_id]
    due = table.due(at, clock.left)
    safe = clock.target.duration * AT_RISK - clock.spent
    at_risk_at = table.due(at, safe) if safe > NO_TIME else at
    return clock.moved(state=ClockState.RUNNING, running_since=at, deadline_at=due, at_risk_at=at_risk_at)


def _used_up(clock: Clock, tables: Timetables) -> datetime:
    """When the runs of a clock that was overrun had used up its target."""
    left = max(clock.target.duration - clock.carried, NO_TIME)
    for run in clock.runs:
        used = tables[run.calendar_id].between(run.since, run.until)
        if used > left:
            return tables[run.calendar_id].due(run.since, left)
        left -= used
    return clock.runs[-1].until


def _halted(clock: Clock, at: datetime, tables: Timetables) -> Clock:
    """The clock with its run, if one goes on, ended at `at` and remembered."""
    if clock.running_since is None:
        return clock
    spent, carried, runs = elapsed(clock, at, tables), clock.carried, clock.runs
    if at > clock.running_since:
        runs = (*runs, Run(since=clock.running_since, until=at, calendar_id=clock.target.calendar_id))
    if len(runs) > MOST_RUNS:
        oldest, *kept = runs
        carried += tables[oldest.calendar_id].between(oldest.since, oldest.until)
        runs = tuple(kept)
    return clock.moved(spent=spent, carried=carried, runs=runs, running_since=None)


def _stopped(clock: Clock, at: datetime, tables: Timetables) -> Clock:
    return _halted(clock, at, tables).moved(ended_at=at, at_risk_at=None, holds=())
