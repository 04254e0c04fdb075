"""The bare engine: a workflow of the ticket's shape that does nothing, and the process of its worker."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta

import uvloop
from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.common import SearchAttributeKey
from temporalio.worker import PollerBehaviorAutoscaling, UnsandboxedWorkflowRunner, Worker

from runtime.settings import Settings
from runtime.temporal import connect
from workflows.timing import TIMER_ATTEMPT, UPDATE_ATTEMPT

SUP_BREACHED = SearchAttributeKey.for_bool("SupBreached")
TASK_QUEUE = "bare"
READY = "ready"


class Note(BaseModel):
    """An input: a text as long as a real message, and how long the outcome and the answer to it are to be."""

    text: str
    outcome: int
    answer: int


class Work(BaseModel):
    """What the activity is handed: the last outcome and the input, as a decision is."""

    state: str
    note: Note


class Text(BaseModel):
    """An outcome or an answer of a given length."""

    text: str


@activity.defn
async def nothing(work: Work) -> Text:
    """Decide nothing, at a real outcome's length."""
    return Text(text="x" * work.note.outcome)


@workflow.defn(name="bare")
class BareWorkflow:
    """A ticket without its rules, its Postgres and its HTTP: the same start, update, lock, local activity and wait."""

    @workflow.init
    def __init__(self, start: Note) -> None:
        self._start = start
        self._state = ""
        self._lock = asyncio.Lock()
        self._final = False

    @workflow.run
    async def run(self, start: Note) -> None:
        """Execute the creating input, then wait."""
        await self._decide(start, creating=True)
        await workflow.wait_condition(lambda: self._final)

    @workflow.update
    async def create(self) -> Text:
        """Wait for the outcome of the creating input."""
        await workflow.wait_condition(lambda: bool(self._state))
        return Text(text="x" * self._start.answer)

    @workflow.update
    async def change(self, note: Note) -> Text:
        """Take one more input."""
        await workflow.wait_condition(lambda: bool(self._state))
        await self._decide(note, creating=False)
        return Text(text="x" * note.answer)

    @change.validator
    def validate_change(self, note: Note) -> None:
        """Accept everything."""

    async def _decide(self, note: Note, *, creating: bool) -> None:
        async with self._lock:
            outcome = await workflow.execute_local_activity(
                nothing, Work(state=self._state, note=note), **(TIMER_ATTEMPT if creating else UPDATE_ATTEMPT)
            )
            self._state = outcome.text


class Alarm(BaseModel):
    """When to ring, and how long the state of a ticket and the outcome of a breach are."""

    due: datetime
    state: str
    outcome: int


class Rung(BaseModel):
    """How late it rang, in seconds, at a real outcome's length."""

    late: float
    text: str


@activity.defn
async def ring(alarm: Alarm) -> Rung:
    """Note how late it is by now."""
    late = (datetime.now(UTC) - alarm.due).total_seconds()
    return Rung(late=late, text="x" * alarm.outcome)


@workflow.defn(name="alarm")
class AlarmWorkflow:
    """What a breach asks of Temporal: a timer, one local activity when it fires, its search attribute, and the next timer."""

    def __init__(self) -> None:
        self._late: float | None = None

    @workflow.run
    async def run(self, alarm: Alarm) -> None:
        """Sleep until the alarm is due, note how late it rang, show that, and sleep on."""
        await workflow.sleep(max(timedelta(milliseconds=1), alarm.due - workflow.now()))
        rung = await workflow.execute_local_activity(ring, alarm, **TIMER_ATTEMPT)
        self._late = rung.late
        workflow.upsert_search_attributes([SUP_BREACHED.value_set(True)])
        await workflow.sleep(timedelta(hours=4))

    @workflow.query
    def late(self) -> float | None:
        """How late it rang; None when it has not yet."""
        return self._late


async def serve() -> None:
    """Work with the settings of `worker.py` until SIGTERM; says `ready` on stdout before."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    worker = Worker(
        await connect(Settings()),
        task_queue=TASK_QUEUE,
        workflows=[BareWorkflow, AlarmWorkflow],
        activities=[nothing, ring],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=5000,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        no_remote_activities=True,
    )
    async with worker:
        print(READY, flush=True)
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve())
    # As in worker.py: the SDK's threads can abort an interpreter that is going away.
    sys.stdout.flush()
    os._exit(0)
