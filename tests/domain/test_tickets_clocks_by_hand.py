"""Clocks that a lead pauses, resumes or waives by hand."""

import pytest

from domain.process import Forbidden
from domain.sla.clocks import ClockState
from domain.tickets.clocks import ClockStands, NoClock
from domain.tickets.commands import AdjustClock, ClockAction
from domain.tickets.model import Severity, Status
from tests.domain.promises import (
    FIRST,
    LAST,
    LEAD,
    life,
    policy,
    when,
)
from tests.domain.tickets import AGENT


def adjustment(action: ClockAction, kind: object = LAST) -> AdjustClock:
    return AdjustClock(kind=kind, action=action, reason="The customer moves house.")  # type: ignore[arg-type]


def test_a_lead_pauses_and_resumes_by_hand_beside_the_customers_own_pause() -> None:
    one = life()
    one.do(adjustment(ClockAction.PAUSE), when("10:00"), by=LEAD)
    one.move(Status.PENDING_CUSTOMER, when("11:00"))
    one.ask(when("12:00"))
    assert one.states()["RESOLUTION 1"] == "PAUSED"
    one.do(adjustment(ClockAction.RESUME), when("13:00"), by=LEAD)
    assert one.clock(LAST).deadline_at == when("20:00")


def test_a_waived_promise_is_given_up_for_good() -> None:
    one = life()
    one.do(adjustment(ClockAction.WAIVE), when("10:00"), by=LEAD)
    assert (one.clock(LAST).state, one.clock(LAST).waived) == (ClockState.CANCELLED, True)
    one.move(Status.RESOLVED, when("11:00"))
    one.ask(when("12:00"))
    one.change(when("12:30"), severity=Severity.SEV1)
    assert one.states()["RESOLUTION 1"] == "CANCELLED"


def test_adjusting_takes_a_lead_and_a_clock_that_allows_it() -> None:
    one = life(policy({FIRST: 60}))
    with pytest.raises(Forbidden):
        one.do(adjustment(ClockAction.PAUSE, FIRST), when("09:10"), by=AGENT)
    with pytest.raises(NoClock):
        one.do(adjustment(ClockAction.PAUSE), when("09:10"), by=LEAD)
    with pytest.raises(ClockStands):
        one.do(adjustment(ClockAction.RESUME, FIRST), when("09:10"), by=LEAD)
    one.do(adjustment(ClockAction.PAUSE, FIRST), when("09:10"), by=LEAD)
    with pytest.raises(ClockStands):
        one.do(adjustment(ClockAction.PAUSE, FIRST), when("09:11"), by=LEAD)
    one.do(adjustment(ClockAction.RESUME, FIRST), when("09:20"), by=LEAD)
    one.live(when("10:10"))
    with pytest.raises(ClockStands) as refused:
        one.do(adjustment(ClockAction.WAIVE, FIRST), when("10:11"), by=LEAD)
    assert refused.value.extra["breachId"]
