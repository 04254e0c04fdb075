"""What comments do: customers who answer, staff who respond, and the grace in which a resolution can be taken back."""

from datetime import timedelta

import pytest

from domain.process import Forbidden, Invalid
from domain.tickets.lifecycle import IllegalTransition, TicketFinal
from domain.tickets.model import Policy, Status
from tests.domain.tickets import AGENT, CUSTOMER, OFF, SOMEBODY, START, after, move, reply, settled, ticket, told

DAY = timedelta(days=1)
WORKING = (Status.NEW, Status.OPEN, Status.IN_PROGRESS, Status.PENDING_INTERNAL)


@pytest.mark.parametrize("at", [Status.PENDING_CUSTOMER, Status.RESOLVED])
def test_a_customers_reply_opens_what_waited_for_it_or_was_resolved(at: Status) -> None:
    assert after(reply(), ticket(at), START + DAY, by=CUSTOMER).state.status is Status.OPEN


@pytest.mark.parametrize("at", WORKING)
def test_a_customers_reply_moves_nothing_else(at: Status) -> None:
    assert after(reply(), ticket(at), by=CUSTOMER).state.status is at


@pytest.mark.parametrize("at", [*WORKING, Status.PENDING_CUSTOMER, Status.RESOLVED])
def test_the_staffs_own_reply_moves_nothing(at: Status) -> None:
    assert after(reply(), ticket(at)).state.status is at
    assert after(reply(internal=True), ticket(at)).state.status is at


def test_a_reopened_ticket_counts_it_and_is_no_longer_resolved() -> None:
    state = after(reply(), ticket(Status.RESOLVED), START + DAY, by=CUSTOMER).state
    assert (state.reopens, state.resolved_at, state.resolutions) == (1, None, 1)


def test_a_reply_before_the_end_of_the_grace_reopens() -> None:
    at = START + timedelta(days=7) - timedelta(microseconds=1)
    assert after(reply(), ticket(Status.RESOLVED), at, by=CUSTOMER).state.status is Status.OPEN


def test_a_reply_at_the_very_end_of_the_grace_goes_first() -> None:
    decision = after(reply(), ticket(Status.RESOLVED), START + timedelta(days=7), by=CUSTOMER)
    assert decision.state.status is Status.OPEN
    assert decision.deadlines == ()


def test_a_reply_after_the_grace_finds_the_ticket_closed_although_nobody_woke_it() -> None:
    at = START + timedelta(days=7, microseconds=1)
    with pytest.raises(TicketFinal):
        after(reply(), ticket(Status.RESOLVED), at, by=CUSTOMER)


def test_a_reply_received_in_time_and_decided_late_reopens() -> None:
    at = START + timedelta(days=7) - timedelta(seconds=1)
    decision = after(reply(), ticket(Status.RESOLVED), at, by=CUSTOMER, late=timedelta(seconds=9))
    assert decision.state.status is Status.OPEN
    assert decision.state.status_since == at


def test_the_tenants_own_grace_rules() -> None:
    policy = Policy(reopen_grace=2 * DAY)
    assert after(reply(), ticket(Status.RESOLVED), START + DAY, by=CUSTOMER, policy=policy).state.reopens == 1
    with pytest.raises(TicketFinal):
        after(reply(), ticket(Status.RESOLVED), START + 10 * DAY, by=CUSTOMER, policy=policy)


def test_a_reply_before_the_reminder_meets_both_promises_at_its_own_instant() -> None:
    at = START + DAY
    decision = after(reply(), ticket(Status.PENDING_CUSTOMER), at, by=CUSTOMER)
    assert settled(decision) == [("CUSTOMER_REMINDER", 1, "MET", at), ("AUTO_RESOLVE", 1, "MET", at)]


