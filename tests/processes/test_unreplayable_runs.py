"""A run that no worker can replay is replaced by one that goes on from the process's row; any other run is left alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry
from temporalio import workflow
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import WorkflowTaskFailedEventAttributes
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from api.auditor import Auditor, Gauges
from api.revival import keywords, unreplayable
from db.engine import make_engine
from domain.protocol import UNREPLAYABLE, WAKE_SIGNAL
from domain.tickets.model import Status
from runtime.embedded.processes import until
from runtime.settings import PostgresSettings
from tests import stack
from tests.processes.desk import Backstage, Desk, OneTicket, deserted

OVERDUE = (
    "update deadlines set due_at = due_at - interval '4 days' where process_id = %s and kind = 'CUSTOMER_REMINDER'"
)


@workflow.defn(name="ticket")
class Impostor:
    """A shell of another make: its history means nothing to a ticket's."""

    @workflow.run
    async def run(self, _: object) -> None:
        """Begin with a timer, which a ticket that was just created does not have."""
        await workflow.sleep(timedelta(days=1000))

    @workflow.update
    async def begun(self) -> None:
        """Answer once the timer is in the history."""
        await workflow.wait_condition(lambda: True)


@asynccontextmanager
async def spoiled(stage: Backstage, status: Status = Status.OPEN) -> AsyncIterator[tuple[OneTicket, WorkflowHandle]]:
    """A ticket whose present run was made by an impostor; a proper worker is at work again."""
    client, queue = stage.environment.client, stage.settings.task_queue
    async with stage.worker(graceful_shutdown_timeout=timedelta(0)):
        ticket = await (await stage.desk()).ticket(status)
        start = (await ticket.handle.fetch_history()).events[0].workflow_execution_started_event_attributes
        await ticket.handle.terminate()
    async with Worker(client, task_queue=queue, workflows=[Impostor], workflow_runner=UnsandboxedWorkflowRunner()):
        run = await client.start_workflow(
            "ticket",
            (await client.data_converter.decode(start.input.payloads))[0],
            id=ticket.handle.id,
            task_queue=queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            task_timeout=timedelta(seconds=5),
            search_attributes=keywords({"SupTenant": str(ticket.desk.tenant_id), "SupEntity": "ticket"}),
        )
        await run.execute_update("begun")
    async with stage.worker(graceful_shutdown_timeout=timedelta(0)):
        yield ticket, client.get_workflow_handle(run.id, run_id=run.result_run_id)


@asynccontextmanager
async def auditing(stage: Backstage) -> AsyncIterator[Auditor]:
    """An auditor that makes its rounds when told to."""
    engine = make_engine(stage.settings)
    try:
        yield Auditor(engine, stage.environment.client, stage.processes, Gauges(CollectorRegistry()), interval=0.0)
    finally:
        await engine.dispose()


async def rounds_until_terminated(auditor: Auditor, run: WorkflowHandle) -> None:
    """Make rounds until the run has been terminated."""

    async def terminated() -> bool:
        await auditor.round()
        return (await run.describe()).status is WorkflowExecutionStatus.TERMINATED

    await until(terminated, 20)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def idle(postgres_superuser: PostgresSettings, temporal_env: WorkflowEnvironment) -> AsyncIterator[Backstage]:
    """A database for an auditor of our own, and a task queue whose workers come and go."""
    async with (
        stack.database(postgres_superuser, "summit_unreplayable") as database,
        deserted(database, temporal_env) as ready,
    ):
        yield ready


async def test_the_next_call_replaces_the_run_and_is_answered(idle: Backstage) -> None:
    async with spoiled(idle) as (ticket, impostor):
        receipt = await ticket.reply()
        assert receipt.revision == 2
        await ticket.expect_gapless_history()
        ended = await impostor.fetch_history()
        assert ended.events[-1].workflow_execution_terminated_event_attributes.reason == UNREPLAYABLE


async def test_the_auditor_replaces_a_run_that_temporal_reports_as_failing(idle: Backstage) -> None:
    async with spoiled(idle) as (ticket, impostor), auditing(idle) as auditor:
        await ticket.handle.signal(WAKE_SIGNAL)
        await rounds_until_terminated(auditor, impostor)
        await ticket.expect_gapless_history()


async def test_the_auditor_replaces_the_run_of_an_overdue_promise(idle: Backstage) -> None:
    async with spoiled(idle, Status.PENDING_CUSTOMER) as (ticket, impostor), auditing(idle) as auditor:
        await idle.rows(OVERDUE, ticket.id)
        await rounds_until_terminated(auditor, impostor)
        await ticket.expect_gapless_history()


async def test_a_run_that_replays_is_left_alone(desk: Desk) -> None:
    ticket = await desk.ticket(Status.OPEN)
    run = await ticket.run_id()
    assert await desk.stage.processes.mend("ticket", ticket.id, desk.tenant_id) is False
    assert await ticket.run_id() == run


async def test_a_process_that_has_no_run_is_not_mended(desk: Desk) -> None:
    ticket = await desk.ticket(Status.RESOLVED)
    await ticket.move(Status.CLOSED)
    await ticket.handle.result()
    assert await desk.stage.processes.mend("ticket", ticket.id, desk.tenant_id) is False
    assert await desk.stage.processes.mend("ticket", desk.tenant_id, desk.tenant_id) is False


@pytest.mark.parametrize(
    ("cause", "message", "expected"),
    [
        ("NON_DETERMINISTIC_ERROR", "[TMPRL1100] Nondeterminism error: …", True),
        ("BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE", "ProtocolMessageCommand referenced absent message ID", True),
        (
            "WORKFLOW_WORKER_UNHANDLED_FAILURE",
            "Fatal error in workflow machines: UpdateMachine in state CompletedCommandCreated says the transition is "
            "invalid during event EventInfo { event_id: 216, event_type: WorkflowExecutionUpdateAccepted }",
            True,
        ),
        ("WORKFLOW_WORKER_UNHANDLED_FAILURE", "KeyError: 'state'", False),
        ("WORKFLOW_WORKER_UNHANDLED_FAILURE", "[TMPRL1101] Potential deadlock detected", False),
        ("UNHANDLED_COMMAND", "", False),
    ],
)
def test_only_a_history_that_does_not_replay_counts_as_unreplayable(cause: str, message: str, expected: bool) -> None:
    failed = WorkflowTaskFailedEventAttributes(
        cause=WorkflowTaskFailedCause.Value(f"WORKFLOW_TASK_FAILED_CAUSE_{cause}"), failure=Failure(message=message)
    )
    assert unreplayable(failed) is expected
