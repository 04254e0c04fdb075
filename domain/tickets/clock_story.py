"""What a decision did to each clock of a ticket, as its history tells it: from which state to which, why, and in a sentence."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from domain.sla.clocks import OPEN, Cause, Clock, ClockKind, ClockState, Hold


class Why(StrEnum):
    """Why a clock changed."""

    STARTED = "STARTED"
    MET = "MET"
    MET_LATE = "MET_LATE"
    DEADLINE = "DEADLINE"
    POLICY_CHANGE = "POLICY_CHANGE"
    ANNULLED = "ANNULLED"
    WAIVED = "WAIVED"
    CANCELLED = "CANCELLED"
    CUSTOMER = "CUSTOMER"
    MANUAL = "MANUAL"
    RESUMED = "RESUMED"
    REOPENED = "REOPENED"
    TARGET = "TARGET"
    CALENDAR = "CALENDAR"
    OLDER_WAIT = "OLDER_WAIT"


class Edit(NamedTuple):
    """One version of a calendar: how it was called, when it was written, and by whom (None for what a tenant begins with)."""

    calendar_id: UUID
    name: str
    version: int
    at: datetime
    editor: str | None


class ClockChange(NamedTuple):
    """What happened to one clock. `edited` is the calendar's new version, where that is what moved the deadline."""

    before: Clock | None
    after: Clock
    why: Why
    calendar: str
    edited: Edit | None = None


NAMES: Final[Mapping[ClockKind, str]] = {
    ClockKind.FIRST_RESPONSE: "First response",
    ClockKind.NEXT_RESPONSE: "Next response",
    ClockKind.RESOLUTION: "Resolution",
}


def clock_changes(
    before: Sequence[Clock], after: Sequence[Clock], edits: Sequence[Edit], since: datetime | None, until: datetime
) -> list[ClockChange]:
    """The clocks on which something changed that a reader can see; rungs and credits are told beside.

    `since` and `until` are the instants of the decision before and of this one: an edit of a calendar between them is why a
    clock was counted anew.
    """
    was = {(clock.kind, clock.cycle): clock for clock in before}
    found = []
    for clock in sorted(after, key=lambda each: (list(ClockKind).index(each.kind), each.cycle)):
        old = was.get((clock.kind, clock.cycle))
        why = reason(old, clock)
        if why is None:
            continue
        versions = [edit for edit in edits if edit.calendar_id == clock.target.calendar_id and edit.at <= until]
        latest = max(versions, key=lambda edit: edit.version, default=None)
        same = old is not None and (old.target, old.started_at) == (clock.target, clock.started_at)
        recounted = why in (Why.CALENDAR, Why.POLICY_CHANGE) and same
        edited = latest if latest and recounted and since is not None and latest.at > since else None
        found.append(ClockChange(old, clock, why, latest.name if latest else "", edited))
    return found


def reason(before: Clock | None, after: Clock) -> Why | None:
    """Why a clock changed; None when nothing changed but what is told beside."""
    was = before.state if before else None
    match after.state:
        case ClockState.MET if was is not ClockState.MET:
            return Why.MET
        case ClockState.ANNULLED if was is not ClockState.ANNULLED:
            return Why.ANNULLED
        case ClockState.CANCELLED if was is not ClockState.CANCELLED:
            return Why.WAIVED if after.waived else Why.CANCELLED
        case ClockState.BREACHED if was is not ClockState.BREACHED:
            return Why.POLICY_CHANGE if after.cause is Cause.POLICY_CHANGE else Why.DEADLINE
        case ClockState.BREACHED if before and after.met_at != before.met_at:
            return Why.MET_LATE
        case ClockState.BREACHED if before and after.waived and not before.waived:
            return Why.WAIVED
    if before is None:
        return Why.STARTED
    return held(before, after) or moved(before, after)


def held(before: Clock, after: Clock) -> Why | None:
    """What a pause or its end did."""
    added = [hold for hold in after.holds if hold not in before.holds]
    if added:
        return Why.MANUAL if Hold.MANUAL in added else Why.CUSTOMER
    if before.holds != after.holds and after.ended_at is None:
        return Why.RESUMED
    if before.ended_at is not None and after.ended_at is None:
        return Why.REOPENED
    return None


