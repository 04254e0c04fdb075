"""The transaction of one decision: what was recorded before, on what to decide now, and everything that must be written with it."""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool
from pydantic_core import to_json
from sqlalchemy import bindparam, func, select, text, update

from db.bookkeeping import History, ledger_rows, notice_rows
from db.statements import Bound, Statement, joined, run
from db.tables.processes import processes
from domain.ids import effect_id
from domain.process import Decision, Invalid, KeyReused, Refusal
from domain.protocol import Outcome, PendingEffect, Receipt, Record, RefusalRecord, Request, Snapshot

Connection = AsyncConnection[DictRow]

MOST_RECORDED: Final = 1_000_000
"""Bytes that one decision may hand to Temporal, which takes 2 MiB; what is larger is refused before it is written."""

MOST_ADOPTED: Final = 500_000
"""Bytes of missed history rows that are told to Temporal; more are left to Postgres alone."""

RECEIPT_TOLERANCE: Final = timedelta(seconds=10)
"""How far before now the API's receipt instant may lie to count as the instant of the event."""


class TooLarge(Invalid):
    """The entity with this change would be larger than a workflow can carry."""

    def __init__(self) -> None:
        super().__init__("The change is too large.")


class Behind(Exception):
    """Postgres knows less than the workflow does: it was restored from a backup, and `summit reconcile --after-restore` must run."""


SET_TENANT = Statement(text("select set_config('summit.tenant', :tenant, true)"))

LOCK = Statement(
    select(processes.c.id, processes.c.revision, processes.c.confirmed_revision, processes.c.final)
    .where(processes.c.id == func.any(bindparam("ids")))
    .order_by(processes.c.id)
    .with_for_update()
)

CONFIRM = Statement(
    update(processes)
    .where(processes.c.id == bindparam("process"))
    .values(confirmed_revision=func.greatest(processes.c.confirmed_revision, bindparam("confirmed")))
)


def receipt(process_id: UUID, row: DictRow) -> Receipt:
    """The answer that a history row keeps."""
    snapshot = row["snapshot"]
    return Receipt(
        process_id=process_id,
        revision=row["revision"],
        command_id=row["command_id"],
        fingerprint=row["fingerprint"],
        at=row["at"],
        state=snapshot["state"],
        deadlines=snapshot["deadlines"],
        answer=row["answer"],
    )


