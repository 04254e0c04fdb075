"""What falls due, when, in which order, and what a late worker makes of it."""

from datetime import datetime, timedelta

import pytest

from domain.process import Wake
from domain.tickets.commands import ChangeTicket
from domain.tickets.lifecycle import TicketFinal
from domain.tickets.model import Policy, Status
from tests.domain.tickets import (
    CUSTOMER,
    OFF,
    SOMEBODY,
    START,
    after,
    creation,
    move,
    open_promises,
    reply,
    settled,
    ticket,
    told,
)

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
REMIND, RESOLVE, CLOSE = START + 3 * DAY, START + 10 * DAY, START + 17 * DAY


def test_waiting_for_the_customer_promises_a_reminder_and_then_a_resolution() -> None:
    promised = open_promises(ticket(Status.PENDING_CUSTOMER, assignee_id=SOMEBODY))
    assert {kind: deadline.due_at for kind, deadline in promised.items()} == {
        "CUSTOMER_REMINDER": REMIND,
        "AUTO_RESOLVE": RESOLVE,
    }
    assert {deadline.owner_id for deadline in promised.values()} == {SOMEBODY}


def test_a_resolution_promises_to_close_at_the_end_of_the_grace() -> None:
    promised = open_promises(ticket(Status.RESOLVED))
    assert {kind: deadline.due_at for kind, deadline in promised.items()} == {"AUTO_CLOSE": START + 7 * DAY}


@pytest.mark.parametrize("at", [s for s in Status if s not in (Status.PENDING_CUSTOMER, Status.RESOLVED)])
def test_no_other_status_promises_anything(at: Status) -> None:
    assert open_promises(ticket(at)) == {}


def test_a_new_ticket_promises_nothing() -> None:
    assert after(creation()).deadlines == ()


@pytest.mark.parametrize(
    ("policy", "kinds"),
    [
        (Policy(remind_after=OFF), {"AUTO_RESOLVE"}),
        (Policy(resolve_after=OFF), {"CUSTOMER_REMINDER"}),
        (Policy(remind_after=OFF, resolve_after=OFF), set()),
    ],
)
def test_zero_turns_a_promise_off(policy: Policy, kinds: set[str]) -> None:
    assert open_promises(ticket(Status.PENDING_CUSTOMER), policy).keys() == kinds


def test_without_reminders_the_resolution_counts_from_the_beginning_of_the_wait() -> None:
    promised = open_promises(ticket(Status.PENDING_CUSTOMER), Policy(remind_after=OFF))
    assert promised["AUTO_RESOLVE"].due_at == START + 7 * DAY


def test_the_reminder_goes_out_once_at_its_instant() -> None:
    early = after(Wake(), ticket(Status.PENDING_CUSTOMER), REMIND - TICK)
    assert (early.state, told(early)) == (ticket(Status.PENDING_CUSTOMER), [])
    decision = after(Wake(), early.state, REMIND)
    assert told(decision) == [("customer_reminder", CUSTOMER.email)]
    assert settled(decision) == [("CUSTOMER_REMINDER", 1, "FIRED", REMIND)]
    assert [deadline.kind for deadline in decision.deadlines] == ["AUTO_RESOLVE"]
    assert told(after(Wake(), decision.state, REMIND + DAY)) == []


def test_silence_resolves_at_its_instant_and_arms_the_closing() -> None:
    decision = after(Wake(), ticket(Status.PENDING_CUSTOMER, reminded=True), RESOLVE)
    assert (decision.state.status, decision.state.resolved_at) == (Status.RESOLVED, RESOLVE)
    assert told(decision) == [("ticket_resolved", CUSTOMER.email)]
    assert [(deadline.kind, deadline.due_at) for deadline in decision.deadlines] == [("AUTO_CLOSE", CLOSE)]


def test_the_end_of_the_grace_closes_for_ever() -> None:
    decision = after(Wake(), ticket(Status.RESOLVED), START + 7 * DAY)
    assert (decision.state.status, decision.state.closed_at) == (Status.CLOSED, START + 7 * DAY)
    assert (decision.final, decision.deadlines) == (True, ())


def test_a_late_worker_handles_everything_in_order_at_its_own_instant() -> None:
    decision = after(Wake(), ticket(Status.PENDING_CUSTOMER), CLOSE + 40 * DAY)
    assert settled(decision) == [
        ("CUSTOMER_REMINDER", 1, "FIRED", REMIND),
        ("AUTO_RESOLVE", 1, "FIRED", RESOLVE),
        ("AUTO_CLOSE", 1, "FIRED", CLOSE),
    ]
    state = decision.state
    assert (state.resolved_at, state.closed_at, state.status_since) == (RESOLVE, CLOSE, CLOSE)
    assert [template for template, _ in told(decision)] == ["customer_reminder", "ticket_resolved", "ticket_closed"]


