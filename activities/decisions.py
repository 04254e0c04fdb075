"""One attempt at a decision: open its transaction, let the area's rule judge, record, and sort failures by what they mean."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import psycopg
import structlog
from pydantic import BaseModel, TypeAdapter
from temporalio import activity
from temporalio.exceptions import ApplicationError

from db.away import is_away
from db.bookkeeping import History
from db.decisions import Behind, Database, OpenDecision
from db.statements import Bound
from domain.process import Decision, Refusal
from domain.protocol import BUG, UNAVAILABLE, Outcome, Request

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=BaseModel)

PATIENCE_SECONDS: Final = 2.5
"""How long one attempt waits for Postgres; below the start-to-close timeout of `workflows/timing.py`, which a hanging query ignores."""


@asynccontextmanager
async def attempt(request: Request[Any], contended: frozenset[str]) -> AsyncIterator[None]:
    """Turn failures into the two kinds that the shell knows: Unavailable, which is tried again, and Bug, which is not."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        # Another attempt at the same decision got there first, on a worker thought dead, or another process at what both want; the
        # next attempt finds its row.
        table = error.diag.table_name or ""
        raced = table == "processes" or table.endswith("_history") or table in contended
        raise failure(request, error, UNAVAILABLE if raced else BUG) from error
    except Behind as error:
        log.error("postgres_behind", workflow_id=request.workflow_id, detail=str(error))
        activity.metric_meter().create_counter("summit_decisions_behind").add(1)
        raise ApplicationError(str(error), type=UNAVAILABLE, non_retryable=True) from error
    except Exception as error:
        if is_away(error):
            raise ApplicationError(type(error).__name__, type=UNAVAILABLE) from error
        raise failure(request, error, BUG) from error


def failure(request: Request[Any], error: Exception, kind: str) -> ApplicationError:
    """The failure to raise; a bug is logged and counted, for an alert."""
    if kind == BUG:
        log.exception("decision_broken", workflow_id=request.workflow_id, command=request.command.type)
        activity.metric_meter().create_counter("summit_decisions_broken").add(1, {"kind": request.kind})
    return ApplicationError(f"{type(error).__name__} in a decision", type=kind, non_retryable=kind == BUG)


@dataclass(frozen=True)
class Area(Generic[S]):
    """What one kind of process brings to the decision: its rule, what that reads, and what the decision writes.

    `touches` names the other processes that a command concerns; their rows are locked too, in id order. `more` asks for what can
    only be named once the first reads are in, its locks first; it costs a round trip where it asks for something. In the tables that
    are `contended` two processes may want the same row: who comes second is judged again.
    """

    kind: str
    state: type[S]
    commands: TypeAdapter[Any]
    history: History
    rule: Callable[[OpenDecision], Decision[S]]
    project: Callable[[OpenDecision, Decision[S]], Iterable[Bound]]
    reads: Callable[[Request[Any]], Sequence[Bound]] = lambda _: ()
    touches: Callable[[Request[Any]], Sequence[UUID]] = lambda _: ()
    more: Callable[[OpenDecision], Sequence[Bound]] = lambda _: ()
    contended: frozenset[str] = frozenset()


async def decided(database: Database, area: Area[S], request: Request[Any]) -> Outcome:
    """Decide one input in one transaction: what was recorded under its command id, else what the area's rule says.

    An attempt that Postgres leaves hanging is given up in time. It may still commit: then the next one finds its row.
    Safe to repeat: the command id is looked up, under the process's lock, before anything is judged.
    """
    work = asyncio.create_task(_persistently(database, area, request))
    try:
        done, _ = await asyncio.wait({work}, timeout=PATIENCE_SECONDS)
    finally:
        # Cancelled, a query waits for its server all the same, so nobody waits for the task.
        work.cancel()
        work.add_done_callback(forgotten)
    if not done:
        raise ApplicationError("Postgres did not answer in time", type=UNAVAILABLE)
    return work.result()


async def _persistently(database: Database, area: Area[S], request: Request[Any]) -> Outcome:
    """Until Postgres has answered or the patience of the caller ends."""
    pause = 0.05
    while True:
        try:
            return await _decided(database, area, request)
        except ApplicationError as error:
            if error.type != UNAVAILABLE or error.non_retryable:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.5)


def forgotten(work: asyncio.Task[Outcome]) -> None:
    """Take note of how a task ended, so that it is not reported as an exception that nobody fetched."""
    if not work.cancelled():
        work.exception()


async def _decided(database: Database, area: Area[S], request: Request[Any]) -> Outcome:
    async with attempt(request, area.contended):
        async with database.decision(request, area.history, area.reads(request), area.touches(request)) as opened:
            if opened.outcome is None:
                try:
                    await opened.read(area.more(opened))
                    decision = area.rule(opened)
                    await opened.record(decision, area.project(opened, decision))
                except Refusal as refusal:
                    opened.refuse(refusal)
        outcome = opened.outcome
        if outcome is None:
            raise AssertionError("a decision left its transaction without an outcome")
        log.info(
            "decided",
            tenant_id=str(request.tenant_id),
            workflow_id=request.workflow_id,
            command=request.command.type,
            revision=outcome.snapshot.revision,
            end=outcome.end,
            **{f"{area.kind}_id": str(request.process_id)},
        )
        return outcome
