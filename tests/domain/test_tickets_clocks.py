"""The clocks of a ticket follow what happens to it. Ids are those of the reference's cases (5c)."""

from datetime import timedelta

import pytest

from domain.identity import Actor
from domain.sla.clocks import ClockState
from domain.sla.explain import explain
from domain.tickets.model import Status
from tests.domain.promises import (
    ALWAYS,
    CALENDARS,
    FIRST,
    LAST,
    LEAD,
    NEXT,
    OFFICE,
    Life,
    at_percent,
    life,
    policy,
    terms,
    when,
)
from tests.domain.tickets import AGENT, CUSTOMER, reply

WITH_NEXT = policy({FIRST: 120, NEXT: 30, LAST: 480})


def test_a_ticket_begins_with_its_first_response_and_its_resolution() -> None:
    one = life()
    assert one.states() == {"FIRST_RESPONSE 1": "RUNNING", "RESOLUTION 1": "RUNNING"}
    assert (one.clock(FIRST).deadline_at, one.clock(LAST).deadline_at) == (when("10:00"), when("17:00"))
    dues = [(d.kind, d.cycle, d.due_at) for d in one.decisions[0].deadlines]
    assert dues == [("FIRST_RESPONSE", 1, when("10:00")), ("RESOLUTION", 1, when("17:00"))]


def test_a14_deadlines_are_local_to_the_customers_account() -> None:
    nine_to_five = policy({FIRST: 120}, OFFICE)
    at = when("20:00")
    for home, due in (("America/Los_Angeles", when("22:00")), ("Australia/Sydney", when("00:00", 1))):
        one = Life.begun(terms(nine_to_five, home), at)
        assert one.clock(FIRST).deadline_at == due, home


def test_a21_each_clock_counts_on_its_own_calendar() -> None:
    one = life(policy({FIRST: 60, LAST: 600}, {FIRST: ALWAYS, LAST: OFFICE}), "16:30")
    assert one.clock(FIRST).deadline_at == when("17:30")
    assert one.clock(LAST).deadline_at == when("10:30", 2)


def test_c1_a_pause_that_overlaps_no_business_time_moves_nothing() -> None:
    one = life(policy({LAST: 480}, OFFICE))
    one.move(Status.PENDING_CUSTOMER, when("17:00"))
    one.ask(when("09:00", 1))
    assert one.clock(LAST).deadline_at == when("09:00", 1)
    assert one.clock(LAST).left == timedelta(0)


def test_c2_a_pause_counts_where_it_overlaps_business_time() -> None:
    one = life(policy({LAST: 480}, OFFICE))
    one.move(Status.PENDING_CUSTOMER, when("16:00"))
    one.ask(when("10:00", 1))
    assert one.clock(LAST).deadline_at == when("11:00", 1)


def test_c4_a_deadline_that_resumes_past_closing_rolls_to_the_next_opening() -> None:
    one = life(policy({LAST: 480}, OFFICE), "13:00")
    one.move(Status.PENDING_CUSTOMER, when("14:00"))
    one.ask(when("16:00"))
    assert one.clock(LAST).deadline_at == when("15:00", 1)
    assert one.clock(LAST).at_risk_at == when("13:00", 1)


def test_c6_a_pause_ends_where_waiting_for_the_customer_does() -> None:
    one = life()
    one.move(Status.PENDING_CUSTOMER, when("10:00"))
    one.move(Status.PENDING_INTERNAL, when("11:00"))
    one.move(Status.IN_PROGRESS, when("13:00"))
    assert one.clock(LAST).deadline_at == when("18:00")


def test_c7_a_pause_at_the_very_deadline_wins() -> None:
    one = life()
    one.answer(when("09:10"))
    one.move(Status.PENDING_CUSTOMER, when("17:00"))
    assert one.states()["RESOLUTION 1"] == "PAUSED"
    one.wake(when("18:00"))
    one.ask(when("19:00"))
    assert one.states()["RESOLUTION 1"] == "RUNNING"
    one.wake(when("19:00"))
    assert (one.clock(LAST).state, one.clock(LAST).breached_at) == (ClockState.BREACHED, when("19:00"))


def test_c7_a_resolution_at_the_instant_of_the_resumption_keeps_the_promise() -> None:
    one = life()
    one.move(Status.PENDING_CUSTOMER, when("17:00"))
    one.ask(when("19:00"))
    one.move(Status.RESOLVED, when("19:00"))
    assert one.states()["RESOLUTION 1"] == "MET"