def moved(before: Clock, after: Clock) -> Why | None:
    """What another target, an older wait or another calendar did; a calendar leaves the runs of an open clock as they were."""
    if before.target != after.target:
        return Why.TARGET
    if before.started_at != after.started_at:
        return Why.OLDER_WAIT
    same = (before.state, before.runs, before.running_since) == (after.state, after.runs, after.running_since)
    recounted = (before.deadline_at, before.spent) != (after.deadline_at, after.spent)
    return Why.CALENDAR if same and recounted and after.state in OPEN else None


def sentence(change: ClockChange) -> str:
    """What happened to the clock, in the words of its states."""
    return NAMES[change.after.kind] + "".join(words(change))


def words(change: ClockChange) -> Iterator[str]:
    """What happened to the clock, behind its name."""
    clock = change.after
    if clock.cycle > 1:
        yield f" (cycle {clock.cycle})"
    match change.why:
        case Why.STARTED:
            yield f" promised within {promise(change)}"
            yield from due(clock, ", due {}")
        case Why.MET:
            yield f" met at {told(clock.met_at)}"
        case Why.MET_LATE:
            yield f" met late at {told(clock.met_at)}, after its breach at {told(clock.breached_at)}"
        case Why.DEADLINE | Why.POLICY_CHANGE:
            yield from broken(change)
        case Why.ANNULLED:
            yield f": its breach is annulled, because it was met at {told(clock.met_at)}"
        case Why.WAIVED:
            yield ": its breach is waived" if clock.state is ClockState.BREACHED else " waived"
        case Why.CANCELLED:
            yield " cancelled"
        case Why.CUSTOMER:
            yield " paused: waiting for the customer"
        case Why.MANUAL:
            yield " paused by hand"
        case Why.RESUMED:
            yield " still paused" if clock.holds else " resumed"
            yield from due(clock, ", due {}")
        case Why.REOPENED:
            yield " goes on"
            yield from due(clock, ", due {}")
        case Why.TARGET:
            yield f" promised within {promise(change)} from now on"
            yield from rescheduled(change)
        case Why.OLDER_WAIT:
            yield f" counts from {told(clock.started_at)} on, when the customer of the merged ticket asked"
            yield from rescheduled(change)
        case Why.CALENDAR:
            yield " counted anew"
            yield from rescheduled(change)
            yield recounted(change)


def broken(change: ClockChange) -> Iterator[str]:
    """When a promise was breached, what it was, and whether it was met since."""
    clock = change.after
    yield f" breached at {told(clock.breached_at)}: {clock.target.minutes} business minutes were promised"
    if change.why is Why.POLICY_CHANGE:
        yield ", and a change left no time"
        if change.before and change.before.started_at != clock.started_at:
            yield f": the customer of the merged ticket has waited since {told(clock.started_at)}"
        yield recounted(change) if change.edited else ""
    if clock.met_at:
        yield f"; met late at {told(clock.met_at)}"


def promise(change: ClockChange) -> str:
    """How much time of which calendar is promised."""
    on = f" of “{change.calendar}”" if change.calendar else ""
    return f"{change.after.target.minutes} business minutes{on}"


def recounted(change: ClockChange) -> str:
    """Which calendar was edited by whom; other reasons to count anew are the account's time zone and public holidays."""
    if change.edited is None:
        return f": the hours of “{change.calendar}” changed with the account's time zone or its public holidays"
    by = f" by {change.edited.editor}" if change.edited.editor else ""
    return f": “{change.edited.name}” was edited{by}"


def rescheduled(change: ClockChange) -> Iterator[str]:
    """When a clock is due now, and when it was before."""
    clock, before = change.after, change.before
    yield from due(clock, ", due {}")
    if clock.deadline_at and before and before.deadline_at and before.deadline_at != clock.deadline_at:
        yield f" instead of {told(before.deadline_at)}"


def due(clock: Clock, pattern: str) -> Iterator[str]:
    """When an open clock is due; nothing while it is paused."""
    if clock.state is ClockState.RUNNING and clock.deadline_at:
        yield pattern.format(told(clock.deadline_at))


def told(at: datetime | None) -> str:
    """An instant as people read it, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "some time"
