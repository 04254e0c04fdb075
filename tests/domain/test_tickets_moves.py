"""Which moves a ticket has, for whom, and what assignment does to it."""

from itertools import product

import pytest

from domain.identity import Actor, Role
from domain.process import Forbidden, Invalid, NotFound, Wake
from domain.tickets.commands import ChangeTicket
from domain.tickets.lifecycle import FINAL, MOVES, IllegalTransition, TicketFinal, allowed
from domain.tickets.model import Status
from tests.domain.tickets import (
    AGENT,
    CUSTOMER,
    SOMEBODY,
    STRANGER,
    TICKET_ID,
    after,
    creation,
    move,
    reply,
    ticket,
    told,
)

TABLE = {
    "NEW": "OPEN IN_PROGRESS PENDING_CUSTOMER PENDING_INTERNAL RESOLVED CANCELLED",
    "OPEN": "IN_PROGRESS PENDING_CUSTOMER PENDING_INTERNAL RESOLVED CANCELLED",
    "IN_PROGRESS": "OPEN PENDING_CUSTOMER PENDING_INTERNAL RESOLVED CANCELLED",
    "PENDING_CUSTOMER": "OPEN IN_PROGRESS PENDING_INTERNAL RESOLVED CANCELLED",
    "PENDING_INTERNAL": "OPEN IN_PROGRESS PENDING_CUSTOMER RESOLVED CANCELLED",
    "RESOLVED": "OPEN CLOSED",
    "CLOSED": "",
    "CANCELLED": "",
}
"""The lifecycle of the design, written out."""

PAIRS = list(product(Status, Status))
LEGAL = {(Status(at), Status(to)) for at, moves in TABLE.items() for to in moves.split()}
ENDS = (Status.CLOSED, Status.CANCELLED)


def names(pair: tuple[Status, Status]) -> str:
    return "->".join(pair)


def test_the_table_holds_every_status_and_exactly_the_moves_of_the_design() -> None:
    assert {(at, to) for at in Status for to in MOVES[at]} == LEGAL
    assert set(ENDS) == FINAL


@pytest.mark.parametrize("at", Status)
def test_the_allowed_transitions_are_told_in_the_order_of_the_lifecycle(at: Status) -> None:
    assert allowed(at, AGENT) == TABLE[at].split()
    assert set(allowed(at, CUSTOMER)) == {to for to in TABLE[at].split() if at is Status.RESOLVED}


@pytest.mark.parametrize("pair", sorted(LEGAL), ids=names)
def test_a_legal_move_arrives(pair: tuple[Status, Status]) -> None:
    at, to = pair
    decision = after(move(to), ticket(at))
    assert decision.state.status is to
    assert decision.final is (to in ENDS)
    assert decision.state.version == 2
    assert decision.changes["status"].model_dump() == {"before": at.value, "after": to.value}


@pytest.mark.parametrize(
    "pair", [p for p in PAIRS if p not in LEGAL and p[0] is not p[1] and p[0] not in ENDS], ids=names
)
def test_an_illegal_move_is_refused_with_the_moves_that_there_are(pair: tuple[Status, Status]) -> None:
    at, to = pair
    with pytest.raises(IllegalTransition) as refused:
        after(move(to), ticket(at))
    assert refused.value.extra == {"allowedTransitions": TABLE[at].split()}


@pytest.mark.parametrize("at", [s for s in Status if s not in ENDS])
def test_the_same_status_is_no_move_and_no_new_version(at: Status) -> None:
    decision = after(move(at), ticket(at))
    assert decision.state == ticket(at)
    assert decision.changes == {}


@pytest.mark.parametrize("at", ENDS)
@pytest.mark.parametrize(
    "command", [move(Status.OPEN), ChangeTicket(subject="Other"), reply(), creation()], ids=lambda c: c.type
)
def test_a_final_ticket_takes_nothing_more(at: Status, command: ChangeTicket) -> None:
    with pytest.raises(TicketFinal) as refused:
        after(command, ticket(at))
    assert refused.value.extra == {"allowedTransitions": []}


@pytest.mark.parametrize("at", ENDS)
def test_a_final_ticket_sleeps_through_a_wake(at: Status) -> None:
    decision = after(Wake(), ticket(at))
    assert (decision.state, decision.deadlines, decision.final) == (ticket(at), (), True)


