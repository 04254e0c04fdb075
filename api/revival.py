"""Brings a process back whose workflow is lost, or whose run no worker can replay: it goes on from its last recorded outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import WorkflowTaskFailedEventAttributes
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.confirmations import Confirmations
from db import processes
from db.engine import tenant_transaction
from domain.ids import workflow_id
from domain.protocol import UNREPLAYABLE, Start

log = structlog.get_logger(__name__)

SUP_TENANT: Final = SearchAttributeKey.for_keyword("SupTenant")

TASK_TIMEOUT: Final = timedelta(seconds=5)
"""How long a process is deaf after its worker was killed in the middle of a decision."""

RPC_TIMEOUT: Final = timedelta(seconds=2)

LATEST_EVENTS: Final = 50
"""How far back the last answer of a worker is looked for; what follows it are signals and timers."""

HOPELESS: Final = frozenset(
    {
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE,
    }
)
"""What the history and the workflow do not agree on, and the server will not take from a replay: no later attempt does better."""

FATAL: Final = "Fatal error in workflow machines"
"""How the SDK's core begins when a history contradicts itself; it has no cause of its own for that."""

REVIVED: Final = Counter(
    "summit_processes_revived", "Workflows that were lost and started again from their row", ["kind"]
)
REPLACED: Final = Counter(
    "summit_processes_replaced", "Runs that no worker could replay, replaced by one from their row", ["kind"]
)


@dataclass(frozen=True)
class Revival:
    """Starts workflows from rows. Every method raises RPCError when Temporal, SQLAlchemyError when Postgres is away."""

    client: Client
    engine: AsyncEngine
    task_queue: str
    confirmations: Confirmations

    async def revive(self, kind: str, process_id: UUID, tenant_id: UUID) -> None:
        """Start a lost workflow from its last recorded outcome. One that *completed* is not revived: Postgres was restored."""
        stands = await self._stands(kind, process_id, tenant_id)
        if stands is None:
            return
        if stands.final and not stands.effects:
            # It ended, and the API died before it could note that its last answer was given.
            if await self._runs(workflow_id(kind, process_id)):
                log.error("ended_process_runs", workflow_id=workflow_id(kind, process_id))
            else:
                self.confirmations.add(process_id, stands.snapshot.revision)
            return
        known = {name: value for name, value in stands.snapshot.attributes.items() if isinstance(value, str)}
        try:
            await self.client.start_workflow(
                kind,
                Start[Any](
                    tenant_id=tenant_id, process_id=process_id, snapshot=stands.snapshot, effects=stands.effects
                ),
                id=workflow_id(kind, process_id),
                task_queue=self.task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=TASK_TIMEOUT,
                search_attributes=keywords({SUP_TENANT.name: str(tenant_id), "SupEntity": kind, **known}),
                static_summary="revived from its last recorded outcome",
                priority=Priority(priority_key=1),
            )
        except WorkflowAlreadyStartedError:
            if stands.final:
                self.confirmations.add(process_id, stands.snapshot.revision)
                return
            log.error("process_ahead_of_postgres", workflow_id=workflow_id(kind, process_id))
            return
        REVIVED.labels(kind).inc()
        log.warning("process_revived", workflow_id=workflow_id(kind, process_id), revision=stands.snapshot.revision)

    async def replace(self, kind: str, process_id: UUID, tenant_id: UUID) -> bool:
        """Terminate a process's run if no worker can replay it, and revive the process. Returns whether it was so.

        All that the run knew is in Postgres, since a decision is recorded before it is adopted (docs/decisions/004-unreplayable-runs.md).
        """
        handle = self.client.get_workflow_handle(workflow_id(kind, process_id))
        try:
            description = await handle.describe(rpc_timeout=RPC_TIMEOUT)
            run_id = description.run_id
            failing = description.raw_description.pending_workflow_task.attempt > 1
            if description.status is not WorkflowExecutionStatus.RUNNING or not failing:
                return False
            if not await self._unreplayable(handle.id, run_id) or not await self._stands(kind, process_id, tenant_id):
                return False
            # Only this run: another caller may have replaced it meanwhile.
            run = self.client.get_workflow_handle(handle.id, run_id=run_id)
            await run.terminate(reason=UNREPLAYABLE, rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        REPLACED.labels(kind).inc()
        log.error("run_replaced", workflow_id=handle.id, run_id=run_id)
        await self.revive(kind, process_id, tenant_id)
        return True

    async def _stands(self, kind: str, process_id: UUID, tenant_id: UUID) -> processes.Standing | None:
        async with tenant_transaction(self.engine, tenant_id) as connection:
            return await processes.standing(connection, kind, process_id)

    async def _runs(self, name: str) -> bool:
        try:
            description = await self.client.get_workflow_handle(name).describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return description.status is WorkflowExecutionStatus.RUNNING

    async def _unreplayable(self, name: str, run_id: str) -> bool:
        """Whether the last that a worker said of a run is that its history cannot be replayed."""
        latest = await self.client.workflow_service.get_workflow_execution_history_reverse(
            GetWorkflowExecutionHistoryReverseRequest(
                namespace=self.client.namespace,
                execution=WorkflowExecution(workflow_id=name, run_id=run_id),
                maximum_page_size=LATEST_EVENTS,
            ),
            timeout=RPC_TIMEOUT,
        )
        for event in latest.history.events:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                return False
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                return unreplayable(event.workflow_task_failed_event_attributes)
        return False


def unreplayable(failed: WorkflowTaskFailedEventAttributes) -> bool:
    """Whether a workflow task failed because its history and the workflow, or the history and itself, do not agree."""
    return failed.cause in HOPELESS or failed.failure.message.startswith(FATAL)


def keywords(attributes: Mapping[str, str]) -> TypedSearchAttributes:
    """Search attributes of one kind, as a start takes them."""
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in attributes.items()]
    )