def test_a_late_worker_and_a_punctual_one_end_in_the_same_state() -> None:
    late = after(Wake(), ticket(Status.PENDING_CUSTOMER), CLOSE).state
    punctual = ticket(Status.PENDING_CUSTOMER)
    for instant in (REMIND, RESOLVE, CLOSE):
        punctual = after(Wake(), punctual, instant).state
    assert late.model_copy(update={"version": punctual.version}) == punctual


@pytest.mark.parametrize("instant", [REMIND, RESOLVE])
def test_a_reply_at_the_very_deadline_goes_first(instant: datetime) -> None:
    waiting = ticket(Status.PENDING_CUSTOMER, reminded=instant is RESOLVE)
    decision = after(reply(), waiting, instant, by=CUSTOMER)
    assert "FIRED" not in {state for _, _, state, _ in settled(decision)}
    assert decision.state.status is Status.OPEN


def test_a_reply_after_the_reminder_finds_it_fired_although_the_worker_was_away() -> None:
    at = REMIND + DAY
    decision = after(reply(), ticket(Status.PENDING_CUSTOMER), at, by=CUSTOMER)
    assert settled(decision) == [("CUSTOMER_REMINDER", 1, "FIRED", REMIND), ("AUTO_RESOLVE", 1, "MET", at)]


def test_a_reply_after_the_silent_resolution_reopens_it() -> None:
    decision = after(reply(), ticket(Status.PENDING_CUSTOMER), RESOLVE + DAY, by=CUSTOMER)
    assert (decision.state.status, decision.state.reopens, decision.state.resolutions) == (Status.OPEN, 1, 1)


def test_a_change_after_the_grace_finds_the_ticket_closed() -> None:
    with pytest.raises(TicketFinal):
        after(ChangeTicket(subject="Too late"), ticket(Status.PENDING_CUSTOMER), CLOSE + TICK)


def test_each_wait_and_each_resolution_has_promises_of_its_own() -> None:
    state = ticket(Status.PENDING_CUSTOMER)
    state = after(move(Status.OPEN), state, START + DAY).state
    state = after(move(Status.PENDING_CUSTOMER), state, START + 2 * DAY).state
    assert {d.cycle for d in open_promises(state).values()} == {2}
    assert open_promises(state)["CUSTOMER_REMINDER"].due_at == START + 5 * DAY
    for _ in range(3):
        state = after(move(Status.RESOLVED), state, START + 3 * DAY).state
        cycle = open_promises(state)["AUTO_CLOSE"].cycle
        state = after(move(Status.OPEN), state, START + 3 * DAY).state
    assert cycle == 3


def test_a_second_wait_reminds_again() -> None:
    state = after(Wake(), ticket(Status.PENDING_CUSTOMER), REMIND).state
    state = after(reply(), state, REMIND + DAY, by=CUSTOMER).state
    state = after(move(Status.PENDING_CUSTOMER), state, REMIND + DAY).state
    decision = after(Wake(), state, REMIND + 4 * DAY)
    assert settled(decision) == [("CUSTOMER_REMINDER", 2, "FIRED", REMIND + 4 * DAY)]


def test_saying_pending_again_does_not_start_the_wait_anew() -> None:
    decision = after(move(Status.PENDING_CUSTOMER), ticket(Status.PENDING_CUSTOMER), START + DAY)
    assert decision.state.status_since == START
    assert open_promises(decision.state)["CUSTOMER_REMINDER"].due_at == REMIND


def test_a_shorter_policy_moves_what_is_armed_and_fires_what_it_leaves_behind() -> None:
    short = Policy(remind_after=DAY)
    decision = after(Wake(), ticket(Status.PENDING_CUSTOMER), START + 2 * DAY, policy=short)
    assert settled(decision) == [("CUSTOMER_REMINDER", 1, "FIRED", START + DAY)]
    assert [(d.kind, d.due_at) for d in decision.deadlines] == [("AUTO_RESOLVE", START + 8 * DAY)]


def test_a_longer_policy_moves_what_is_armed_and_fires_nothing() -> None:
    decision = after(Wake(), ticket(Status.PENDING_CUSTOMER), REMIND, policy=Policy(remind_after=5 * DAY))
    assert settled(decision) == []
    assert decision.deadlines[0].due_at == START + 5 * DAY


def test_a_promise_turned_off_is_gone_and_not_fired() -> None:
    decision = after(Wake(), ticket(Status.PENDING_CUSTOMER), REMIND, policy=Policy(remind_after=OFF))
    assert (settled(decision), told(decision)) == ([], [])
    assert [deadline.kind for deadline in decision.deadlines] == ["AUTO_RESOLVE"]


def test_a_new_assignee_owes_what_is_open() -> None:
    decision = after(ChangeTicket(assignee_id=SOMEBODY), ticket(Status.PENDING_CUSTOMER))
    assert {deadline.owner_id for deadline in decision.deadlines} == {SOMEBODY}
