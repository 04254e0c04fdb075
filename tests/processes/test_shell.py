"""The shell and the decision are generic: a kind that lives in the tests alone gets all that a ticket gets."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from db.bookkeeping import History
from domain.process import Command
from domain.protocol import BUG, CREATE_UPDATE, DRAINING, REFUSED, STATE_QUERY, Message, Receipt, Snapshot, Start
from tests import stack
from tests.processes.desk import Backstage
from tests.processes.toy import SCHEMA, Bench, JarActivities, JarWorkflow, MakeJar, Put, TollWorkflow, jar_history
from workflows.timing import ROLL_OVER_ATTEMPTS


@dataclass(frozen=True)
class Cellar:
    """A tenant with jars, and the worker that minds them."""

    stage: Backstage
    tenant_id: UUID
    bench: Bench
    queue: str

    def message(self, command: Command, key: str | None = None) -> Message[Any]:
        return Message[Any](tenant_id=self.tenant_id, command=command, command_id=key or uuid.uuid4().hex)

    async def jar(self, **fields: Any) -> "OneJar":
        """A new jar."""
        process_id = uuid.uuid4()
        message = self.message(MakeJar(**fields), f"make/{process_id}")
        client = self.stage.environment.client
        start = WithStartWorkflowOperation(
            "jar",
            Start[MakeJar](tenant_id=self.tenant_id, process_id=process_id, message=message),
            id=f"jar/{process_id}",
            task_queue=self.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        jar = OneJar(self, process_id, client.get_workflow_handle(f"jar/{process_id}"))
        await client.execute_update_with_start_workflow(
            CREATE_UPDATE, start_workflow_operation=start, id=CREATE_UPDATE, result_type=Receipt
        )
        return jar


@dataclass(frozen=True)
class OneJar:
    """One jar."""

    cellar: Cellar
    id: UUID
    handle: WorkflowHandle[Any, Any]

    async def put(self, coins: int, *, key: str | None = None, **fields: Any) -> Receipt:
        """Send a Put; while the history rolls over, again."""
        message = self.cellar.message(Put(coins=coins, **fields), key)
        while True:
            try:
                receipt: Receipt = await self.handle.execute_update("put", message, result_type=Receipt)
            except WorkflowUpdateFailedError as error:
                if failure(error).type != DRAINING:
                    raise
            except RPCError:
                pass
            else:
                return receipt

    async def snapshot(self) -> Snapshot:
        return await self.handle.query(STATE_QUERY, result_type=Snapshot)

    async def history(self) -> list[dict[str, Any]]:
        return await self.cellar.stage.rows(
            "select * from jar_history where process_id = %s order by revision", self.id
        )

    async def row(self) -> dict[str, Any]:
        [row] = await self.cellar.stage.rows("select coins, gifts from jars where id = %s", self.id)
        return row

    async def ledger(self) -> list[dict[str, Any]]:
        query = "select kind, cycle, state, due_at, settled_at from deadlines where process_id = %s"
        return await self.cellar.stage.rows(query, self.id)

    async def pass_time(self, **duration: float) -> bool:
        return await stack.fast_forward(self.cellar.stage.environment, self.handle, **duration)

    def effect(self, revision: int, n: int) -> WorkflowHandle[Any, Any]:
        """The n-th effect of a decision."""
        return self.cellar.stage.environment.client.get_workflow_handle(f"jar/{self.id}/{revision}/{n}")

    async def run_id(self) -> str:
        return (await self.handle.describe()).run_id


def failure(error: WorkflowUpdateFailedError) -> ApplicationError:
    """Why an update failed."""
    assert isinstance(error.cause, ApplicationError)
    return error.cause


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def history(stage: Backstage) -> History:
    """What the migration of a new kind would bring, on one page."""
    await stage.rows(SCHEMA)
    return jar_history()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mill(stage: Backstage, history: History) -> AsyncIterator[tuple[Bench, str]]:
    """A worker that minds jars."""
    bench, queue = Bench(), f"jars-{uuid.uuid4().hex[:8]}"
    async with Worker(
        stage.environment.client,
        task_queue=queue,
        workflows=[JarWorkflow, TollWorkflow],
        activities=[JarActivities(stage.database, bench, history).decide_jar],
        workflow_runner=SandboxedWorkflowRunner(),
        graceful_shutdown_timeout=timedelta(0),
    ):
        yield bench, queue


@pytest_asyncio.fixture(loop_scope="session")
async def cellar(stage: Backstage, mill: tuple[Bench, str]) -> Cellar:
    """A cellar of a tenant of its own."""
    bench, queue = mill
    bench.weather.broken = False
    return Cellar(stage, (await stage.desk()).tenant_id, bench, queue)


async def test_a_kind_of_the_tests_is_created_decided_recorded_and_projected(cellar: Cellar) -> None:
    jar = await cellar.jar(coins=5)
    receipt = await jar.put(3)
    assert (receipt.revision, receipt.answer) == (2, {"coins": 8})
    assert await jar.row() == {"coins": 8, "gifts": 0}
    recorded = [(row["revision"], row["command"], row["changes"]) for row in await jar.history()]
    assert recorded[1] == (2, "put", {"coins": {"before": 5, "after": 8}})
    assert (await jar.snapshot()).details == "8 coins"


async def test_a_refusal_fails_the_update_and_nothing_else(cellar: Cellar) -> None:
    jar = await cellar.jar(coins=5)
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await jar.put(-6)
    assert failure(failed.value).type == REFUSED
    assert failure(failed.value).details[0]["extra"] == {"coins": 5}
    assert (await jar.put(-5)).revision == 2


async def test_a_bug_in_a_rule_fails_that_update_and_the_next_one_works(cellar: Cellar) -> None:
    jar = await cellar.jar(coins=5)
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await jar.put(1, broken=True)
    assert failure(failed.value).type == BUG
    assert (await jar.put(1)).revision == 2
    assert (await jar.row())["coins"] == 6


async def test_a_bug_while_creating_fails_the_run_and_leaves_nothing(cellar: Cellar) -> None:
    cellar.bench.weather.broken = True
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await cellar.jar()
    assert failure(failed.value).type == BUG
    rows = await cellar.stage.rows("select 1 from processes where tenant_id = %s", cellar.tenant_id)
    assert rows == []


async def test_a_timer_that_meets_a_bug_backs_off_and_goes_on_when_it_is_mended(cellar: Cellar) -> None:
    jar = await cellar.jar(bell_after=60)
    due = (await jar.snapshot()).wake_at
    cellar.bench.weather.broken = True
    await jar.pass_time(minutes=62)
    assert [row["state"] for row in await jar.ledger()] == ["ARMED"]
    events = len((await jar.handle.fetch_history()).events)
    await jar.pass_time(minutes=2)
    assert len((await jar.handle.fetch_history()).events) - events < 60
    cellar.bench.weather.broken = False
    await jar.pass_time(minutes=1)
    assert await jar.ledger() == [{"kind": "BELL", "cycle": 1, "state": "FIRED", "due_at": due, "settled_at": due}]
    assert (await jar.handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_a_timer_that_meets_a_bug_for_hours_rolls_over_and_rings_once(cellar: Cellar) -> None:
    jar = await cellar.jar(bell_after=60)
    first = await jar.run_id()
    cellar.bench.weather.broken = True
    await jar.pass_time(hours=1, minutes=45)
    cellar.bench.weather.broken = False
    await jar.pass_time(minutes=5)
    assert await jar.run_id() != first
    assert [row["state"] for row in await jar.ledger()] == ["FIRED"]
    assert [row["command"] for row in await jar.history()] == ["create", "wake"]


async def test_effects_are_children_of_their_own_life_with_fixed_ids(cellar: Cellar) -> None:
    jar = await cellar.jar()
    await jar.put(1, tolls=2)
    for n in range(2):
        description = await started(jar.effect(2, n))
        assert description.parent_id == f"jar/{jar.id}"
    await jar.put(1, smash=True)
    await jar.handle.result()
    for n in range(2):
        assert (await jar.effect(2, n).describe()).status is WorkflowExecutionStatus.RUNNING
        await jar.effect(2, n).signal("over")
        assert await jar.effect(2, n).result() == {"n": n}


async def test_a_timers_effect_is_started_too(cellar: Cellar) -> None:
    jar = await cellar.jar(bell_after=60, tolls=True)
    await jar.pass_time(minutes=60)
    await started(jar.effect(2, 0))
    await jar.effect(2, 0).signal("over")
    assert await jar.effect(2, 0).result() == {"ring": 1}


async def test_a_repeated_command_starts_its_effects_once(cellar: Cellar) -> None:
    jar = await cellar.jar()
    first = await jar.put(1, tolls=1, key="toll-once")
    run = (await started(jar.effect(2, 0))).run_id
    assert await jar.put(1, tolls=1, key="toll-once") == first
    assert (await started(jar.effect(2, 0))).run_id == run
    await jar.effect(2, 0).terminate()


async def test_effects_and_the_bell_survive_a_roll_over(cellar: Cellar) -> None:
    jar = await cellar.jar(bell_after=600)
    before = await jar.snapshot()
    await jar.put(1, tolls=1)
    run = (await started(jar.effect(2, 0))).run_id
    first = await jar.run_id()
    for _ in range(ROLL_OVER_ATTEMPTS + 3):
        await jar.put(1)
    assert await jar.run_id() != first
    after = await jar.snapshot()
    assert (after.wake_at, after.wake_kind, after.deadlines) == (before.wake_at, before.wake_kind, before.deadlines)
    [*_, last] = await jar.history()
    assert after == Snapshot.model_validate(last["snapshot"])
    description = await jar.effect(2, 0).describe()
    assert (description.run_id, description.status) == (run, WorkflowExecutionStatus.RUNNING)
    await jar.effect(2, 0).signal("over")
    await jar.pass_time(minutes=600)
    assert [row["state"] for row in await jar.ledger()] == ["FIRED"]


async def test_two_jars_that_give_to_each_other_do_not_deadlock(cellar: Cellar) -> None:
    one, other = await cellar.jar(coins=100), await cellar.jar(coins=100)
    async with asyncio.timeout(60):
        for _ in range(10):
            await asyncio.gather(
                *(one.put(-1, into=other.id) for _ in range(3)), *(other.put(-1, into=one.id) for _ in range(3))
            )
    assert await one.row() == await other.row() == {"coins": 70, "gifts": 30}
    for jar in (one, other):
        assert [row["revision"] for row in await jar.history()] == list(range(1, 32))


async def test_the_bell_is_posted_once(cellar: Cellar) -> None:
    jar = await cellar.jar(bell_after=1)
    await jar.pass_time(minutes=5)
    rows = await cellar.stage.rows("select template, rung from notifications where process_id = %s", jar.id)
    assert rows == [{"template": "bell", "rung": "BELL/1"}]


async def started(handle: WorkflowHandle[Any, Any]) -> Any:
    """The description of an effect, which is started after the answer was given."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await handle.describe()
            except RPCError:
                await asyncio.sleep(0.02)
