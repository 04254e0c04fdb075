"""The API's way to processes: start and update them, in the face of everything that can be away, within a request's budget."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import (
    Priority,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.confirmations import Confirmations
from api.errors import Refused, Unavailable
from api.revival import SUP_TENANT, TASK_TIMEOUT, Revival, keywords
from db import processes
from db.engine import tenant_transaction
from domain.ids import workflow_id
from domain.process import KeyReused, NotFound
from domain.protocol import BUG, CREATE_UPDATE, FOREIGN, REFUSED, WAKE_SIGNAL, Message, Receipt, RefusalRecord, Start

log = structlog.get_logger(__name__)

IN_FLIGHT: Final = 1
"""Updates of one process at a time.

The shell takes one input at a time anyhow, and beyond ten the server aborts them all. With a single one no update is accepted while the
decision of another runs, and only then can a query leave a history that no worker replays (docs/decisions/004-unreplayable-runs.md).
"""

LONGEST_SILENCE: Final = timedelta(seconds=3)
"""How long a running process may leave an update unanswered before we look whether it can answer at all."""

CREATING: Final = frozenset({"create", "import"})
"""The commands that begin a process."""

PASSING: Final = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.ABORTED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
    }
)
"""What Temporal answers while it restarts, rolls over or is overloaded."""


class Finished(Exception):
    """The process has come to its end; `state` is its last."""

    def __init__(self, state: dict[str, Any]) -> None:
        super().__init__("The process has ended.")
        self.state = state


class Broken(Exception):
    """A decision failed by our own fault. The process lives on, unchanged."""


class Again(Exception):
    """A later attempt may succeed; `fresh` asks for a new update id, because a failure is kept under the old one."""

    def __init__(self, *, fresh: bool = False) -> None:
        super().__init__("try again")
        self.fresh = fresh


@dataclass(frozen=True)
class Kind:
    """A kind of process as the API starts it: its workflow type, how it is summed up for operators, and its priority."""

    name: str
    summary: Callable[[Any], str]
    attributes: Callable[[Any], Mapping[str, str]]
    priority: int = 1


class Processes:
    """Sends commands to processes and gets their recorded answers.

    Every method raises Unavailable when the budget is used up (the command may still happen: the same key finds it), Refused when the
    rules said no, KeyReused for another body under the same key, NotFound for an unknown process or another tenant's.
    """

    def __init__(
        self, client: Client, engine: AsyncEngine, task_queue: str, budget: float, confirmations: Confirmations
    ) -> None:
        self._client = client
        self._engine = engine
        self._task_queue = task_queue
        self._budget = budget
        self._confirmations = confirmations
        self._revival = Revival(client, engine, task_queue, confirmations)
        self._gates: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    async def create(self, kind: Kind, process_id: UUID, message: Message[Any]) -> Receipt:
        """Start a process with its creating command and wait for the outcome; a repeat gets the first outcome."""

        async def attempt(nonce: str) -> Receipt:
            start = Start[Any](tenant_id=message.tenant_id, process_id=process_id, message=message)
            operation = self._starting(kind, process_id, start, message)
            receipt: Receipt = await self._client.execute_update_with_start_workflow(
                CREATE_UPDATE,
                start_workflow_operation=operation,
                id=CREATE_UPDATE + nonce,
                result_type=Receipt,
                rpc_timeout=timedelta(seconds=self._budget),
            )
            return receipt

        return await self._persist(kind, process_id, message, attempt)

    async def update(self, kind: Kind, process_id: UUID, name: str, message: Message[Any]) -> Receipt:
        """Send a command to a running process; when its workflow is lost, it is revived from its row first."""
        handle = self._client.get_workflow_handle(workflow_id(kind.name, process_id))

        async def attempt(nonce: str) -> Receipt:
            update_id = message.command_id + nonce
            receipt: Receipt = await handle.execute_update(
                name, message, id=update_id, result_type=Receipt, rpc_timeout=LONGEST_SILENCE
            )
            # Only here: a receipt that is found in the history table says nothing of what the workflow knows.
            self._confirmations.add(process_id, receipt.revision)
            return receipt

        async with self._budgeted(), self._gate(process_id):
            return await self._persist(kind, process_id, message, attempt)

    async def wake(self, kind: str, process_id: UUID, tenant_id: UUID) -> None:
        """Signal a process to decide now; revives it when its workflow is lost. Raises RPCError when Temporal is away."""
        handle = self._client.get_workflow_handle(workflow_id(kind, process_id))
        try:
            await handle.signal(WAKE_SIGNAL, rpc_timeout=timedelta(seconds=2))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            await self._revival.revive(kind, process_id, tenant_id)

    async def mend(self, kind: str, process_id: UUID, tenant_id: UUID) -> bool:
        """Replace a process's run if no worker can replay it. Returns whether it was; raises RPCError when Temporal is away."""
        return await self._revival.replace(kind, process_id, tenant_id)

    async def _persist(
        self, kind: Kind, process_id: UUID, message: Message[Any], attempt: Callable[[str], Any]
    ) -> Receipt:
        """Try until there is an answer or the budget is used up."""
        nonce, pause = "", 0.02
        deadline = asyncio.get_running_loop().time() + self._budget
        async with self._budgeted():
            while True:
                # The client turns the cancellation by our timeout into an error of its own, so the clock is asked too.
                if asyncio.get_running_loop().time() >= deadline:
                    raise Unavailable
                try:
                    receipt = await self._once(kind, process_id, message, attempt, nonce)
                    break
                except Again as again:
                    if again.fresh:
                        nonce = f"/{secrets.token_hex(4)}"
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.5)
        if receipt.fingerprint != message.fingerprint:
            raise KeyReused
        return receipt

    async def _once(
        self, kind: Kind, process_id: UUID, message: Message[Any], attempt: Callable[[str], Any], nonce: str
    ) -> Receipt:
        try:
            receipt: Receipt = await attempt(nonce)
        except WorkflowUpdateFailedError as error:
            return await self._failed(kind, process_id, message, error, first=not nonce)
        except WorkflowAlreadyStartedError:
            return await self._look_up(kind, process_id, message)
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            await self._mend_quietly(kind, process_id, message)
            raise Again from None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return await self._look_up(kind, process_id, message)
            if error.status is RPCStatusCode.FAILED_PRECONDITION:
                await self._mend_quietly(kind, process_id, message)
            if error.status in PASSING:
                raise Again from error
            raise
        except RuntimeError as error:
            # What the client's core raises while a lazy connection has not come about yet.
            raise Again from error
        return receipt

    async def _mend_quietly(self, kind: Kind, process_id: UUID, message: Message[Any]) -> None:
        """Look whether the process is deaf because no worker can replay its run; what hinders that hinders the next try too."""
        with contextlib.suppress(RPCError, SQLAlchemyError):
            await self.mend(kind.name, process_id, message.tenant_id)

    async def _failed(
        self, kind: Kind, process_id: UUID, message: Message[Any], error: WorkflowUpdateFailedError, *, first: bool
    ) -> Receipt:
        cause = error.cause
        failure = cause.type if isinstance(cause, ApplicationError) else None
        if failure == REFUSED and isinstance(cause, ApplicationError):
            if first and message.command.type in CREATING:
                # A refused creation leaves its answer under the constant update id, although its process may be created anew.
                raise Again(fresh=True) from error
            raise Refused(RefusalRecord.model_validate(cause.details[0])) from None
        if failure == FOREIGN:
            raise NotFound("There is no such thing.") from None
        if failure == BUG:
            # The failure may be one that an earlier try left under this update id; ask once more under another.
            if first:
                raise Again(fresh=True) from error
            raise Broken from error
        async with tenant_transaction(self._engine, message.tenant_id) as connection:
            found = await processes.recorded(connection, kind.name, process_id, message.command_id)
        if found:
            return found
        raise Again(fresh=True) from error

    async def _look_up(self, kind: Kind, process_id: UUID, message: Message[Any]) -> Receipt:
        """No workflow runs under the id: the row says whether it ended, never was, or was lost."""
        async with tenant_transaction(self._engine, message.tenant_id) as connection:
            found = await processes.recorded(connection, kind.name, process_id, message.command_id)
            if found:
                return found
            stands = await processes.standing(connection, kind.name, process_id)
        if stands is None:
            raise NotFound("There is no such thing.")
        if stands.final:
            raise Finished(stands.snapshot.state or {})
        await self._revival.revive(kind.name, process_id, message.tenant_id)
        raise Again

    def _starting(
        self, kind: Kind, process_id: UUID, start: Start[Any], message: Message[Any]
    ) -> WithStartWorkflowOperation[Any, Any]:
        attributes = {
            SUP_TENANT.name: str(message.tenant_id),
            "SupEntity": kind.name,
            **kind.attributes(message.command),
        }
        return WithStartWorkflowOperation(
            kind.name,
            start,
            id=workflow_id(kind.name, process_id),
            task_queue=self._task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=TASK_TIMEOUT,
            static_summary=kind.summary(message.command),
            search_attributes=keywords(attributes),
            priority=Priority(priority_key=kind.priority),
        )

    @contextlib.asynccontextmanager
    async def _budgeted(self) -> AsyncIterator[None]:
        """At most the budget; what runs out of it is Unavailable."""
        try:
            async with asyncio.timeout(self._budget):
                yield
        except TimeoutError:
            raise Unavailable from None

    @contextlib.asynccontextmanager
    async def _gate(self, process_id: UUID) -> AsyncIterator[None]:
        """Let few updates of one process be in flight; the others wait here, within their budget."""
        gate = self._gates.get(process_id)
        if gate is None:
            gate = self._gates[process_id] = asyncio.Semaphore(IN_FLIGHT)
        async with gate:
            yield