def test_a_second_creation_of_an_open_ticket_is_refused() -> None:
    with pytest.raises(Invalid):
        after(creation(), ticket())


@pytest.mark.parametrize("command", [move(Status.OPEN), reply(), Wake()], ids=lambda c: c.type)
def test_before_its_creation_a_ticket_does_not_exist(command: ChangeTicket) -> None:
    with pytest.raises(NotFound):
        after(command, None)


@pytest.mark.parametrize("pair", [p for p in PAIRS if p in LEGAL], ids=names)
def test_a_customer_may_only_take_back_or_confirm_a_resolution(pair: tuple[Status, Status]) -> None:
    at, to = pair
    if at is Status.RESOLVED:
        assert after(move(to), ticket(at), by=CUSTOMER).state.status is to
    else:
        with pytest.raises(Forbidden):
            after(move(to), ticket(at), by=CUSTOMER)


@pytest.mark.parametrize(
    "patch",
    [
        {"priority": "URGENT"},
        {"subject": "Mine"},
        {"assignee_id": None},
        {"tags": ()},
        {"status": Status.OPEN, "sla_tier": "PREMIUM"},
    ],
    ids=str,
)
def test_a_customer_changes_no_field(patch: dict[str, object]) -> None:
    with pytest.raises(Forbidden):
        after(ChangeTicket.model_validate(patch), ticket(Status.RESOLVED), by=CUSTOMER)


def test_a_stranger_learns_nothing_of_a_ticket() -> None:
    for command in (move(Status.OPEN), reply()):
        with pytest.raises(NotFound):
            after(command, ticket(Status.RESOLVED), by=STRANGER)


def test_a_colleague_of_the_same_account_may_answer() -> None:
    colleague = STRANGER.model_copy(update={"account_id": SOMEBODY})
    decision = after(reply(), ticket(Status.PENDING_CUSTOMER, account_id=SOMEBODY), by=colleague)
    assert decision.state.status is Status.OPEN


def test_two_people_without_an_account_do_not_share_one() -> None:
    nobody = Actor(id=SOMEBODY, role=Role.CUSTOMER, name="N", email="n@nowhere.example")
    with pytest.raises(NotFound):
        after(reply(), ticket(account_id=None), by=nobody)


def test_addresses_are_the_same_in_any_case() -> None:
    loud = CUSTOMER.model_copy(update={"email": CUSTOMER.email.upper()})
    assert after(reply(), ticket(Status.PENDING_CUSTOMER), by=loud).state.status is Status.OPEN


def test_assignment_opens_a_new_ticket_and_tells_the_assignee() -> None:
    decision = after(ChangeTicket(assignee_id=SOMEBODY), ticket(Status.NEW))
    assert decision.state.status is Status.OPEN
    assert told(decision) == [("ticket_assigned", str(SOMEBODY))]


def test_assigning_oneself_is_no_news() -> None:
    assert told(after(ChangeTicket(assignee_id=AGENT.id), ticket(Status.NEW))) == []


def test_a_ticket_assigned_at_its_creation_is_open_from_the_start() -> None:
    assert after(creation(assignee_id=SOMEBODY)).state.status is Status.OPEN
    assert after(creation()).state.status is Status.NEW


@pytest.mark.parametrize("at", [s for s in Status if s not in (*ENDS, Status.NEW)])
def test_assignment_moves_no_other_status(at: Status) -> None:
    assert after(ChangeTicket(assignee_id=SOMEBODY), ticket(at)).state.status is at


def test_assignment_with_a_move_ends_where_the_move_goes() -> None:
    decision = after(ChangeTicket(assignee_id=SOMEBODY, status=Status.IN_PROGRESS), ticket(Status.NEW))
    assert decision.state.status is Status.IN_PROGRESS


def test_taking_the_assignee_away_keeps_the_status() -> None:
    decision = after(ChangeTicket(assignee_id=None), ticket(assignee_id=SOMEBODY))
    assert (decision.state.assignee_id, decision.state.status) == (None, Status.OPEN)


def test_the_unknown_assignee_and_the_unknown_team_are_named_together() -> None:
    with pytest.raises(Invalid) as refused:
        after(ChangeTicket(assignee_id=SOMEBODY, team_id=TICKET_ID), ticket(), assignee_known=False, team_known=False)
    assert {error["pointer"] for error in refused.value.extra["errors"]} == {"/assigneeId", "/teamId"}
