"""Commands to tickets: repeated, refused, foreign, and sent to those that have come to their end."""

import asyncio
import uuid

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from api.errors import Refused
from api.processes import Broken, Finished
from domain.process import KeyReused, NotFound
from domain.protocol import FOREIGN, Receipt, Start
from domain.tickets.commands import ChangeTicket, CreateTicket
from domain.tickets.model import Priority, Severity, Status
from tests.processes.desk import Desk


async def test_a_repeated_command_gets_its_first_answer(desk: Desk) -> None:
    ticket = await desk.ticket()
    first = await ticket.move(Status.RESOLVED, key="resolve-it")
    await ticket.reply()
    again = await ticket.move(Status.RESOLVED, key="resolve-it")
    assert again == first
    assert (await ticket.state()).status is Status.OPEN
    await ticket.expect_gapless_history()


async def test_the_same_command_at_once_is_decided_once(desk: Desk) -> None:
    ticket = await desk.ticket()
    answers = await asyncio.gather(*(ticket.move(Status.IN_PROGRESS, key="once") for _ in range(5)))
    assert all(answer == answers[0] for answer in answers)
    assert len(await ticket.history()) == 2


async def test_another_body_under_the_same_key_is_refused(desk: Desk) -> None:
    ticket = await desk.ticket()
    await ticket.send(ChangeTicket(priority=Priority.HIGH), key="k")
    with pytest.raises((KeyReused, Refused)) as refused:
        await ticket.send(ChangeTicket(priority=Priority.LOW), key="k")
    assert isinstance(refused.value, KeyReused) or refused.value.record.type == "KeyReused"
    assert (await ticket.state()).priority is Priority.HIGH


async def test_a_repeat_reaches_back_over_the_end_of_the_ticket(desk: Desk) -> None:
    ticket = await desk.ticket()
    first = await ticket.move(Status.CANCELLED, key="cancel-it")
    await ticket.handle.result()
    assert await ticket.move(Status.CANCELLED, key="cancel-it") == first
    with pytest.raises(Finished) as finished:
        await ticket.move(Status.OPEN)
    assert finished.value.state["status"] == "CANCELLED"


async def test_another_body_under_an_old_key_is_refused_after_the_end_too(desk: Desk) -> None:
    ticket = await desk.ticket()
    await ticket.move(Status.CANCELLED, key="k")
    await ticket.handle.result()
    with pytest.raises(KeyReused):
        await ticket.move(Status.OPEN, key="k")


async def test_a_repeated_creation_gets_the_first_ticket(desk: Desk) -> None:
    ticket = await desk.ticket(key="one-ticket")
    await ticket.move(Status.IN_PROGRESS)
    again = await ticket.deliver_creation()
    assert again == ticket.receipts[0]
    rows = await desk.stage.rows("select count(*) as n from support_tickets where tenant_id = %s", desk.tenant_id)
    assert rows == [{"n": 1}]


async def test_a_repeated_creation_gets_the_first_ticket_after_its_end(desk: Desk) -> None:
    ticket = await desk.ticket(key="one-ticket")
    await ticket.move(Status.CANCELLED)
    await ticket.handle.result()
    assert await ticket.deliver_creation() == ticket.receipts[0]


async def test_a_refused_command_fails_and_leaves_no_trace(desk: Desk) -> None:
    ticket = await desk.ticket()
    before = await ticket.history(), await ticket.row(), await ticket.ledger()
    with pytest.raises(Refused) as refused:
        await ticket.move(Status.CLOSED)
    assert refused.value.record.type == "IllegalTransition"
    assert "IN_PROGRESS" in refused.value.record.extra["allowedTransitions"]
    assert (await ticket.history(), await ticket.row(), await ticket.ledger()) == before


async def test_of_two_changes_to_one_version_one_wins(desk: Desk) -> None:
    ticket = await desk.ticket()
    patches = [ChangeTicket(subject=name, expected_versions=(1,)) for name in ("one", "two")]
    results = await asyncio.gather(*(ticket.send(patch) for patch in patches), return_exceptions=True)
    [receipt] = [result for result in results if isinstance(result, Receipt)]
    [refused] = [result for result in results if isinstance(result, Refused)]
    assert (receipt.state["version"], refused.record.type) == (2, "Stale")
    assert len(await ticket.history()) == 2


async def test_changes_at_once_are_recorded_one_after_another(desk: Desk) -> None:
    ticket = await desk.ticket()
    await asyncio.gather(*(ticket.send(ChangeTicket(tags=(str(n),))) for n in range(30)))
    await ticket.expect_gapless_history()
    assert (await ticket.row())["version"] == 31