def test_c8_a_pause_within_a_holiday_leaves_what_was_left() -> None:
    closed = {"holidays": ({"date": "2026-03-03", "windows": ()},)}
    calendars = {**CALENDARS, OFFICE: CALENDARS[OFFICE] | closed}
    one = life(policy({LAST: 480}, OFFICE, calendars=calendars), "13:00")
    one.move(Status.PENDING_CUSTOMER, when("10:00", 1))
    one.ask(when("15:00", 1))
    assert one.clock(LAST).deadline_at == when("13:00", 2)


def test_c9_a_reply_at_the_very_deadline_keeps_the_promise() -> None:
    one = life()
    decision = one.answer(when("10:00"))
    assert one.states()["FIRST_RESPONSE 1"] == "MET"
    assert ("FIRST_RESPONSE", 1, "MET", when("10:00")) in [
        (s.kind, s.cycle, s.state, s.settled_at) for s in decision.settled
    ]


def test_c10_a_reply_made_in_time_but_known_late_annuls_the_breach() -> None:
    one = life(policy({FIRST: 60, LAST: 480}, rules=[at_percent(100)]))
    one.live(when("10:00"))
    assert one.states()["FIRST_RESPONSE 1"] == "BREACHED"
    decision = one.answer(when("10:01:10"), by=LEAD, occurred_at=when("09:59:50"), reason="It came by mail.")
    clock = one.clock(FIRST)
    assert (clock.state, clock.met_at, clock.breached_at) == (ClockState.ANNULLED, when("09:59:50"), when("10:00"))
    assert [s.state for s in decision.settled if s.kind == "FIRST_RESPONSE"] == ["MET"]
    assert [template for template, _, _ in one.told()] == ["sla_breached", "sla_annulled"]
    assert one.announced("sla_annulled") == 1


def test_c10_before_anybody_noticed_there_is_no_breach_at_all() -> None:
    one = life(policy({FIRST: 60, LAST: 480}, rules=[at_percent(100)]))
    one.answer(when("10:01:10"), by=LEAD, occurred_at=when("09:59:50"), reason="It came by mail.")
    assert one.states()["FIRST_RESPONSE 1"] == "MET"
    assert one.told() == []
    assert one.announced("sla_breached") == 0


def test_a_reply_made_after_the_deadline_annuls_nothing() -> None:
    one = life()
    one.live(when("10:00"))
    one.answer(when("10:30"), by=LEAD, occurred_at=when("10:00:01"), reason="It came by mail.")
    assert (one.clock(FIRST).state, one.clock(FIRST).met_at) == (ClockState.BREACHED, when("10:00:01"))


def test_c12_reopening_goes_on_with_what_was_left() -> None:
    one = life(policy({LAST: 240}))
    one.move(Status.RESOLVED, when("12:00"))
    one.ask(when("12:00", 2))
    clock = one.clock(LAST)
    assert (clock.cycle, clock.state, clock.deadline_at) == (1, ClockState.RUNNING, when("13:00", 2))
    assert [run.until for run in clock.runs] == [when("12:00")]


def test_c13_c14_after_a_breach_reopening_begins_a_new_cycle() -> None:
    one = life(policy({LAST: 240}))
    one.live(when("13:00"))
    one.move(Status.RESOLVED, when("14:00"))
    assert one.clock(LAST).spent == timedelta(hours=5)
    decision = one.ask(when("15:00", 1))
    assert one.states() == {"RESOLUTION 2": "RUNNING"}
    assert one.clock(LAST).deadline_at == when("19:00", 1)
    assert [clock["cycle"] for clock in decision.changes["clocks"].after] == [2]


def test_c16_a_thank_you_before_the_resolution_is_no_miss() -> None:
    one = life(WITH_NEXT)
    one.answer(when("09:10"))
    one.ask(when("09:20"))
    one.move(Status.RESOLVED, when("09:30"))
    assert one.states()["NEXT_RESPONSE 1"] == "CANCELLED"


def test_c17_a_silent_customer_escalates_nothing() -> None:
    one = life(policy({FIRST: 60, NEXT: 30}, rules=[at_percent(50), at_percent(100)]))
    one.answer(when("09:10"))
    one.live(when("09:00", 2))
    assert one.told() == []


def test_c18_before_the_first_response_no_next_one_is_owed() -> None:
    one = life(WITH_NEXT)
    one.ask(when("09:10"))
    assert one.ticket.clock(NEXT) is None
    assert min(d.due_at for d in one.decisions[-1].deadlines) == when("11:00")


def test_c19_the_first_reply_clears_the_first_response() -> None:
    one = life(WITH_NEXT)
    decision = one.answer(when("09:10"))
    assert {d.kind for d in decision.deadlines} == {"RESOLUTION"}
    again = one.answer(when("09:20"))
    assert "clocks" not in again.changes