def test_a_reply_after_the_reminder_meets_what_was_left() -> None:
    at = START + 4 * DAY
    waiting = ticket(Status.PENDING_CUSTOMER, reminded=True)
    assert settled(after(reply(), waiting, at, by=CUSTOMER)) == [("AUTO_RESOLVE", 1, "MET", at)]


def test_promises_that_the_tenant_never_made_are_not_met() -> None:
    policy = Policy(remind_after=OFF, resolve_after=OFF)
    assert settled(after(reply(), ticket(Status.PENDING_CUSTOMER), START + DAY, by=CUSTOMER, policy=policy)) == []


def test_a_customers_reply_is_told_to_the_assignee() -> None:
    decision = after(reply(), ticket(assignee_id=SOMEBODY), by=CUSTOMER)
    assert told(decision) == [("customer_replied", str(SOMEBODY))]


def test_a_public_reply_is_told_to_the_customer_and_an_internal_note_is_not() -> None:
    assert told(after(reply(), ticket())) == [("ticket_reply", CUSTOMER.email)]
    assert told(after(reply(internal=True), ticket())) == []


def test_the_first_public_reply_is_the_first_response_and_stays_it() -> None:
    first = after(reply(), ticket(), START + DAY).state
    assert first.first_response_at == START + DAY
    assert after(reply(), first, START + 2 * DAY).state.first_response_at == START + DAY


def test_neither_a_note_nor_a_move_nor_the_customer_responds() -> None:
    assert after(reply(internal=True), ticket()).state.first_response_at is None
    assert after(move(Status.PENDING_CUSTOMER), ticket()).state.first_response_at is None
    assert after(reply(), ticket(), by=CUSTOMER).state.first_response_at is None


def test_resolving_without_a_word_counts_as_the_response() -> None:
    assert after(move(Status.RESOLVED), ticket(), START + DAY).state.first_response_at == START + DAY


def test_a_reply_may_move_the_ticket_in_the_same_decision() -> None:
    decision = after(reply(status=Status.PENDING_CUSTOMER), ticket())
    assert decision.state.status is Status.PENDING_CUSTOMER
    assert {deadline.kind for deadline in decision.deadlines} == {"CUSTOMER_REMINDER", "AUTO_RESOLVE"}


def test_a_reply_with_an_illegal_move_is_refused_as_a_whole() -> None:
    with pytest.raises(IllegalTransition):
        after(reply(status=Status.CLOSED), ticket())


def test_resolving_with_a_reply_tells_the_customer_both() -> None:
    decision = after(reply(status=Status.RESOLVED), ticket())
    assert [template for template, _ in told(decision)] == ["ticket_reply", "ticket_resolved"]


@pytest.mark.parametrize("extra", [{"internal": True}, {"status": Status.CLOSED}, {"occurred_at": START}], ids=str)
def test_a_customer_only_writes_public_comments(extra: dict[str, object]) -> None:
    with pytest.raises(Forbidden):
        after(reply(**extra), ticket(Status.RESOLVED), by=CUSTOMER)


def test_a_dated_reply_responds_at_its_date() -> None:
    state = after(reply(occurred_at=START + DAY, reason="by phone"), ticket(), START + 2 * DAY).state
    assert state.first_response_at == START + DAY


@pytest.mark.parametrize("when", [START - timedelta(seconds=1), START + 2 * DAY + timedelta(seconds=1)], ids=str)
def test_a_reply_is_dated_neither_before_the_ticket_nor_after_now(when: object) -> None:
    with pytest.raises(Invalid) as refused:
        after(reply(occurred_at=when, reason="by phone"), ticket(), START + 2 * DAY)
    assert [error["pointer"] for error in refused.value.extra["errors"]] == ["/occurredAt"]


def test_a_comment_alone_moves_no_version_and_is_seen_in_the_update_time() -> None:
    decision = after(reply(), ticket(), START + DAY, by=AGENT)
    assert (decision.state.version, decision.changes) == (1, {})
    assert decision.state.updated_at == START + DAY
