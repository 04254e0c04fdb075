"""Round after round of load and kill -9, with a look at what is left after each restart."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from domain.ids import workflow_id
from domain.protocol import STATE_QUERY
from tests.chaos.agreement import WITHIN, clock, settle, touched
from tests.chaos.desk import Desk
from tests.chaos.findings import Finding
from tests.chaos.histories import check_histories
from tests.chaos.installation import PIECES, Installation
from tests.chaos.load import Load
from tests.chaos.rows import check_rows

TICKETS_A_ROUND: Final = 25
MINUTES: Final = """
update tenants set remind_after_minutes = 1, resolve_after_minutes = 1, reopen_grace_minutes = 0
where id = %s::uuid returning id
"""
"""The shortest promises that the settings allow: a minute's wait for the customer, and no grace after resolving."""

QUERIERS: Final = 4


@dataclass
class Assault:
    """A sequence of rounds on one installation; `queries` asks the workflows for their state all the while."""

    installation: Installation
    desk: Desk
    seed: str
    queries: bool = False
    asked: int = 0
    took: list[float] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed}/assault")
        self._load = Load(self.desk, self.seed)

    async def everything(self, rounds: int) -> None:
        """Kill everything at once at a random moment, so many times."""
        for number in range(1, rounds + 1):
            await self._round(f"round {number}: everything", self._kill_everything)

    async def one(self, rounds: int) -> None:
        """Kill one random piece, so many times; the load goes on while it comes back."""
        for number in range(1, rounds + 1):
            piece = self._random.choice([*PIECES, *PIECES, "supervisor"])
            await self._round(f"round {number}: {piece}", partial(self._kill_one, piece))

    async def findings(self) -> list[Finding]:
        """What holds after all rounds, once every call is answered and everything has come to rest."""
        await self.desk.settle()
        tickets = sorted({call.ticket for call in self.desk.calls if call.ticket})
        client = await self.installation.temporal()
        seconds, differing = await settle(self.installation, client, tickets)
        note = f"at most {max(self.took, default=0):.1f} s, {self.asked} queries meanwhile"
        return [
            Finding(f"all agrees within {WITHIN:.0f} s of a restart", len(self.took), self.disagreements, note),
            Finding("all agrees in the end", len(tickets), differing, f"{seconds:.1f} s"),
            *await check_rows(self.desk),
            *await check_histories(client, tickets),
        ]

    async def _round(self, name: str, kill: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        await self.installation.rows(MINUTES, self.installation.tenant_id)
        since = await clock(self.installation)
        stop = asyncio.Event()
        client = await self.installation.temporal()
        async with self._questions(client):
            repeats = asyncio.create_task(self.desk.settle(list(self.desk.calls)))
            load = asyncio.create_task(self._load.run(stop, TICKETS_A_ROUND))
            await asyncio.sleep(self._random.uniform(0.2, 3.0))
            await kill(stop)
            stop.set()
            repeats.cancel()
            await asyncio.gather(load, repeats, return_exceptions=True)
            if load.exception() is not None:
                raise RuntimeError("the load broke") from load.exception()
            tickets = await touched(self.installation, since)
            seconds, differing = await settle(self.installation, await self.installation.temporal(), tickets)
        self.took.append(seconds)
        self.disagreements += [f"{name}: {difference}" for difference in differing]
        verdict = f"{len(differing)} DIFFER" if differing else f"agree after {seconds:.1f} s"
        print(f"{name}: {len(tickets)} tickets {verdict}, {len(self.desk.calls)} calls so far", flush=True)

    async def _kill_everything(self, stop: asyncio.Event) -> None:
        await self.installation.kill_everything(self._random)
        stop.set()
        await self.installation.start()

    async def _kill_one(self, piece: str, stop: asyncio.Event) -> None:
        if piece == "supervisor":
            await self.installation.kill(piece)
            await asyncio.sleep(self._random.uniform(0, 1))
            await self.installation.start()
            return
        old = self.installation.published["pids"][piece]
        await self.installation.kill(piece)
        await self.installation.back(piece, old)
        await asyncio.sleep(self._random.uniform(0, 2))

    @contextlib.asynccontextmanager
    async def _questions(self, client: Client) -> AsyncIterator[None]:
        """Query random workflows all the while, as operators with the Temporal UI do."""
        asking = [asyncio.create_task(self._ask(client, n)) for n in range(QUERIERS if self.queries else 0)]
        try:
            yield
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, client: Client, number: int) -> None:
        rng = random.Random(f"{self.seed}/{number}/questions")
        while True:
            tickets = self._load.tickets[-12:]
            if tickets:
                handle = client.get_workflow_handle(workflow_id("ticket", UUID(rng.choice(tickets))))
                with contextlib.suppress(RPCError, WorkflowQueryFailedError):
                    await handle.query(STATE_QUERY, rpc_timeout=timedelta(seconds=3))
                    self.asked += 1
            await asyncio.sleep(0.02)