def test_c20_a_reply_of_any_channel_reopens_and_owes_an_answer() -> None:
    one = life(WITH_NEXT)
    one.move(Status.RESOLVED, when("09:30"))
    one.ask(when("10:00"))
    assert one.ticket.status is Status.OPEN
    assert one.clock(NEXT).deadline_at == when("10:30")


def test_c22_waiting_for_the_customer_is_no_response() -> None:
    one = life()
    one.move(Status.PENDING_CUSTOMER, when("09:10"))
    assert one.states() == {"FIRST_RESPONSE 1": "RUNNING", "RESOLUTION 1": "PAUSED"}
    assert one.ticket.first_response_at is None


@pytest.mark.parametrize(("command", "by"), [(reply(internal=True), AGENT), (reply(), CUSTOMER)])
def test_c23_internal_notes_and_customers_satisfy_nothing(command: object, by: object) -> None:
    one = life()
    one.do(command, when("09:10"), by=by)  # type: ignore[arg-type]
    assert one.states()["FIRST_RESPONSE 1"] == "RUNNING"


def test_c21_an_automatic_reply_satisfies_nothing_and_a_persons_does() -> None:
    one = life()
    one.do(reply(), when("09:10"), by=Actor())
    assert (one.states()["FIRST_RESPONSE 1"], one.ticket.first_response_at) == ("RUNNING", None)
    one.answer(when("09:20"))
    assert one.clock(FIRST).met_at == when("09:20")


def test_a16_a_ticket_raised_on_a_holiday_is_raised_outside_hours() -> None:
    closed = {"holidays": ({"date": "2026-03-02", "windows": ()},)}
    calendars = {**CALENDARS, OFFICE: CALENDARS[OFFICE] | closed}
    one = life(policy({FIRST: 60}, OFFICE, calendars=calendars), "10:00")
    told = explain(one.clock(FIRST), one.terms.tables, "Office", when("10:30"))
    assert told.started_outside_hours
    assert [(segment.state, segment.seconds) for segment in told.segments] == [("CLOSED", 1800)]
    assert one.clock(FIRST).deadline_at == when("10:00", 1)


def test_d3_more_messages_move_no_clock_that_is_owed_already() -> None:
    one = life(policy({FIRST: 60, NEXT: 30}, rules=[at_percent(100)]))
    one.answer(when("09:10"))
    one.ask(when("09:20"))
    one.live(when("09:50"))
    for minute in range(51, 56):
        one.ask(when(f"09:{minute}"))
    assert one.states()["NEXT_RESPONSE 1"] == "BREACHED"
    assert len(one.told()) == 1


def test_d2_a_second_wait_that_breaks_is_told_again() -> None:
    one = life(policy({FIRST: 60, NEXT: 30}, rules=[at_percent(100)]))
    one.answer(when("09:05"))
    for hour in ("10", "15"):
        one.ask(when(f"{hour}:00"))
        one.live(when(f"{hour}:30"))
        one.answer(when(f"{hour}:45"))
    assert one.states()["NEXT_RESPONSE 2"] == "BREACHED"
    assert [rung.split("/")[1:3] for _, _, rung in one.told() if rung] == [
        ["NEXT_RESPONSE", "1"],
        ["NEXT_RESPONSE", "2"],
    ]


def test_resolving_answers_the_first_response_too() -> None:
    one = life()
    one.move(Status.RESOLVED, when("09:30"))
    assert one.states() == {"FIRST_RESPONSE 1": "MET", "RESOLUTION 1": "MET"}


def test_cancelling_cancels_what_runs_and_keeps_what_broke() -> None:
    one = life()
    one.live(when("10:00"))
    decision = one.move(Status.CANCELLED, when("11:00"))
    assert one.states() == {"FIRST_RESPONSE 1": "BREACHED", "RESOLUTION 1": "CANCELLED"}
    assert one.clock(FIRST).ended_at == when("11:00")
    assert [(s.kind, s.state) for s in decision.settled] == [("RESOLUTION", "CANCELLED")]


def test_a_worker_that_was_away_records_each_deadline_at_its_own_instant() -> None:
    one = life()
    decision = one.wake(when("18:30"))
    broken = {clock.kind: (clock.breached_at, clock.detected_at) for clock in one.ticket.clocks}
    assert broken == {FIRST: (when("10:00"), when("18:30")), LAST: (when("17:00"), when("18:30"))}
    assert [(s.kind, s.state, s.settled_at) for s in decision.settled] == [
        ("FIRST_RESPONSE", "MISSED", when("10:00")),
        ("RESOLUTION", "MISSED", when("17:00")),
    ]
