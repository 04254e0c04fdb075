"""The loop: each lane leases what is due into its free places, one message per recipient at a time, and nobody waits for another."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog

from activities.notifications.bell import Bell
from db.away import is_away

log = structlog.get_logger(__name__)

GRACE_SECONDS: Final = 8.0
"""How long stopping waits for what is being sent; below the worker's own grace."""

BREATH_SECONDS: Final = 0.05
"""Between two looks while there is work: what comes in meanwhile is leased with one query."""

STEP_SECONDS: Final = 0.05
MOST_STEPS: Final = 40
"""For two seconds at most a look gives way to a storm of decisions; then it takes its turn."""

SHORTEST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between looks while the database is away."""


class Upkeep(Protocol):
    """What is done now and then beside delivering."""

    async def __call__(self) -> None: ...

    async def close(self) -> None:
        """Let go of what is kept open for deliveries."""
        ...


class Lane(Protocol):
    """One sort of work. A lane that is full does not keep the others from theirs."""

    @property
    def name(self) -> str: ...

    @property
    def places(self) -> int:
        """How many items are handled at a time."""
        ...

    async def lease(self, busy: Collection[str], most: int) -> Sequence[Any]:
        """What is due, at most so many, none for those who are busy."""
        ...

    def key(self, item: Any) -> str:
        """Whom an item is for."""
        ...

    async def handle(self, item: Any) -> None:
        """Deliver it, and say how that ended. Raises nothing that was to be expected."""
        ...


def complain(error: Exception, lane: str) -> None:
    """A database that is away is a line in the log, everything else is a bug of ours."""
    if is_away(error):
        log.warning("dispatcher_hindered", lane=lane, error=type(error).__name__)
    else:
        log.error("dispatcher_broken", lane=lane, exc_info=error)


class Dispatcher:
    """Delivers what stands in the outbox, until told to stop."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        bell: Bell,
        upkeep: Upkeep,
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        self.lanes = lanes
        self.bell = bell
        self.upkeep = upkeep
        self.crowded = crowded
        self.stopping = asyncio.Event()
        self.running: dict[str, dict[str, asyncio.Task[None]]] = {lane.name: {} for lane in lanes}

    async def run(self) -> None:
        """Work until `stop`, whatever is away meanwhile; then finish what is being sent."""
        listening = asyncio.create_task(self.bell.listen())
        tending = asyncio.create_task(self._tend())
        pause = SHORTEST_PAUSE
        try:
            while not self.stopping.is_set():
                try:
                    await self._look()
                    pause = SHORTEST_PAUSE
                except Exception as error:
                    complain(error, "all")
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            for task in (listening, tending):
                task.cancel()
            await asyncio.gather(listening, tending, return_exceptions=True)
            await self._finish()
            await self.bell.close()
            await self.upkeep.close()

    def stop(self) -> None:
        """Lease nothing more."""
        self.stopping.set()
        self.bell.rung.set()

    async def _look(self) -> None:
        """Start what is due; when that is nothing, wait until something is. Deadlines that pass in a storm go first."""
        steps = 0
        while self.crowded() and steps < MOST_STEPS and not self.stopping.is_set():
            steps += 1
            await asyncio.sleep(STEP_SECONDS)
        if await self.fill():
            await self.bell.busy()
            await asyncio.sleep(BREATH_SECONDS)
        else:
            await self.bell.rest()
            self.bell.rung.clear()

    async def fill(self) -> int:
        """Lease into every free place. Returns how much was started. Raises what the database raises when it is away."""
        started = 0
        for lane in self.lanes:
            running = self.running[lane.name]
            free = lane.places - len(running)
            if free <= 0:
                continue
            items = await lane.lease(running.keys(), free)
            for item in items:
                self._start(lane, item)
            started += len(items)
        return started

    async def drain(self) -> int:
        """Deliver all that is due now, and what follows from it. Returns how many items that were."""
        total = 0
        while started := await self.fill():
            total += started
            await self._all()
        return total

    def _start(self, lane: Lane, item: Any) -> None:
        key = lane.key(item)
        running = self.running[lane.name]
        task = asyncio.create_task(self._handle(lane, item))
        running[key] = task

        def done(_: asyncio.Task[None]) -> None:
            running.pop(key, None)
            self.bell.rung.set()

        task.add_done_callback(done)

    async def _handle(self, lane: Lane, item: Any) -> None:
        try:
            await lane.handle(item)
        except Exception as error:
            # The lease ends by itself, and the attempt has been counted: what is broken is not tried for ever.
            complain(error, lane.name)

    async def _all(self) -> None:
        tasks = [task for running in self.running.values() for task in running.values()]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _finish(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await self._all()
        for running in self.running.values():
            for task in list(running.values()):
                task.cancel()
        await self._all()

    async def _tend(self) -> None:
        while True:
            try:
                await self.upkeep()
            except Exception as error:
                complain(error, "upkeep")
            await asyncio.sleep(10.0)
