"""D15 of the reference: a merge keeps the older wait, so no promise is longer for it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from domain.process import Decision
from domain.sla.clocks import Cause, ClockState
from domain.tickets.commands import Absorb, AdjustClock, ClockAction, Merge
from domain.tickets.merging import first_wait_of, left_behind
from domain.tickets.model import Severity, Status, Ticket
from domain.tickets.surroundings import Target, Terms
from tests.domain.promises import (
    ALWAYS,
    FIRST,
    LAST,
    LEAD,
    NEXT,
    OFFICE,
    USUAL,
    Life,
    Minutes,
    at_percent,
    life,
    policy,
    terms,
    when,
)

ABOVE = UUID(int=0x99)


def into(target: Life, source: Life, at: datetime) -> Decision[Ticket]:
    """The target after the source was merged into it."""
    there = Target(id=ABOVE, number=7, status=target.ticket.status, customer_email=target.ticket.customer_email)
    merged = source.do(Merge(into_id=ABOVE), at, target=there.model_copy(update={"account_id": UUID(int=0xACC)}))
    command = left_behind(merged.state).model_copy(update={"source_id": UUID(int=len(target.decisions))})
    return target.do(Absorb.model_validate_json(command.model_dump_json()), at)


def test_d15_the_first_response_counts_from_the_older_wait() -> None:
    source, target = life(), life(at="09:50")
    decision = into(target, source, when("09:55"))
    clock = target.clock(FIRST)
    assert (clock.cycle, clock.started_at, clock.deadline_at) == (1, when("09:00"), when("10:00"))
    assert {each.kind: each.due_at for each in decision.deadlines}["FIRST_RESPONSE"] == when("10:00")
    assert target.clock(LAST).deadline_at == when("17:50")
    target.live(when("10:30"))
    clock = target.clock(FIRST)
    assert (clock.state, clock.breached_at, clock.cause) == (ClockState.BREACHED, when("10:00"), Cause.DEADLINE)


def test_d15_a_reply_by_the_older_deadline_keeps_the_promise() -> None:
    source, target = life(), life(at="09:50")
    into(target, source, when("09:55"))
    target.answer(when("10:00"))
    assert target.states()["FIRST_RESPONSE 1"] == "MET"


@pytest.mark.parametrize(("merged", "opened"), [("10:05", "09:50"), ("10:40", "10:30")])
def test_d15_a_deadline_that_has_passed_is_broken_when_it_was_due(merged: str, opened: str) -> None:
    rules = [at_percent(percent) for percent in (50, 75, 100)]
    promises = policy({FIRST: 60}, rules=rules)
    source, target = life(promises), life(promises, opened)
    into(target, source, when(merged))
    clock = target.clock(FIRST)
    assert (clock.state, clock.cause) == (ClockState.BREACHED, Cause.POLICY_CHANGE)
    assert (clock.deadline_at, clock.breached_at, clock.detected_at) == (when("10:00"), when("10:00"), when(merged))
    assert target.announced("sla_breached") == 1
    target.live(when("12:00"))
    assert [template for template, _, _ in target.told()] == ["sla_breached"]
    assert target.states() == {"FIRST_RESPONSE 1": "BREACHED"}


def test_d15_of_the_rungs_that_lie_behind_only_the_highest_is_told() -> None:
    promises = policy({FIRST: 60}, rules=[at_percent(percent) for percent in (25, 50, 75, 100)])
    source, target = life(promises), life(promises, "09:50")
    into(target, source, when("09:55"))
    target.live(when("09:59"))
    assert [(template, rung) for template, _, rung in target.told()] == [
        ("sla_warning", f"{UUID(int=75)}/FIRST_RESPONSE/1/1")
    ]


def test_d15_it_counts_by_the_targets_own_definition_and_calendar() -> None:
    targets: Mapping[Severity, Minutes] = {Severity.SEV3: {FIRST: 60}, Severity.SEV1: {FIRST: 30}}
    source = life(policy(targets, ALWAYS), "08:00")
    target = life(policy(targets, OFFICE), "09:10", severity=Severity.SEV1)
    into(target, source, when("09:15"))
    clock = target.clock(FIRST)
    assert (clock.started_at, clock.deadline_at, clock.target.minutes) == (when("08:00"), when("09:30"), 30)


def answered() -> Life:
    one = life()
    one.answer(when("09:10"))
    one.ask(when("09:20"))
    return one


def resolved() -> Life:
    one = life()
    one.move(Status.RESOLVED, when("09:20"))
    one.move(Status.OPEN, when("09:30"))
    return one


def waived() -> Life:
    one = life()
    one.do(AdjustClock(kind=FIRST, action=ClockAction.WAIVE, reason="Agreed"), when("09:10"), by=LEAD)
    return one


@pytest.mark.parametrize(
    "source", [answered(), resolved(), waived(), life(at="09:52")], ids=["answered", "resolved", "waived", "younger"]
)
def test_d15_a_source_whose_first_wait_is_over_or_younger_changes_nothing(source: Life) -> None:
    target = life(at="09:50")
    before = target.ticket.clocks
    into(target, source, when("09:55"))
    assert target.ticket.clocks == before


def test_d15_a_target_whose_promise_was_given_up_or_broken_stays_so() -> None:
    given_up, broken = life(at="09:50"), life(at="09:50")
    given_up.do(AdjustClock(kind=FIRST, action=ClockAction.WAIVE, reason="Agreed"), when("09:51"), by=LEAD)
    broken.live(when("10:50"))
    for target in (given_up, broken):
        before = target.clock(FIRST)
        into(target, life(), when("10:55"))
        assert target.clock(FIRST) == before


def test_d15_what_an_earlier_release_hands_on_moves_no_clock() -> None:
    target = life(at="09:50")
    before = target.ticket.clocks
    target.do(Absorb(source_id=ABOVE, source_number=7, unanswered=(when("09:00"),)), when("09:55"))
    assert target.ticket.clocks == before


def test_d15_the_oldest_wait_goes_through_a_chain_of_merges() -> None:
    first, second, third = life(), life(at="09:20"), life(at="09:50")
    into(second, first, when("09:25"))
    into(third, second, when("09:55"))
    assert third.clock(FIRST).deadline_at == when("10:00")


def test_d15_a_pause_by_hand_stays() -> None:
    target = life(at="09:10")
    for verb, at in ((ClockAction.PAUSE, "09:20"), (ClockAction.RESUME, "09:30"), (ClockAction.PAUSE, "09:40")):
        target.do(AdjustClock(kind=FIRST, action=verb, reason="Agreed"), when(at), by=LEAD)
    into(target, life(), when("09:45"))
    clock = target.clock(FIRST)
    assert (clock.state, clock.deadline_at, clock.spent) == (ClockState.PAUSED, None, timedelta(minutes=30))
    target.do(AdjustClock(kind=FIRST, action=ClockAction.RESUME, reason="Agreed"), when("09:50"), by=LEAD)
    assert target.clock(FIRST).deadline_at == when("10:20")


def test_d15_what_a_promise_had_counted_before_it_was_made_again_is_not_counted_twice() -> None:
    target = life(policy({Severity.SEV3: {FIRST: 60}, Severity.SEV4: {}}), "09:20")
    target.change(when("09:30"), severity=Severity.SEV4)
    target.change(when("09:40"), severity=Severity.SEV3)
    assert (target.clock(FIRST).cycle, target.clock(FIRST).deadline_at) == (2, when("10:30"))
    into(target, life(), when("09:50"))
    assert target.clock(FIRST).deadline_at == when("10:00")


def test_d15_an_imported_source_waits_since_it_was_taken_over() -> None:
    source = life().ticket.model_copy(update={"created_at": when("09:00") - timedelta(days=400)})
    assert first_wait_of(source) == when("09:00")


def test_d15_an_answer_found_later_that_was_in_time_annuls_the_breach() -> None:
    target = life(at="09:50")
    into(target, life(), when("10:05"))
    target.answer(when("10:10"), by=LEAD, occurred_at=when("09:58"), reason="Written on paper")
    assert target.states()["FIRST_RESPONSE 1"] == "ANNULLED"


def next_too() -> Terms:
    return terms(policy({FIRST: 60, NEXT: 120, LAST: 480}))


def test_d15_after_an_answer_the_older_wait_counts_for_the_next_response() -> None:
    source, target = life(), Life.begun(next_too(), when("08:00"))
    target.answer(when("08:30"))
    target.ask(when("09:30"))
    assert target.clock(NEXT).deadline_at == when("11:30")
    into(target, source, when("09:40"))
    assert (target.clock(NEXT).started_at, target.clock(NEXT).deadline_at) == (when("09:00"), when("11:00"))
    assert target.states()["FIRST_RESPONSE 1"] == "MET"


def test_d15_a_resolution_is_an_answer_so_a_wait_that_takes_it_back_is_for_the_next_one() -> None:
    source, target = life(), Life.begun(next_too(), when("08:00"))
    target.move(Status.RESOLVED, when("08:30"))
    into(target, source, when("09:40"))
    assert target.ticket.status is Status.OPEN
    assert (target.states()["FIRST_RESPONSE 1"], target.clock(NEXT).deadline_at) == ("MET", when("11:00"))


def test_d15_a_ticket_to_which_nothing_is_promised_hands_on_since_when_its_customer_waits() -> None:
    nothing = policy({Severity.SEV3: {LAST: 480}})
    second = life(nothing, "09:20")
    into(second, life(nothing), when("09:25"))
    target = life(USUAL, "09:50")
    into(target, second, when("09:55"))
    assert target.clock(FIRST).deadline_at == when("10:00")
