"""An imported ticket's process: over at once or in pieces, and the same however often it is asked for."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus

from api.processes import Finished
from domain.identity import SYSTEM, Role
from domain.protocol import Message
from domain.tickets.commands import ImportComments, ImportedComment
from domain.tickets.model import Status
from tests.processes.desk import Desk, OneTicket

LONG_AGO = datetime(2020, 1, 2, tzinfo=UTC)


def comments(*bodies: str) -> tuple[ImportedComment, ...]:
    return tuple(
        ImportedComment(comment_id=uuid4(), body=body, author_name="Alma", author_role=Role.AGENT, at=LONG_AGO)
        for body in bodies
    )


def more(desk: Desk, *bodies: str, last: bool = False) -> Message[ImportComments]:
    """Comments that follow."""
    return desk.message(ImportComments(comments=comments(*bodies), last=last)).model_copy(update={"actor": SYSTEM})


async def said(ticket: OneTicket) -> list[str]:
    rows = await ticket.desk.stage.rows("select body from ticket_comments where ticket_id = %s order by 1", ticket.id)
    return [row["body"] for row in rows]


async def test_a_closed_ticket_is_over_at_once(desk: Desk) -> None:
    ticket = desk.taken_over(status=Status.CLOSED, comments=comments("one"))
    receipt = await ticket.deliver_creation()
    assert await ticket.deliver_creation() == receipt
    await ticket.handle.result()
    assert (await ticket.process())["final"]
    assert (await said(ticket), await ticket.notices()) == (["one"], [])


async def test_a_closed_ticket_in_pieces_is_over_with_the_last(desk: Desk) -> None:
    ticket = desk.taken_over(status=Status.CLOSED, comments=comments("one"), incomplete=True)
    await ticket.deliver_creation()
    second, third = more(desk, "two"), more(desk, "three", last=True)
    await ticket.deliver(second)
    assert (await ticket.handle.describe()).status is WorkflowExecutionStatus.RUNNING
    last = await ticket.deliver(third)
    await ticket.handle.result()
    # Whoever was killed before it heard of that sends everything again.
    await ticket.deliver_creation()
    await ticket.deliver(second)
    assert await ticket.deliver(third) == last
    assert await said(ticket) == ["one", "three", "two"]
    assert [row["command"] for row in await ticket.history()] == ["import", "import_comments", "import_comments"]


async def test_a_ticket_that_is_over_takes_nothing_more(desk: Desk) -> None:
    ticket = desk.taken_over(status=Status.CLOSED)
    await ticket.deliver_creation()
    await ticket.handle.result()
    with pytest.raises(Finished):
        await ticket.deliver(more(desk, "late", last=True))
    assert await said(ticket) == []


async def test_an_open_ticket_in_pieces_goes_on_as_any_other(desk: Desk) -> None:
    ticket = desk.taken_over(status=Status.OPEN, comments=comments("one"), incomplete=True)
    await ticket.deliver_creation()
    await ticket.deliver(more(desk, "two", last=True))
    await ticket.move(Status.RESOLVED)
    await ticket.pass_time(days=7)
    await ticket.handle.result()
    assert (await ticket.row())["status"] == "CLOSED"
    assert await said(ticket) == ["one", "two"]
    assert await ticket.notices() == ["ticket_resolved", "ticket_closed"]


async def test_what_was_resolved_years_ago_closes_a_grace_after_its_import(desk: Desk) -> None:
    ticket = desk.taken_over(status=Status.RESOLVED, resolved_at=LONG_AGO + timedelta(days=1))
    await ticket.deliver_creation()
    await ticket.wake()
    assert (await ticket.row())["status"] == "RESOLVED"
    assert await ticket.pass_time(days=6)
    assert (await ticket.row())["status"] == "RESOLVED"
    await ticket.pass_time(days=1)
    await ticket.handle.result()
    assert (await ticket.row())["status"] == "CLOSED"
