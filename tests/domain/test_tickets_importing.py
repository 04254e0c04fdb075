"""A ticket of another desk is taken over as it stands there; its promises count from now on, and nobody is told."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.identity import SYSTEM, Actor, Role
from domain.process import Forbidden, Invalid
from domain.sla.clocks import ClockKind, ClockState
from domain.tickets.commands import ImportComments, ImportedComment, ImportTicket
from domain.tickets.importing import ImportOver, gist
from domain.tickets.lifecycle import FINAL
from domain.tickets.model import MOST_COPIES, Link, LinkKind, Status, Ticket
from tests.domain.promises import FIRST, LAST, NEXT, policy, terms
from tests.domain.tickets import AGENT, CUSTOMER, SOMEBODY, START, after, open_promises, told

LONG_AGO = datetime(2019, 5, 6, 7, 8, 9, tzinfo=UTC)
LATER = LONG_AGO + timedelta(days=3)


def said(by: Role, at: datetime = LATER, n: int = 1, **fields: Any) -> ImportedComment:
    """A comment of the other desk."""
    given = {"comment_id": UUID(int=n), "body": "…", "author_name": "Somebody", "author_role": by, "at": at}
    return ImportedComment(**(given | fields))


def old(status: Status = Status.OPEN, **fields: Any) -> ImportTicket:
    """A ticket of the other desk."""
    given: dict[str, Any] = {
        "external_ref": "zendesk:7",
        "customer_email": CUSTOMER.email,
        "subject": "No dashboard",
        "description": "It answers 403.",
        "status": status,
        "created_at": LONG_AGO,
    }
    return ImportTicket(**(given | fields))


def taken(command: ImportTicket, by: Actor = SYSTEM, **around: Any) -> Any:
    """The decision on an import at START."""
    return after(command, by=by, **({"terms": terms(policy({FIRST: 60, NEXT: 60, LAST: 600}))} | around))


@pytest.mark.parametrize("status", list(Status))
def test_it_stands_as_it_stood_there_and_nobody_hears_of_it(status: Status) -> None:
    decision = taken(old(status, assignee_id=SOMEBODY, cc=("boss@shop.example",)))
    assert decision.state.status is status
    assert decision.state.created_at == LONG_AGO
    assert (told(decision), decision.announcements, decision.settled) == ([], (), ())
    assert decision.final is (status in FINAL)


def test_clocks_of_an_open_ticket_start_at_its_import() -> None:
    state = taken(old()).state
    assert {clock.kind for clock in state.clocks} == {ClockKind.FIRST_RESPONSE, ClockKind.RESOLUTION}
    assert {clock.started_at for clock in state.clocks} == {START}
    assert {clock.state for clock in state.clocks} == {ClockState.RUNNING}


def test_a_first_answer_that_was_given_is_not_owed_again() -> None:
    state = taken(old(first_response_at=LATER)).state
    assert [clock.kind for clock in state.clocks] == [ClockKind.RESOLUTION]


def test_a_customer_who_waits_for_the_next_answer_is_promised_one_from_now_on() -> None:
    state = taken(old(first_response_at=LATER, unanswered=True, heard_at=LATER + timedelta(days=1))).state
    clock = state.clock(ClockKind.NEXT_RESPONSE)
    assert clock is not None
    assert (clock.started_at, state.unanswered) == (START, (START,))
    assert state.heard_at == LATER + timedelta(days=1)


def test_a_wait_for_the_customer_holds_the_resolution_and_begins_anew() -> None:
    decision = taken(old(Status.PENDING_CUSTOMER, first_response_at=LATER))
    clock = decision.state.clock(ClockKind.RESOLUTION)
    assert clock is not None
    assert clock.state is ClockState.PAUSED
    assert open_promises(decision.state)["CUSTOMER_REMINDER"].due_at == START + timedelta(days=3)


def test_what_is_resolved_can_be_reopened_for_the_whole_grace_of_this_desk() -> None:
    decision = taken(old(Status.RESOLVED, resolved_at=LATER))
    assert decision.state.resolved_at == LATER
    assert open_promises(decision.state)["AUTO_CLOSE"].due_at == START + timedelta(days=7)
    assert decision.state.clocks == ()


@pytest.mark.parametrize("status", sorted(FINAL))
def test_what_is_over_promises_nothing_and_keeps_its_instants(status: Status) -> None:
    decision = taken(old(status, resolved_at=LATER, closed_at=LATER + timedelta(days=4)))
    state = decision.state
    assert (state.closed_at, state.status_since) == (LATER + timedelta(days=4),) * 2
    assert (state.resolved_at, state.clocks, decision.deadlines) == (LATER, (), ())


def test_the_end_of_a_ticket_that_names_none_is_the_last_that_is_known_of_it() -> None:
    state = taken(old(Status.CLOSED, comments=(said(Role.AGENT, LATER),))).state
    assert (state.closed_at, state.updated_at) == (LATER, LATER)


def test_a_ticket_that_was_reopened_there_is_not_resolved() -> None:
    state = taken(old(Status.OPEN, resolved_at=LATER)).state
    assert (state.resolved_at, state.resolutions) == (None, 0)


def test_hands_that_are_not_there_are_left_out() -> None:
    state = taken(old(assignee_id=SOMEBODY, team_id=SOMEBODY), assignee_known=False, team_known=False).state
    assert (state.assignee_id, state.team_id, state.acted_at) == (None, None, None)


def test_copies_are_kept_once_and_without_the_customer() -> None:
    many = tuple(f"c{n}@shop.example" for n in range(MOST_COPIES + 3))
    state = taken(old(cc=("C0@shop.example", CUSTOMER.email.upper(), *many))).state
    assert state.cc == many[:MOST_COPIES]


def test_links_are_kept() -> None:
    link = Link(type=LinkKind.TICKET, target_id=SOMEBODY)
    assert taken(old(links=(link,))).state.links == (link,)


def test_every_instant_out_of_order_is_named() -> None:
    future = START + timedelta(hours=1)
    with pytest.raises(Invalid) as refused:
        taken(
            old(
                Status.CLOSED,
                resolved_at=LONG_AGO - timedelta(days=1),
                closed_at=future,
                comments=(said(Role.AGENT, LONG_AGO - timedelta(seconds=1)), said(Role.AGENT, future)),
            )
        )
    pointers = [error["pointer"] for error in refused.value.extra["errors"]]
    assert pointers == ["/resolvedAt", "/closedAt", "/comments/1/at"]


@pytest.mark.parametrize("by", [AGENT, CUSTOMER], ids=["agent", "customer"])
def test_importing_takes_an_administrator(by: Actor) -> None:
    with pytest.raises(Forbidden):
        taken(old(), by=by)


def test_a_closed_ticket_of_which_more_is_to_come_goes_on_until_the_last() -> None:
    first = taken(old(Status.CLOSED, closed_at=LATER, incomplete=True))
    assert not first.final
    more = after(ImportComments(comments=(said(Role.AGENT),)), first.state, START, by=SYSTEM)
    assert (more.final, more.state.incomplete) == (False, True)
    last = after(ImportComments(comments=(said(Role.AGENT),), last=True), more.state, START, by=SYSTEM)
    assert (last.final, last.state.incomplete) == (True, False)
    assert last.state.updated_at == first.state.updated_at
    assert (told(last), last.announcements, last.state.version) == ([], (), 1)


@pytest.mark.parametrize("status", [Status.OPEN, Status.CLOSED])
def test_nothing_is_imported_into_a_ticket_that_is_complete(status: Status) -> None:
    before: Ticket = taken(old(status)).state
    with pytest.raises(ImportOver):
        after(ImportComments(comments=(said(Role.AGENT),)), before, START, by=SYSTEM)


def test_an_agent_cannot_put_words_into_other_peoples_mouths() -> None:
    before: Ticket = taken(old(incomplete=True)).state
    with pytest.raises(Forbidden):
        after(ImportComments(comments=(said(Role.CUSTOMER),)), before, START, by=AGENT)


def test_the_gist_of_a_conversation_counts_what_is_public() -> None:
    day = timedelta(days=1)
    silent = gist(())
    assert silent == (None, None, False)
    note = said(Role.AGENT, LATER, internal=True)
    asked, answer, again = (
        said(by, LATER + n * day) for n, by in ((1, Role.CUSTOMER), (2, Role.LEAD), (3, Role.CUSTOMER))
    )
    assert gist([note, asked]) == (None, LATER + day, True)
    assert gist([answer, note, asked]) == (LATER + 2 * day, LATER + day, False)
    assert gist([again, answer, asked]) == (LATER + 2 * day, LATER + 3 * day, True)
