"""Drives the bare engine as the API drives its own: a Temporal client, the same start options, messages of the same size."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.contrib.pydantic import pydantic_data_converter

from api.revival import TASK_TIMEOUT
from benchmarks.bare import READY, TASK_QUEUE, Note, Text

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Sizes:
    """Bytes of what one kind of input puts into Temporal: the message, the recorded outcome, the answer."""

    message: int
    outcome: int
    answer: int

    def note(self) -> Note:
        """An input of these sizes."""
        return Note(text="x" * self.message, outcome=self.outcome, answer=self.answer)


async def sizes(client: Client, workflow_id: str) -> tuple[Sizes, Sizes]:
    """What the creation and the last update of a real ticket weigh, from its own history."""
    events = [event async for event in client.get_workflow_handle(workflow_id).fetch_history_events()]
    messages = [_bytes(e.workflow_execution_started_event_attributes.input) for e in events[:1]]
    outcomes, answers = [], []
    for event in events:
        match event.event_type:
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                outcomes.append(sum(map(_bytes, event.marker_recorded_event_attributes.details.values())))
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                accepted = event.workflow_execution_update_accepted_event_attributes
                messages.append(_bytes(accepted.accepted_request.input.args))
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
                completed = event.workflow_execution_update_completed_event_attributes
                answers.append(_bytes(completed.outcome.success))
    return Sizes(messages[0], outcomes[0], answers[0]), Sizes(messages[-1], outcomes[-1], answers[-1])


async def breach_sizes(client: Client, workflow_id: str) -> tuple[int, int]:
    """Bytes of the state that the last decision of a ticket was handed, and of its outcome."""
    outcomes = []
    async for event in client.get_workflow_handle(workflow_id).fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            outcomes.append(sum(map(_bytes, event.marker_recorded_event_attributes.details.values())))
    return outcomes[-2] if len(outcomes) > 1 else outcomes[-1], outcomes[-1]


def _bytes(payloads: Payloads) -> int:
    return sum(len(payload.data) for payload in payloads.payloads)


async def connect(stack: Mapping[str, Any]) -> Client:
    """A client with the API's payload conversion."""
    return await Client.connect(
        stack["temporalAddress"], namespace=stack["temporalNamespace"], data_converter=pydantic_data_converter
    )


def start_options(tenant: str, number: int) -> dict[str, Any]:
    """How the API starts a ticket's workflow."""
    attributes = {"SupTenant": tenant, "SupEntity": "bare", "SupSeverity": f"SEV{1 + number % 4}"}
    return {
        "task_queue": TASK_QUEUE,
        "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "task_timeout": TASK_TIMEOUT,
        "static_summary": "SEV3 MEDIUM by API",
        "search_attributes": TypedSearchAttributes(
            [SearchAttributePair(SearchAttributeKey.for_keyword(name), value) for name, value in attributes.items()]
        ),
        "priority": Priority(priority_key=1),
    }


@asynccontextmanager
async def bare_worker(stack: Mapping[str, Any]) -> AsyncIterator[int]:
    """The bare engine's worker in a process of its own; yields its pid."""
    environment = {
        **os.environ,
        "TEMPORAL_ADDRESS": stack["temporalAddress"],
        "TEMPORAL_NAMESPACE": stack["temporalNamespace"],
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.bare"), cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            if (await process.stdout.readline()).decode().strip() != READY:
                raise RuntimeError("the bare worker did not start")
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@dataclass
class Engine:
    """The bare engine's side of a round."""

    client: Client
    tenant: str
    creation: Note
    update: Note
    started: list[str] = field(default_factory=list)

    @classmethod
    async def like(cls, client: Client, tenant: str, ticket: str) -> Self:
        """With messages as long as those of this ticket."""
        first, later = await sizes(client, f"ticket/{ticket}")
        return cls(client, tenant, first.note(), later.note())

    async def create(self, number: int) -> None:
        """Start a workflow and wait for the outcome of its creating input."""
        workflow_id = f"bare/{uuid4()}"
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            "bare", self.creation, id=workflow_id, **start_options(self.tenant, number)
        )
        await self.client.execute_update_with_start_workflow(
            "create", start_workflow_operation=operation, id="create", result_type=Text
        )
        self.started.append(workflow_id)

    async def change(self, number: int) -> None:
        """Send one of the started workflows an input."""
        handle = self.client.get_workflow_handle(self.started[number % len(self.started)])
        await handle.execute_update("change", self.update, id=uuid4().hex, result_type=Text)

    def begin_updates(self, seed: int) -> None:
        """Mix the workflows that updates go to."""
        random.Random(seed).shuffle(self.started)
