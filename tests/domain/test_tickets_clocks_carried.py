"""Another severity, policy or calendar: what the clocks of a ticket carry over. Ids are those of the reference's cases (5b, 5c)."""

from datetime import timedelta
from uuid import UUID

from domain.sla.clocks import Cause, ClockState
from domain.tickets.commands import Reapply
from domain.tickets.model import Priority, Severity, Status
from tests.domain.promises import (
    CALENDARS,
    FIRST,
    LAST,
    LEAD,
    OFFICE,
    at_percent,
    life,
    policy,
    terms,
    when,
)

SHARPER = policy({Severity.SEV3: {LAST: 240}, Severity.SEV1: {LAST: 15}})


def test_c24_a_worse_severity_takes_its_shorter_target() -> None:
    one = life(SHARPER, "10:00")
    one.change(when("10:10"), severity=Severity.SEV1)
    assert (one.clock(LAST).deadline_at, one.clock(LAST).cause) == (when("10:15"), None)


def test_c24_one_that_leaves_no_time_breaks_the_promise_at_the_change() -> None:
    rules = [at_percent(percent) for percent in (50, 75, 100)]
    one = life(policy({Severity.SEV3: {LAST: 240}, Severity.SEV1: {LAST: 15}}, rules=rules), "10:00")
    one.change(when("10:40"), severity=Severity.SEV1)
    one.live(when("10:40"))
    clock = one.clock(LAST)
    assert (clock.state, clock.breached_at, clock.cause) == (ClockState.BREACHED, when("10:40"), Cause.POLICY_CHANGE)
    assert [template for template, _, _ in one.told()] == ["sla_breached"]
    assert one.announced("sla_breached") == 1


def test_c26_a_change_while_paused_keeps_the_pause() -> None:
    one = life(policy({Severity.SEV3: {LAST: 240}, Severity.SEV2: {LAST: 120}}))
    one.move(Status.PENDING_CUSTOMER, when("10:00"))
    one.change(when("10:30"), severity=Severity.SEV2)
    assert one.states()["RESOLUTION 1"] == "PAUSED"
    one.ask(when("11:00"))
    assert one.clock(LAST).deadline_at == when("12:00")


def test_c27_a_promise_no_longer_made_is_cancelled_and_alerts_stop() -> None:
    rules = [at_percent(100, repeat={"every_minutes": 30, "times": 9})]
    one = life(policy({FIRST: 60, LAST: 480}, rules=rules))
    one.live(when("10:30"))
    assert len(one.told()) == 2
    one.terms = terms(policy({FIRST: 60}, rules=()))
    one.do(Reapply(definition_id=one.clock(LAST).target.definition_id), when("10:40"), by=LEAD)
    one.live(when("10:00", 3))
    assert one.states() == {"FIRST_RESPONSE 1": "BREACHED", "RESOLUTION 1": "CANCELLED"}
    assert len(one.told()) == 2


def test_c28_a_holiday_declared_later_moves_the_deadline() -> None:
    one = life(policy({LAST: 240}, OFFICE), "15:00")
    assert one.clock(LAST).deadline_at == when("11:00", 1)
    closed = {"holidays": ({"date": "2026-03-03", "windows": ()},)}
    one.terms = terms(policy({LAST: 240}, OFFICE, calendars={**CALENDARS, OFFICE: CALENDARS[OFFICE] | closed}))
    decision = one.wake(when("16:00"))
    assert one.clock(LAST).deadline_at == when("11:00", 2)
    assert [d.due_at for d in decision.deadlines] == [when("11:00", 2)]


def test_an_edited_calendar_recounts_the_pauses_too() -> None:
    one = life(policy({LAST: 480}, OFFICE))
    one.move(Status.PENDING_CUSTOMER, when("13:00"))
    one.ask(when("09:00", 1))
    early = {"week": {"MON": (("09:00", "10:00"),), "TUE": (("09:00", "17:00"),), "WED": (("09:00", "17:00"),)}}
    one.terms = terms(policy({LAST: 480}, OFFICE, calendars={**CALENDARS, OFFICE: CALENDARS[OFFICE] | early}))
    one.wake(when("09:30", 1))
    assert one.clock(LAST).spent == timedelta(hours=1)
    assert one.clock(LAST).deadline_at == when("16:00", 1)


def test_b10_without_an_edit_a_wake_changes_nothing() -> None:
    one = life()
    before = one.decisions[-1]
    decision = one.wake(when("09:30"))
    assert (decision.state, decision.deadlines) == (before.state, before.deadlines)


def test_c29_nothing_chosen_means_the_defaults_and_never_no_promise() -> None:
    one = life()
    assert (one.ticket.priority, one.ticket.severity) == (Priority.MEDIUM, Severity.SEV3)
    assert len(one.ticket.clocks) == 2


def test_c30_another_team_starts_no_second_set_of_clocks() -> None:
    one = life(policy({FIRST: 60, LAST: 480}, rules=[at_percent(50)]))
    decision = one.change(when("09:10"), team_id=UUID(int=7))
    assert "clocks" not in decision.changes
    one.live(when("09:30"))
    assert len(one.told()) == 1


def test_a_promise_beyond_reach_is_due_in_ten_years_and_breaks_no_decision() -> None:
    calendars = {**CALENDARS, OFFICE: CALENDARS[OFFICE] | {"week": {"MON": (("09:00", "09:01"),)}}}
    one = life(policy({FIRST: 500_000, LAST: 500_000}, OFFICE, rules=[at_percent(50)], calendars=calendars), "09:30")
    one.move(Status.PENDING_CUSTOMER, when("10:00"))
    one.ask(when("11:00"))
    assert one.clock(LAST).deadline_at == when("11:00", 3660)
    one.wake(when("12:00", 3661))
    assert one.states() == {"FIRST_RESPONSE 1": "BREACHED", "RESOLUTION 1": "BREACHED"}


def test_reapplying_carries_the_elapsed_time_to_the_new_version() -> None:
    one = life()
    one.terms = terms(policy({FIRST: 30, LAST: 600}, version=2))
    one.wake(when("09:05"))
    assert one.clock(LAST).target.version == 1
    for kind in (FIRST, LAST):
        one.do(Reapply(definition_id=one.clock(kind).target.definition_id), when("09:10"), by=LEAD)
    assert (one.clock(FIRST).deadline_at, one.clock(LAST).deadline_at) == (when("09:30"), when("19:00"))
    assert one.clock(LAST).target.version == 2
