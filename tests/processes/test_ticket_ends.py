"""A ticket's end is confirmed too, although its workflow can no longer be asked."""

from domain.tickets.model import Status
from tests.processes.desk import Desk

UNCONFIRM = "update processes set confirmed_revision = revision - 1 where id = %s returning revision"
CONFIRMED = "select revision, confirmed_revision from processes where id = %s"


async def test_a_last_answer_that_nobody_noted_is_confirmed_at_the_next_wake(desk: Desk) -> None:
    ticket = await desk.ticket(Status.RESOLVED)
    await ticket.move(Status.CLOSED)
    await ticket.handle.result()
    await desk.stage.rows(UNCONFIRM, ticket.id)

    await desk.stage.processes.wake("ticket", ticket.id, desk.tenant_id)
    await desk.stage.confirmations.flush()

    (row,) = await desk.stage.rows(CONFIRMED, ticket.id)
    assert row["confirmed_revision"] == row["revision"]
