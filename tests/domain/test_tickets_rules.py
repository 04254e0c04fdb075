"""Rules that act on a ticket's clocks: told once, never before what fell due earlier, and never over time that did not count."""

from datetime import timedelta
from uuid import UUID

from domain.process import DeadlineState
from domain.sla.clocks import Cause, ClockState, elapsed
from domain.sla.escalation import ClockMinutes, Notify, Raise, Reassign, Rule, Silence, loop
from domain.tickets.model import Severity, Status
from tests.domain.promises import FIRST, LAST, LEAD, NEXT, Life, at_percent, policy, terms, when
from tests.domain.tickets import AGENT

ONE, TWO = UUID(int=11), UUID(int=12)


def rule(trigger: object, *actions: object) -> Rule:
    return Rule.model_validate({"id": UUID(int=1), "name": "R", "trigger": trigger, "actions": actions})


def test_whoever_is_meant_twice_by_one_rule_is_told_once() -> None:
    both = at_percent(100, Notify(to="ASSIGNEE"), Notify(to="USER", id=AGENT.id))
    one = Life.begun(terms(policy({LAST: 60}, rules=[both])), when("09:00"), assignee_id=AGENT.id)
    notices = [(n.rung, n.template, n.recipient, n.channel) for n in one.wake(when("10:00")).notices]
    assert len(notices) == len(set(notices)) == 1


def test_a_rung_of_one_clock_waits_for_the_deadlines_of_the_others() -> None:
    raising = rule(ClockMinutes(clock=FIRST, minutes=30), Raise(severity=Severity.SEV1))
    loose = {FIRST: 20, LAST: 500}
    targets = {each: {FIRST: 20, LAST: 30} for each in Severity} | {Severity.SEV1: loose}
    of = terms(policy(targets, rules=[at_percent(50), raising]))
    punctual, late = Life.begun(of, when("09:00")), Life.begun(of, when("09:00"))
    punctual.live(when("10:00"))
    late.wake(when("10:00"))
    for one in (punctual, late):
        assert (one.clock(LAST).state, one.clock(LAST).breached_at) == (ClockState.BREACHED, when("09:30"))
        assert one.clock(LAST).cause is Cause.DEADLINE


def test_a_rule_that_fires_late_counts_no_pause_as_run() -> None:
    raising = rule(Silence(minutes=60), Raise(severity=Severity.SEV1))
    of = terms(policy({each: {LAST: 480} for each in Severity} | {Severity.SEV1: {LAST: 240}}, rules=[raising]))
    one = Life.begun(of, when("09:00"), assignee_id=AGENT.id)
    one.move(Status.PENDING_CUSTOMER, when("09:10"))
    one.ask(when("09:00", 2))
    one.live(when("11:00", 2))
    assert elapsed(one.clock(LAST), when("11:00", 2), of.tables) == timedelta(minutes=130)
    assert one.clock(LAST).state is ClockState.RUNNING


def test_the_silence_of_an_assignee_begins_when_it_is_their_turn_again() -> None:
    of = terms(policy({LAST: 480}, rules=[rule(Silence(minutes=60), Notify(to="TEAM_LEAD"))]))
    one = Life.begun(of, when("09:00"), assignee_id=AGENT.id)
    one.move(Status.PENDING_CUSTOMER, when("09:10"))
    asked = one.ask(when("09:00", 2))
    assert [d.due_at for d in asked.deadlines if d.kind == "ESCALATION"] == [when("10:00", 2)]


def test_a_rule_that_hands_a_silent_ticket_from_one_to_another_goes_round_alone() -> None:
    alone = rule(Silence(minutes=60), Reassign(assignee_id=ONE), Reassign(assignee_id=TWO))
    assert loop([alone]) == [alone]


def test_a_severity_without_a_promise_in_between_gives_no_time_back() -> None:
    of = terms(policy({Severity.SEV3: {LAST: 240}}))
    one = Life.begun(of, when("09:00"), severity=Severity.SEV3)
    one.change(when("12:55"), severity=Severity.SEV4)
    one.change(when("12:56"), severity=Severity.SEV3)
    assert one.clock(LAST).deadline_at is not None
    assert one.clock(LAST).deadline_at <= when("13:01")


def test_a_question_keeps_its_promise_through_a_severity_without_one() -> None:
    of = terms(policy({Severity.SEV3: {NEXT: 60}}))
    one = Life.begun(of, when("09:00"), severity=Severity.SEV3)
    one.answer(when("09:05"))
    one.ask(when("09:10"))
    one.change(when("09:40"), severity=Severity.SEV4)
    one.change(when("09:50"), severity=Severity.SEV3)
    assert one.clock(NEXT).deadline_at == when("10:20")
    one.answer(when("10:00"))
    one.change(when("10:05"), severity=Severity.SEV4)
    one.change(when("10:06"), severity=Severity.SEV3)
    assert one.clock(NEXT).state is ClockState.MET


def test_a_promise_taken_up_again_with_no_time_left_is_broken_by_the_change() -> None:
    short = {Severity.SEV2: {LAST: 60}, Severity.SEV3: {LAST: 240}}
    one = Life.begun(terms(policy(short)), when("09:00"), severity=Severity.SEV3)
    one.change(when("11:00"), severity=Severity.SEV4)
    decision = one.change(when("11:30"), severity=Severity.SEV2)
    assert (one.clock(LAST).breached_at, one.clock(LAST).cause) == (when("11:30"), Cause.POLICY_CHANGE)
    assert [each.type for each in decision.announcements].count("ticket.sla_breached") == 1


def test_a_reply_dated_before_the_customers_last_question_does_not_answer_it() -> None:
    of = terms(policy({FIRST: 30, NEXT: 30, LAST: 480}))
    one = Life.begun(of, when("09:00"))
    one.answer(when("09:05"))
    one.ask(when("09:10"))
    one.ask(when("09:20"))
    decision = one.answer(when("09:25"), by=LEAD, occurred_at=when("09:15"), reason="It came by mail.")
    due = [d.due_at for d in decision.deadlines if d.kind == NEXT and d.state is DeadlineState.ARMED]
    assert due == [when("09:50")]