@dataclass
class OpenDecision:
    """A decision under way, its process locked.

    `snapshot` is what to decide upon: the workflow's, or the recorded one when Postgres is ahead of it. `outcome` is set when
    there is nothing left to decide. `rows` holds the first row (or None) of each of the caller's reads, by its statement.
    """

    connection: Connection
    history: History
    request: Request[Any]
    snapshot: Snapshot
    now: datetime
    at: datetime
    fresh: bool
    confirmed: int
    missed: tuple[PendingEffect, ...] = ()
    adopted: tuple[dict[str, Any], ...] = ()
    moved: bool = False
    outcome: Outcome | None = None
    rows: dict[Statement, DictRow | None] = field(default_factory=dict)

    async def read(self, reads: Sequence[Bound]) -> None:
        """Read more, in its order; the first row (or None) of each joins `rows`."""
        cursors = [(read.statement, await run(self.connection, read.statement, read.values)) for read in reads]
        self.rows |= {statement: await cursor.fetchone() for statement, cursor in cursors}

    def row(self, *statements: Statement) -> DictRow | None:
        """The first row of whichever of these statements was read; None where none was, or it found nothing."""
        return next((self.rows[each] for each in statements if each in self.rows), None)

    def refuse(self, refusal: Refusal) -> None:
        """Answer with a refusal; nothing is written."""
        record = RefusalRecord(
            type=type(refusal).__name__,
            category=refusal.category,
            detail=refusal.detail,
            extra=json.loads(to_json(refusal.extra)),
        )
        self._conclude(self.snapshot, refusal=record)

    def repeat(self, row: DictRow) -> None:
        """Answer with what was recorded for the same command; nothing is written."""
        self._conclude(self.snapshot, repeat=receipt(self.request.process_id, row))

    async def record(self, decision: Decision[Any], writes: Iterable[Bound] = ()) -> None:
        """Write the decision and all that goes with it, and commit. A wake that changes nothing writes nothing."""
        request, before = self.request, self.snapshot
        state = decision.state.model_dump(mode="json")
        if request.command.type == "wake" and (state, decision.deadlines) == (before.state, before.deadlines):
            self._conclude(before.model_copy(update={"now": self.now}))
            return
        self.moved = True
        snapshot = self._advance(decision, state)
        effects = tuple(
            PendingEffect(id=effect_id(request.workflow_id, snapshot.revision, n), effect=effect)
            for n, effect in enumerate(decision.effects)
        )
        bounds = [self._bookkeeping(decision, snapshot, effects), *writes]
        alone = [bound for bound in bounds if bound.statement.alone]
        together = joined([bound for bound in bounds if not bound.statement.alone])
        for bound in (together, *alone):
            await run(self.connection, bound.statement, bound.values)
        record = Record(
            command_id=request.command_id,
            fingerprint=request.fingerprint,
            at=self.at,
            answer=decision.answer,
            changes=decision.changes,
            settled=decision.settled,
            notices=decision.notices,
        )
        self._conclude(snapshot, effects, record=record)

    def _conclude(self, snapshot: Snapshot, effects: tuple[PendingEffect, ...] = (), **end: Any) -> None:
        self.outcome = Outcome(snapshot=snapshot, effects=self.missed + effects, adopted=self.adopted, **end)

    def _advance(self, decision: Decision[Any], state: dict[str, Any]) -> Snapshot:
        armed = [deadline for deadline in decision.deadlines if deadline.state == "ARMED"]
        first = min(armed, key=lambda deadline: deadline.due_at, default=None)
        return Snapshot(
            revision=self.snapshot.revision + 1,
            state=state,
            deadlines=decision.deadlines,
            wake_at=first.due_at if first else None,
            wake_kind=first.kind if first else "",
            now=self.now,
            final=decision.final,
            details=decision.details,
            attributes=decision.attributes,
        )

    def _bookkeeping(self, decision: Decision[Any], snapshot: Snapshot, effects: tuple[PendingEffect, ...]) -> Bound:
        request = self.request
        ledger = ledger_rows(self.snapshot, decision, self.at)
        notices = notice_rows(request, snapshot.revision, decision)
        more = self.history.move_and_more if ledger or notices else self.history.move
        shown = {
            "snapshot": snapshot.model_dump_json(),
            "effects": to_json(effects).decode(),
            "changes": to_json(decision.changes).decode(),
            "answer": to_json(decision.answer).decode(),
            "notices": to_json(notices).decode(),
        }
        if sum(len(part.encode()) for part in shown.values()) > MOST_RECORDED:
            raise TooLarge
        return Bound(
            self.history.add if self.fresh else more,
            {
                "process_id": request.process_id,
                "tenant_id": request.tenant_id,
                "kind": request.kind,
                "workflow_id": request.workflow_id,
                "revision": snapshot.revision,
                "confirmed": snapshot.revision if request.replayable else request.snapshot.revision,
                "final": snapshot.final,
                "ledger": to_json(ledger).decode(),
                "events": to_json(decision.announcements).decode(),
                "command": request.command.type,
                "command_id": request.command_id,
                "fingerprint": request.fingerprint,
                "at": self.at,
                "decided_at": self.now,
                "payload": request.command.model_dump_json(),
                "actor": request.actor.model_dump_json(),
                **shown,
            },
        )


SHARE_OF_DEADLINES: Final = 0.25
"""Of the connections: in a storm of deadlines somebody who opens a ticket does not stand in its line. More would not end it sooner."""

STORM: Final = 10
STORM_SECONDS: Final = 0.5
"""So many deadlines within so little time are a storm, in which everything that can wait does."""


