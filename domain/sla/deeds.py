"""What people do to a clock by hand, and why: which cycle it was, and which of its stretches it explains."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.sla.clocks import Clock, ClockKind
from domain.sla.preview import Segment, SegmentState
from domain.tickets.commands import ClockAction


class Deed(NamedTuple):
    """A pause, its end or a waiver; the cycle is None where it was the one that ran then."""

    kind: ClockKind
    cycle: int | None
    action: ClockAction
    at: datetime
    actor: str
    reason: str


def deeds_of(clock: Clock, clocks: Iterable[Clock], deeds: Iterable[Deed]) -> list[Deed]:
    """What was done to this one of a ticket's clocks."""
    later = (other.started_at for other in clocks if other.kind is clock.kind and other.cycle > clock.cycle)
    until = min(later, default=None)
    return [
        deed
        for deed in deeds
        if deed.kind is clock.kind
        and (
            deed.cycle == clock.cycle
            if deed.cycle is not None
            else clock.started_at <= deed.at and (until is None or deed.at < until)
        )
    ]


def why_held(segment: Segment, deeds: Sequence[Deed]) -> str | None:
    """The reason for the pause by hand in which a paused stretch began; `deeds` are those of its clock, the oldest first."""
    if segment.state is not SegmentState.PAUSED:
        return None
    before = [deed for deed in deeds if deed.at <= segment.since and deed.action is not ClockAction.WAIVE]
    return before[-1].reason if before and before[-1].action is ClockAction.PAUSE else None
