"""Sends the orders: some at a time, each until it is in Postgres, through whatever is away in between."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from api.errors import Refused, Unavailable
from api.processes import Broken, Finished, Processes
from api.ticket_kind import TICKET
from cli.imports.model import Bad
from cli.imports.orders import Order
from cli.imports.survey import told
from db.away import is_away
from domain.tickets.importing import ImportOver

LONGEST_PAUSE: Final = 10.0

T = TypeVar("T")


class End(Enum):
    """What became of an order."""

    MADE = auto()
    THERE = auto()
    REFUSED = auto()


@dataclass
class Sender:
    """Sends orders, at most `in_flight` at a time. `waits` is told whenever something is away, and when it is back."""

    processes: Processes
    in_flight: int
    done: Callable[[End, Bad | None], None]
    waits: Callable[[bool], None] = lambda _: None
    _room: asyncio.Semaphore = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _fault: BaseException | None = None

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.in_flight)

    async def take(self, order: Order, where: str, *, there: bool) -> None:
        """Take an order once there is room for it. One that is `there` is looked at only where more than its creation is to be sent."""
        if there and not order.more:
            self.done(End.THERE, None)
            return
        await self._room.acquire()
        if self._fault:
            raise self._fault
        task = asyncio.create_task(self._one(order, where, there=there))
        self._tasks.add(task)
        task.add_done_callback(self._gone)
        await asyncio.sleep(0)

    async def finish(self) -> None:
        """Wait for all that is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._fault:
            raise self._fault

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._fault = self._fault or (None if task.cancelled() else task.exception())
        self._room.release()

    async def _one(self, order: Order, where: str, *, there: bool) -> None:
        try:
            if not there:
                await patiently(partial(self.processes.create, TICKET, order.process_id, order.creation), self.waits)
            for message in order.more:
                send = partial(self.processes.update, TICKET, order.process_id, "import_comments", message)
                await patiently(send, self.waits)
        except Finished:
            there = True  # it ended without this message: an earlier export, of which it is a copy, had less
        except Refused as refused:
            record = refused.record
            if record.type != ImportOver.__name__:
                errors = told(record.extra.get("errors") or []) or [("", record.detail)]
                self.done(End.REFUSED, Bad("ticket", order.external_ref.partition(":")[2], where, errors))
                return
            there = True
        except Broken:
            failed = [("", "could not be taken over by a fault of ours; the worker's log has it")]
            self.done(End.REFUSED, Bad("ticket", order.external_ref.partition(":")[2], where, failed))
            return
        self.done(End.THERE if there else End.MADE, None)


async def patiently(ask: Callable[[], Awaitable[T]], waits: Callable[[bool], None]) -> T:
    """Ask until there is an answer: whatever is away comes back, and a repeat finds what was done."""
    pause = 0.2
    while True:
        try:
            answer = await ask()
        except (Unavailable, RPCError, RuntimeError):
            pass  # a RuntimeError is what the client raises that cannot connect
        except (SQLAlchemyError, OSError) as error:
            if not is_away(error):
                raise
        else:
            waits(False)
            return answer
        waits(True)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