async def test_a_creation_that_the_decision_refuses_fails_the_run_after_its_caller_was_told(desk: Desk) -> None:
    ticket = desk.draft(assignee_id=uuid.uuid4())
    with pytest.raises(Refused) as refused:
        await ticket.deliver_creation()
    assert refused.value.record.extra["errors"][0]["pointer"] == "/assigneeId"
    assert (await ticket.handle.describe()).status is WorkflowExecutionStatus.FAILED
    assert await desk.stage.rows("select 1 from processes where id = %s", ticket.id) == []


async def test_the_id_of_a_refused_creation_can_be_used_again(desk: Desk) -> None:
    wrong, right = desk.draft(key="k", assignee_id=uuid.uuid4()), desk.draft(key="k")
    with pytest.raises(Refused):
        await wrong.deliver_creation()
    receipt = await right.deliver_creation()
    assert (right.id, receipt.state["status"]) == (wrong.id, "NEW")


async def test_a_creation_that_met_a_bug_succeeds_under_its_key_when_it_is_mended(desk: Desk) -> None:
    ticket = desk.draft(key="k")
    sequence = f'ticket_numbers."{desk.tenant_id}"'
    await desk.stage.rows(f"alter sequence {sequence} rename to mislaid")
    with pytest.raises(Broken):
        await ticket.deliver_creation()
    await desk.stage.rows(f'alter sequence ticket_numbers.mislaid rename to "{desk.tenant_id}"')
    assert (await ticket.deliver_creation()).state["status"] == "NEW"


async def test_a_start_whose_sender_died_heals_itself(desk: Desk) -> None:
    ticket = desk.draft()
    await desk.stage.environment.client.start_workflow(
        "ticket",
        Start[CreateTicket](tenant_id=desk.tenant_id, process_id=ticket.id, message=ticket.creation),
        id=ticket.handle.id,
        task_queue=desk.stage.settings.task_queue,
    )
    receipt = await ticket.send(ChangeTicket(severity=Severity.SEV1))
    assert receipt.revision == 2
    assert (await ticket.row())["severity"] == "SEV1"
    assert (await ticket.deliver_creation()).revision == 1


async def test_a_foreign_tenants_message_is_turned_away_without_a_trace(desk: Desk) -> None:
    ticket, stranger = await desk.ticket(), await desk.stage.desk()
    events = len((await ticket.handle.fetch_history()).events)
    message = stranger.message(ChangeTicket(subject="Mine now"))
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await ticket.handle.execute_update("change", message, result_type=Receipt)
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == FOREIGN
    with pytest.raises(NotFound):
        await ticket.deliver(message)
    assert (await ticket.row())["subject"] == "No dashboard"
    assert len(await ticket.history()) == 1
    written = (await ticket.handle.fetch_history()).events
    assert len(written) == events
    assert all(b"Mine now" not in event.SerializeToString() for event in written)


async def test_a_message_to_nothing_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        await desk.draft().move(Status.OPEN)


async def test_a_reply_is_dated_by_its_receipt(desk: Desk) -> None:
    ticket = await desk.ticket()
    now = (await ticket.snapshot()).now
    assert now is not None
    receipt = await ticket.reply("agent", received_at=now)
    assert receipt.at == now
    assert (await ticket.state()).first_response_at == now


async def test_a_receipt_of_long_ago_counts_as_now(desk: Desk) -> None:
    ticket = await desk.ticket()
    received = ticket.receipts[0].at
    await ticket.pass_time(hours=1)
    await ticket.move(Status.IN_PROGRESS)
    receipt = await ticket.reply("agent", received_at=received)
    assert receipt.at > received


async def test_a_public_reply_and_an_internal_note_are_kept_with_their_author(desk: Desk) -> None:
    ticket = await desk.ticket()
    await ticket.reply("agent", "We look into it.")
    await ticket.reply("lead", "It is the proxy again.", internal=True)
    query = "select author_role, body, internal, revision from ticket_comments where ticket_id = %s order by revision"
    rows = [tuple(row.values()) for row in await desk.stage.rows(query, ticket.id)]
    assert rows == [("AGENT", "We look into it.", False, 2), ("LEAD", "It is the proxy again.", True, 3)]
    await ticket.expect_notice("ticket_reply")


async def test_a_change_larger_than_a_workflow_can_carry_is_refused_and_the_ticket_lives_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await desk.ticket()
    monkeypatch.setattr("db.decisions.MOST_RECORDED", 5_000)
    with pytest.raises(Refused) as refused:
        await ticket.send(ChangeTicket(fields={"a": "x" * 3_000}))
    assert refused.value.record.type == "TooLarge"
    monkeypatch.undo()
    assert (await ticket.reply("agent")).revision == 2
    await ticket.expect_gapless_history()
