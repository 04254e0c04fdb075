"""Long and interrupted lives: roll-over, Postgres ahead of the workflow, confirmation, lost workflows, a cache of one."""

import asyncio
import uuid
from datetime import UTC, datetime

from domain.ids import workflow_id
from domain.protocol import Request, Snapshot
from domain.tickets.commands import ChangeTicket, TicketCommand
from domain.tickets.model import Priority, Status, Ticket
from tests.processes.desk import Desk, OneTicket, backstage


async def decide_behind(ticket: OneTicket, snapshot: Snapshot, priority: Priority, key: str) -> None:
    """Commit a decision as a worker does that dies before Temporal hears of it."""
    message = ticket.desk.message(ChangeTicket(priority=priority), key=key)
    await ticket.desk.activities().decide_ticket(
        Request[TicketCommand](
            tenant_id=message.tenant_id,
            process_id=ticket.id,
            kind="ticket",
            workflow_id=workflow_id("ticket", ticket.id),
            snapshot=snapshot,
            command=message.command,
            command_id=key,
            fingerprint=message.fingerprint,
            actor=message.actor,
            now=datetime.now(UTC),
        )
    )


async def test_roll_over_carries_every_field_of_the_snapshot(desk: Desk) -> None:
    ticket = await desk.ticket(
        Status.PENDING_CUSTOMER, key="rolls-over", tags=("first",), fields={"a": [1, {"b": None}]}
    )
    first = await ticket.run_id()
    while await ticket.run_id() == first:
        before, receipt = await ticket.snapshot(), await ticket.send(ChangeTicket(priority=Priority.HIGH))
    snapshot = await ticket.snapshot()
    [*_, last] = await ticket.history()
    assert snapshot == Snapshot.model_validate(last["snapshot"])
    assert all(getattr(snapshot, name) for name in Snapshot.model_fields if name != "final")
    assert receipt.revision == snapshot.revision == before.revision + 1
    assert (snapshot.deadlines, snapshot.wake_at) == (before.deadlines, before.wake_at)
    assert Ticket.model_validate(snapshot.state).fields == {"a": [1, {"b": None}]}
    await ticket.expect_gapless_history()
    again = await ticket.deliver_creation()
    assert again == ticket.receipts[0]
    await ticket.pass_time(days=3)
    await ticket.expect_notice("customer_reminder")


async def test_a_command_is_known_after_a_roll_over(desk: Desk) -> None:
    ticket = await desk.ticket()
    first = await ticket.send(ChangeTicket(priority=Priority.URGENT), key="before")
    run = await ticket.run_id()
    while await ticket.run_id() == run:
        await ticket.move(Status.IN_PROGRESS)
        await ticket.move(Status.OPEN)
    assert await ticket.send(ChangeTicket(priority=Priority.URGENT), key="before") == first
    await ticket.expect_gapless_history()


async def test_callers_notice_nothing_of_a_roll_over(desk: Desk) -> None:
    ticket = await desk.ticket()
    run, sent = await ticket.run_id(), 0
    while await ticket.run_id() == run:
        await asyncio.gather(*(ticket.send(ChangeTicket(tags=(str(n),))) for n in range(40)))
        sent += 40
    await ticket.expect_gapless_history()
    assert len(await ticket.history()) == sent + 1


