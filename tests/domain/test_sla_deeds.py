"""What was done to a clock by hand: to which cycle, and which stretch it explains."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.sla.clocks import Clock, ClockKind, Target
from domain.sla.deeds import Deed, deeds_of, why_held
from domain.sla.preview import Segment, SegmentState
from domain.tickets.commands import ClockAction

LAST, FIRST = ClockKind.RESOLUTION, ClockKind.FIRST_RESPONSE
TARGET = Target(definition_id=UUID(int=1), calendar_id=UUID(int=2), minutes=60)


def at(minute: float) -> datetime:
    return datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(minutes=minute)


def deed(action: ClockAction, minute: float, *, kind: ClockKind = LAST, cycle: int | None = None) -> Deed:
    return Deed(kind, cycle, action, at(minute), "Lee Lead", f"because of {minute}")


def test_a_deed_belongs_to_the_cycle_that_ran_then() -> None:
    clocks = [Clock(kind=LAST, cycle=cycle, target=TARGET, started_at=at(10 * cycle)) for cycle in (1, 2)]
    early, late, of_first = (
        deed(ClockAction.PAUSE, 19.9),
        deed(ClockAction.PAUSE, 20),
        deed(ClockAction.PAUSE, 15, kind=FIRST),
    )
    waived = deed(ClockAction.WAIVE, 30, cycle=1)
    assert [deeds_of(clock, clocks, [early, late, of_first, waived]) for clock in clocks] == [[early, waived], [late]]


def test_a_paused_stretch_is_explained_by_the_pause_in_which_it_began() -> None:
    deeds = [
        deed(ClockAction.PAUSE, 10),
        deed(ClockAction.WAIVE, 12),
        deed(ClockAction.RESUME, 20),
        deed(ClockAction.PAUSE, 30),
    ]

    def why(minute: float, state: SegmentState = SegmentState.PAUSED) -> str | None:
        return why_held(Segment(at(minute), at(minute + 1), state), deeds)

    assert [why(minute) for minute in (9, 10, 15, 20, 31)] == [
        None,
        "because of 10",
        "because of 10",
        None,
        "because of 30",
    ]
    assert why(15, SegmentState.CLOSED) is None
