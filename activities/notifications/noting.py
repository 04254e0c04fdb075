"""Notes what has been delivered, many rows with one statement: a transaction of its own costs a row more than its mail does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

GATHER_SECONDS: Final = 0.01
"""How long the first row waits for others. Killed meanwhile, their leases run out: they go out again, under the same ids."""


@dataclass
class Noting:
    """Rows that wait to be noted by `write`."""

    write: Callable[[Sequence[UUID]], Awaitable[None]]
    waiting: dict[UUID, asyncio.Future[None]] = field(default_factory=dict)
    writing: asyncio.Task[None] | None = None

    async def note(self, row: UUID) -> None:
        """Return when the row is noted. Raises what `write` raises."""
        noted = self.waiting.setdefault(row, asyncio.get_running_loop().create_future())
        if self.writing is None:
            self.writing = asyncio.create_task(self._write())
        await noted

    async def _write(self) -> None:
        try:
            await asyncio.sleep(GATHER_SECONDS)
            while self.waiting:
                batch, self.waiting = self.waiting, {}
                failure: Exception | None = None
                try:
                    await self.write(list(batch))
                except Exception as error:
                    failure = error
                for noted in batch.values():
                    if not noted.done():  # whoever waited may have been cancelled
                        noted.set_exception(failure) if failure else noted.set_result(None)
        finally:
            self.writing = None