async def test_a_decision_that_temporal_never_heard_of_is_adopted(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    await decide_behind(ticket, await ticket.snapshot(), Priority.URGENT, "lost-answer")
    assert (await ticket.state()).priority is Priority.MEDIUM
    receipt = await ticket.move(Status.IN_PROGRESS)
    assert (receipt.revision, receipt.state["priority"], receipt.state["version"]) == (4, "URGENT", 4)
    await ticket.expect_gapless_history()


async def test_the_repeat_of_a_lost_decision_gets_what_was_recorded(desk: Desk) -> None:
    ticket = await desk.ticket()
    await decide_behind(ticket, await ticket.snapshot(), Priority.URGENT, "lost-answer")
    receipt = await ticket.send(ChangeTicket(priority=Priority.URGENT), key="lost-answer")
    assert receipt.revision == 2
    assert (await ticket.state()).priority is Priority.URGENT
    assert len(await ticket.history()) == 2


async def test_a_wake_adopts_what_was_lost_and_writes_nothing(desk: Desk) -> None:
    ticket = await desk.ticket()
    for n, priority in enumerate((Priority.LOW, Priority.HIGH, Priority.URGENT)):
        [*_, last] = await ticket.history()
        await decide_behind(ticket, Snapshot.model_validate(last["snapshot"]), priority, f"lost-{n}")
    await ticket.wake()
    assert (await ticket.state()).priority is Priority.URGENT
    assert (await ticket.process())["confirmed_revision"] >= 1
    await ticket.expect_gapless_history()


async def test_a_stale_worker_decides_on_top_of_what_stands(desk: Desk) -> None:
    ticket = await desk.ticket()
    stale = await ticket.snapshot()
    await ticket.send(ChangeTicket(priority=Priority.URGENT))
    await decide_behind(ticket, stale, Priority.LOW, "from-a-stale-worker")
    assert [row["revision"] for row in await ticket.history()] == [1, 2, 3]
    await ticket.move(Status.IN_PROGRESS)
    await ticket.expect_gapless_history()


async def test_creations_and_timers_confirm_themselves_and_updates_are_confirmed_by_what_follows(desk: Desk) -> None:
    ticket = await desk.ticket(Status.NEW)
    assert await revisions(ticket) == (1, 1)
    await ticket.move(Status.PENDING_CUSTOMER)
    assert await revisions(ticket) == (2, 1)
    await ticket.move(Status.IN_PROGRESS)
    assert await revisions(ticket) == (3, 2)
    await ticket.move(Status.PENDING_CUSTOMER)
    await ticket.pass_time(days=3)
    assert await revisions(ticket) == (5, 5)


async def test_the_api_confirms_what_it_has_answered(desk: Desk) -> None:
    ticket = await desk.ticket()
    await ticket.move(Status.IN_PROGRESS)
    await desk.stage.confirmations.flush()
    assert await revisions(ticket) == (2, 2)


async def test_a_wake_with_nothing_to_do_confirms_what_the_workflow_knows(desk: Desk) -> None:
    ticket = await desk.ticket()
    await ticket.move(Status.IN_PROGRESS)
    await ticket.wake()
    assert await revisions(ticket) == (2, 2)
    assert len(await ticket.history()) == 2


async def test_a_confirmation_of_the_future_is_clamped(desk: Desk) -> None:
    ticket = await desk.ticket()
    desk.stage.confirmations.add(ticket.id, 99)
    desk.stage.confirmations.add(uuid.uuid4(), 1)
    await desk.stage.confirmations.flush()
    assert await revisions(ticket) == (1, 1)


async def revisions(ticket: OneTicket) -> tuple[int, int]:
    """How far a ticket is, and how far it is confirmed."""
    row = await ticket.process()
    return row["revision"], row["confirmed_revision"]


async def test_a_lost_workflow_is_revived_from_its_row_by_the_next_call(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    before = await ticket.snapshot()
    await ticket.handle.terminate("lost")
    receipt = await ticket.send(ChangeTicket(priority=Priority.URGENT))
    after = await ticket.snapshot()
    assert receipt.revision == before.revision + 1
    assert (after.wake_at, after.deadlines) == (before.wake_at, before.deadlines)
    await ticket.pass_time(days=3)
    await ticket.expect_notice("customer_reminder")
    await ticket.expect_gapless_history()


async def test_a_lost_workflow_is_revived_by_a_wake_and_keeps_its_promises(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER)
    await ticket.handle.terminate("lost")
    await desk.stage.processes.wake("ticket", ticket.id, desk.tenant_id)
    await ticket.snapshot()  # the revived run has armed its timer
    await ticket.pass_time(days=3)
    await ticket.expect_notice("customer_reminder")


async def test_a_revived_ticket_answers_its_creation_and_its_old_commands(desk: Desk) -> None:
    ticket = await desk.ticket()
    first = await ticket.move(Status.IN_PROGRESS, key="old")
    await ticket.handle.terminate("lost")
    assert await ticket.move(Status.IN_PROGRESS, key="old") == first
    assert await ticket.deliver_creation() == ticket.receipts[0]


async def test_a_worker_that_forgets_after_every_task_keeps_every_promise(desk: Desk) -> None:
    async with backstage(desk.stage.servers, desk.stage.environment, max_cached_workflows=1) as forgetful:
        tickets = await asyncio.gather(*(on(forgetful, desk).ticket(Status.PENDING_CUSTOMER) for _ in range(3)))
        for ticket in tickets:
            await ticket.pass_time(days=3)
        for ticket in tickets:
            await ticket.reply()
            await ticket.move(Status.RESOLVED)
            await ticket.pass_time(days=7, minutes=1)
            assert (await ticket.row())["status"] == "CLOSED"
            await ticket.expect_notice("customer_reminder")


def on(stage: object, desk: Desk) -> Desk:
    """The same desk with another worker."""
    return Desk(stage, desk.tenant_id, desk.people)  # type: ignore[arg-type]


async def test_operators_read_the_ticket_in_the_temporal_ui(desk: Desk) -> None:
    ticket = await desk.ticket(Status.PENDING_CUSTOMER, severity="SEV1")
    description = await ticket.handle.describe()
    found = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert (found["SupStatus"], found["SupSeverity"], found["SupTier"]) == ("PENDING_CUSTOMER", "SEV1", "BASIC")
    assert found["SupAssignee"] == str(desk.people["agent"].id)
    assert found["SupTenant"] == str(desk.tenant_id)
    assert await description.static_summary() == "SEV1 MEDIUM by PORTAL"
    assert "CUSTOMER_REMINDER" in (await ticket.snapshot()).details
    await ticket.send(ChangeTicket(assignee_id=None))
    described = (await ticket.handle.describe()).typed_search_attributes
    assert "SupAssignee" not in {pair.key.name for pair in described}
