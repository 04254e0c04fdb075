"""The live stream: one look at the database for all who listen at this process, and each gets what it may know."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from api.auth import Caller
from api.loops import surviving
from db.engine import tenant_transaction
from db.events import Position, Row, events_between, horizon, listeners, live_events
from domain.identity import Role
from domain.tickets.access import sees

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 0.5
CHECK_SECONDS: Final = 5.0
"""How soon somebody who has been deactivated hears no more."""

MOST_READ: Final = 500
MOST_WAITING: Final = 2_000
"""Events that wait for a slow listener; one who is slower is hung up on, and resumes."""


@dataclass(eq=False)
class Listener:
    """Somebody who listens. `began` is where the pump takes over; what is before it the listener reads for itself."""

    caller: Caller
    waiting: asyncio.Queue[Row | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    began: "asyncio.Future[Position | None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    closed: bool = False

    def hear(self, event: Row) -> None:
        """Take an event, when the listener may know of it."""
        if not self.closed and may_know(self.caller, event):
            try:
                self.waiting.put_nowait(event)
            except asyncio.QueueFull:
                self.close()

    def close(self) -> None:
        """End the stream; what waits is dropped, and read again after a resumption."""
        self.closed = True
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)
        if not self.began.done():
            self.began.set_result(None)


@dataclass
class Live:
    """The pump of one API process."""

    engine: AsyncEngine
    joining: set[Listener] = field(default_factory=set)
    present: set[Listener] = field(default_factory=set)
    position: Position | None = None
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    checked_at: float = 0.0

    async def run(self) -> None:
        """Look for events while somebody listens, whatever is away meanwhile, until cancelled; then hang up on all."""
        try:
            while True:
                more = False
                async with surviving("live", EVERY_SECONDS):
                    more = await self._round()
                if not self.present and not self.joining:
                    self.position = None
                    self.wanted.clear()
                    await self.wanted.wait()
                elif not more and not self.joining:
                    self.wanted.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(EVERY_SECONDS):
                            await self.wanted.wait()
        finally:
            for listener in self.present | self.joining:
                listener.close()

    async def listen(
        self, caller: Caller, after: Position | None, seconds: float
    ) -> AsyncIterator[tuple[Position, Row | None]]:
        """What happens from now on, or since `after`, for so many seconds; first a position from which one could resume."""
        listener = Listener(caller)
        timer = asyncio.get_running_loop().call_later(seconds, listener.close)
        self.joining.add(listener)
        self.wanted.set()
        try:
            began = await listener.began
            if began is None:
                return
            yield (began if after is None else after), None
            if after is not None:
                async for event in self._missed(caller, after, began):
                    yield Position(event["xid"], event["seq"]), event
            while (heard := await listener.waiting.get()) is not None:
                yield Position(heard["xid"], heard["seq"]), heard
        finally:
            timer.cancel()
            self.joining.discard(listener)
            self.present.discard(listener)

    async def _missed(self, caller: Caller, after: Position, to: Position) -> AsyncIterator[Row]:
        while after < to:
            async with tenant_transaction(self.engine, caller.tenant_id) as connection:
                rows = await events_between(connection, after, to, MOST_READ)
            for row in rows:
                if may_know(caller, row):
                    yield row
            if len(rows) < MOST_READ:
                return
            after = Position(rows[-1]["xid"], rows[-1]["seq"])

    async def _round(self) -> bool:
        """One look. True when there may be more at once."""
        if not self.present and not self.joining:
            return False
        async with self.engine.begin() as connection:
            now = await horizon(connection)
            if self.position is None:
                self.position = now
            # Who joins hears all that comes after the position of this moment, which is before the read below.
            for listener in self.joining:
                if not listener.began.done():
                    listener.began.set_result(self.position)
            self.present |= self.joining
            self.joining.clear()
            tenants = list({listener.caller.tenant_id for listener in self.present})
            rows = await live_events(connection, tenants, self.position, now, MOST_READ)
        for row in rows:
            for listener in self.present:
                if listener.caller.tenant_id == row["tenant_id"]:
                    listener.hear(row)
        full = len(rows) == MOST_READ
        self.position = Position(rows[-1]["xid"], rows[-1]["seq"]) if full else max(now, self.position)
        await self._check()
        return full

    async def _check(self) -> None:
        """Look up once for all whether those who listen still may, and as whom."""
        loop = asyncio.get_running_loop()
        if loop.time() - self.checked_at < CHECK_SECONDS:
            return
        self.checked_at = loop.time()
        by_tenant: dict[UUID, list[Listener]] = defaultdict(list)
        for listener in self.present:
            by_tenant[listener.caller.tenant_id].append(listener)
        for tenant_id, group in by_tenant.items():
            async with tenant_transaction(self.engine, tenant_id) as connection:
                found = {row["id"]: row for row in await listeners(connection, [each.caller.id for each in group])}
            for listener in group:
                row = found.get(listener.caller.id)
                if row is None:
                    listener.close()
                else:
                    listener.caller = as_of_now(listener.caller, row)


def as_of_now(caller: Caller, row: Row) -> Caller:
    """A caller with role, account and address as the database has them."""
    changes = {"role": Role(row["role"]), "account_id": row["account_id"], "email": row["email"]}
    return replace(caller, actor=caller.actor.model_copy(update=changes))


def may_know(caller: Caller, event: Row) -> bool:
    """The staff know everything; customers what is not internal, of their own account or under their own address."""
    actor = caller.actor
    return actor.staff or (not event["internal"] and sees(actor, event["account_id"], event["address"]))
