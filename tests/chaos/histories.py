"""Temporal's own histories: every run of every ticket replays, and no timer is armed again as it was."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from domain.ids import workflow_id
from domain.protocol import UNREPLAYABLE
from tests.chaos.findings import Finding
from workflows.tickets import TicketWorkflow

FETCHES_AT_ONCE: Final = 4
PAUSES: Final = ("creation failed, will try again", "decision failed, will try again")
"""Summaries of the back-off timers, which may well last as long as the one before."""


@dataclass(frozen=True)
class Timer:
    """A timer as a history has it."""

    id: str
    summary: str
    nanoseconds: int


async def runs(client: Client, ticket: str) -> list[WorkflowHistory]:
    """Every run that a ticket ever had, the newest first."""
    name = workflow_id("ticket", UUID(ticket))
    listed = [execution.run_id async for execution in client.list_workflows(f"WorkflowId = '{name}'")]
    return [await client.get_workflow_handle(name, run_id=run).fetch_history() for run in listed]


def was_replaced(history: WorkflowHistory) -> bool:
    """Whether this run was terminated because no worker could replay it."""
    return history.events[-1].workflow_execution_terminated_event_attributes.reason == UNREPLAYABLE


async def check_histories(client: Client, tickets: Iterable[str]) -> list[Finding]:
    """Fetch every run of these tickets, open ones too; replay each and look at its timers.

    A run may have been replaced because no worker could replay it (docs/decisions/004-unreplayable-runs.md): then none can.
    """
    replay = Finding("every run replays", 0)
    timers = Finding("no timer was armed again with an equal duration", 0, needed=False)
    replayer = Replayer(
        workflows=[TicketWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    events = replaced = 0
    async for history in all_runs(client, list(tickets)):
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        replay.examined += 1
        events += len(history.events)
        if was_replaced(history):
            replaced += 1
            if not result.replay_failure:
                replay.violations.append(f"{history.workflow_id} {history.run_id}: replaced, but it replays")
        elif result.replay_failure:
            replay.violations.append(f"{history.workflow_id} {history.run_id}: {result.replay_failure}")
        count, armed_again = repeated_timers(history)
        timers.examined += count
        timers.violations += armed_again
    replay.note = f"{events} events, {replaced} runs were replaced"
    return [replay, timers]


async def all_runs(client: Client, tickets: Sequence[str]) -> AsyncIterator[WorkflowHistory]:
    """The histories of many tickets, a few fetched at a time."""
    for start in range(0, len(tickets), FETCHES_AT_ONCE):
        page = tickets[start : start + FETCHES_AT_ONCE]
        for chain in await asyncio.gather(*(runs(client, ticket) for ticket in page)):
            for history in chain:
                yield history


def repeated_timers(history: WorkflowHistory) -> tuple[int, list[str]]:
    """The number of deadline waits, and those armed after one of the same kind and duration had fired."""
    armed: dict[str, Timer] = {}
    fired: Timer | None = None
    found: list[str] = []
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
            started = event.timer_started_event_attributes
            data = event.user_metadata.summary.data
            summary = str(json.loads(data)) if data else ""
            if summary in PAUSES:
                continue
            timer = Timer(started.timer_id, summary, started.start_to_fire_timeout.ToNanoseconds())
            if fired and (fired.summary, fired.nanoseconds) == (timer.summary, timer.nanoseconds):
                found.append(f"{history.workflow_id} {history.run_id}: event {event.event_id} repeats {timer}")
            armed[timer.id], fired = timer, None
        elif event.event_type == EventType.EVENT_TYPE_TIMER_FIRED:
            fired = armed.get(event.timer_fired_event_attributes.timer_id, fired)
    return len(armed), found
