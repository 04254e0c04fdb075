"""Two tickets made one: D14, D15 and D17 of the reference, as far as rules go."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.process import Forbidden, Invalid, NotFound
from domain.tickets.commands import Absorb, Merge
from domain.tickets.lifecycle import TicketFinal
from domain.tickets.merging import MergeAcrossAccounts, MergeTargetFinal, left_behind, wait_of
from domain.tickets.model import Policy, Status
from domain.tickets.surroundings import Target
from tests.domain.tickets import (
    ACCOUNT,
    AGENT,
    CUSTOMER,
    SOMEBODY,
    START,
    STRANGER,
    TICKET_ID,
    after,
    reply,
    ticket,
    told,
)

OTHER = UUID(int=0x07)
MINUTE = timedelta(minutes=1)


def target(status: Status = Status.OPEN) -> Target:
    return Target(id=OTHER, number=7, status=status, customer_email=CUSTOMER.email)


@pytest.mark.parametrize("at", [status for status in Status if status not in (Status.CLOSED, Status.CANCELLED)])
def test_merging_closes_the_ticket_and_names_the_other(at: Status) -> None:
    decision = after(Merge(into_id=OTHER), ticket(at), target=target())
    assert (decision.state.status, decision.state.merged_into, decision.final) == (Status.CLOSED, OTHER, True)
    assert ("ticket_merged", CUSTOMER.email) in told(decision)
    assert decision.deadlines == ()
    assert decision.changes["merged_into"].after == str(OTHER)


@pytest.mark.parametrize("at", [Status.CLOSED, Status.CANCELLED])
def test_nothing_is_merged_out_of_or_into_a_ticket_that_is_over(at: Status) -> None:
    with pytest.raises(TicketFinal):
        after(Merge(into_id=OTHER), ticket(at), target=target())
    with pytest.raises(MergeTargetFinal):
        after(Merge(into_id=OTHER), ticket(), target=target(at))


def test_a_ticket_is_not_merged_into_itself_or_into_what_is_not_there() -> None:
    with pytest.raises(Invalid):
        after(Merge(into_id=TICKET_ID), ticket(), target=target())
    with pytest.raises(NotFound):
        after(Merge(into_id=OTHER), ticket(), target=None)


def test_customers_do_not_merge() -> None:
    with pytest.raises(Forbidden):
        after(Merge(into_id=OTHER), ticket(), by=CUSTOMER, target=target())


def test_a_customer_who_was_never_answered_waits_since_the_ticket_was_opened() -> None:
    assert wait_of(ticket()) == (START,)
    assert wait_of(ticket(unanswered=(START + MINUTE,))) == (START, START + MINUTE)
    assert wait_of(ticket(first_response_at=START)) == ()
    assert wait_of(ticket(first_response_at=START, unanswered=(START + MINUTE,))) == (START + MINUTE,)
    assert wait_of(ticket(Status.RESOLVED)) == ()


def test_the_other_ticket_takes_over_wait_and_listeners_and_its_assignee_hears_of_it() -> None:
    source = ticket(cc=("cc@shop.example",), watchers=(SOMEBODY,), customer_email=STRANGER.email)
    there = ticket(id=OTHER, assignee_id=SOMEBODY, first_response_at=START)
    decision = after(left_behind(source), there, START + MINUTE)
    state = decision.state
    assert state.merged_from == (TICKET_ID,)
    assert [link.target_id for link in state.links] == [TICKET_ID]
    assert state.cc == (STRANGER.email, "cc@shop.example")
    assert state.watchers == (SOMEBODY,)
    assert state.unanswered == (START,)
    assert ("ticket_absorbed", str(SOMEBODY)) in told(decision)


@pytest.mark.parametrize(
    ("one", "other"), [(ACCOUNT, SOMEBODY), (ACCOUNT, None), (None, ACCOUNT), (None, None)], ids=str
)
def test_only_tickets_of_one_account_or_of_one_person_are_merged(one: UUID | None, other: UUID | None) -> None:
    source = ticket(account_id=one)
    theirs = target().model_copy(update={"account_id": other, "customer_email": STRANGER.email})
    with pytest.raises(MergeAcrossAccounts):
        after(Merge(into_id=OTHER), source, target=theirs)
    own = theirs.model_copy(update={"customer_email": CUSTOMER.email.upper()})
    assert after(Merge(into_id=OTHER), source, target=own).state.merged_into == OTHER
    if one:
        colleague = theirs.model_copy(update={"account_id": one})
        assert after(Merge(into_id=OTHER), source, target=colleague).state.merged_into == OTHER


def test_a_wait_reopens_a_resolved_ticket_unless_the_tenant_wants_otherwise() -> None:
    command = Absorb(source_id=OTHER, source_number=7, unanswered=(START,))
    resolved = ticket(Status.RESOLVED)
    assert after(command, resolved, START + MINUTE).state.status is Status.OPEN
    kept = after(command, resolved, START + MINUTE, policy=Policy(merge_reopens=False)).state
    assert kept.status is Status.RESOLVED
    assert kept.merged_from == (OTHER,)


def test_nobody_who_waits_reopens_nothing() -> None:
    assert after(Absorb(source_id=OTHER, source_number=7), ticket(Status.RESOLVED)).state.status is Status.RESOLVED


def test_a_second_time_changes_nothing() -> None:
    command = Absorb(source_id=OTHER, source_number=7, unanswered=(START,))
    once = after(command, ticket(), START + MINUTE).state
    assert after(command, once, START + 2 * MINUTE).state.unanswered == once.unanswered
    assert after(command, once, START + 2 * MINUTE).changes == {}


def test_somebody_who_may_not_see_the_ticket_may_answer_on_it_through_one_that_was_merged() -> None:
    there = ticket(merged_from=(OTHER,))
    assert after(reply(through=OTHER), there, by=STRANGER).state.heard_at == START
    for through in (None, SOMEBODY):
        with pytest.raises(NotFound):
            after(reply(through=through), there, by=STRANGER)


def test_staff_merge_whatever_they_are() -> None:
    assert after(Merge(into_id=OTHER), ticket(), by=AGENT, target=target()).state.merged_into == OTHER