@dataclass
class Database:
    """The worker's way to Postgres: one transaction per decision, its statements pipelined into two round trips and the commit.

    A decision's now is the instant at which it was asked for, however long it waits for a connection.
    """

    pool: AsyncConnectionPool[Connection]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=STORM)
        self._wakes = asyncio.Semaphore(max(1, round(SHARE_OF_DEADLINES * self.pool.max_size)))

    def crowded(self) -> bool:
        """Whether so many deadlines have just passed that everything else should wait."""
        return len(self._latest) == STORM and time.monotonic() - self._latest[0] < STORM_SECONDS

    @asynccontextmanager
    async def decision(
        self, request: Request[Any], history: History, reads: Sequence[Bound] = (), touches: Sequence[UUID] = ()
    ) -> AsyncIterator[OpenDecision]:
        """Lock the process (and, in id order, the others that the decision touches) and open a decision on it.

        Leaves with everything committed when the caller has recorded or refused, and with nothing written when it raised.
        """
        seen = self.clock()
        async with self._turn(request), self.pool.connection() as connection, connection.pipeline():
            decision = await self._open(connection, request, history, seen, reads, touches)
            yield decision
            if not decision.moved and decision.confirmed < request.snapshot.revision:
                confirmed = {"process": request.process_id, "confirmed": request.snapshot.revision}
                await run(connection, CONFIRM, confirmed)
            await connection.commit()

    def _turn(self, request: Request[Any]) -> AbstractAsyncContextManager[None]:
        if request.command.type != "wake":
            return nullcontext()
        self._latest.append(time.monotonic())
        return self._wakes

    async def _open(
        self,
        connection: Connection,
        request: Request[Any],
        history: History,
        seen: datetime,
        reads: Sequence[Bound],
        touches: Sequence[UUID],
    ) -> OpenDecision:
        await run(connection, SET_TENANT, {"tenant": str(request.tenant_id)})
        locked = await run(connection, LOCK, {"ids": sorted({request.process_id, *touches})})
        known = await run(
            connection,
            history.recorded,
            {"process": request.process_id, "command": request.command_id, "revision": request.snapshot.revision},
        )
        cursors = [(read.statement, await run(connection, read.statement, read.values)) for read in reads]
        row = next((found for found in await locked.fetchall() if found["id"] == request.process_id), None)
        recorded = await known.fetchall()
        decision = self._judge(connection, history, request, seen, row, recorded)
        decision.rows = {statement: await cursor.fetchone() for statement, cursor in cursors}
        return decision

    def _judge(
        self,
        connection: Connection,
        history: History,
        request: Request[Any],
        seen: datetime,
        row: DictRow | None,
        recorded: list[DictRow],
    ) -> OpenDecision:
        mine = request.snapshot
        theirs = row["revision"] if row else 0
        if theirs < mine.revision:
            raise Behind(
                f"Postgres has {request.workflow_id} at revision {theirs}, its workflow is at {mine.revision}."
            )
        now = max(instant for instant in (request.now, request.armed, mine.now, seen) if instant)
        received = request.received_at
        decision = OpenDecision(
            connection=connection,
            history=history,
            request=request,
            snapshot=mine,
            now=now,
            at=received if received and now - RECEIPT_TOLERANCE <= received <= now else now,
            fresh=row is None,
            confirmed=row["confirmed_revision"] if row else 0,
        )
        ahead = [found for found in recorded if found["revision"] > mine.revision]
        if ahead:
            decision.snapshot = Snapshot.model_validate(ahead[-1]["snapshot"])
            decision.missed = tuple(PendingEffect.model_validate(e) for found in ahead for e in found["effects"])
            rows = [to_json(found) for found in ahead]
            if sum(map(len, rows)) <= MOST_ADOPTED:
                decision.adopted = tuple(json.loads(row) for row in rows)
        same = next((found for found in recorded if found["command_id"] == request.command_id), None)
        if same and same["fingerprint"] != request.fingerprint:
            decision.refuse(KeyReused())
        elif same:
            decision.repeat(same)
        return decision
