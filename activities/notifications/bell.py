"""What wakes the dispatcher: a notification of Postgres, sent only while somebody waits for it, and else a slow poll."""

import asyncio
from contextlib import suppress
from typing import Final

import psycopg
import structlog

log = structlog.get_logger(__name__)

CHANNEL: Final = "summit_outbox"
LOCK: Final = 357913941001
"""The trigger of migration 0007 takes it shared: who holds it exclusively is idle and wants to be woken.

A NOTIFY takes a lock of the whole database at commit. Busy writers find nobody idle, so they do not pay for it."""

POLL_SECONDS: Final = 1.0
SHORTEST_SECONDS: Final = 0.05


class Bell:
    """Two connections of their own: one listens, the other holds the lock while the dispatcher is idle."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.rung = asyncio.Event()
        self.holder: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self.armed = False
        self.pause = SHORTEST_SECONDS

    async def listen(self) -> None:
        """Ring at every notification, until cancelled; a lost connection is made anew."""
        while True:
            with suppress(psycopg.Error, OSError):
                async with await self._connect() as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    self.rung.set()
                    async for _ in connection.notifies():
                        self.rung.set()
            await asyncio.sleep(POLL_SECONDS)

    async def rest(self) -> None:
        """Wait for work, when there was none at the last look. Returns at once the first time, for a look that misses nothing:

        from then on writers ring, and what was written before is visible.
        """
        if not self.armed:
            self.armed = await self._arm()
            if self.armed:
                return
        seconds = POLL_SECONDS if self.armed else self.pause
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.rung.wait()
        self.pause = min(2 * self.pause, POLL_SECONDS)

    async def busy(self) -> None:
        """There is work: nobody needs to ring."""
        self.rung.clear()
        self.pause = SHORTEST_SECONDS
        if self.armed:
            self.armed = False
            await self._disarm()

    async def close(self) -> None:
        """Let go of the lock."""
        self.armed = False
        if self.holder is not None:
            await self.holder.close()
            self.holder = None

    async def _arm(self) -> bool:
        """Take the lock. False while writers are between their insert and their commit, or when another dispatcher is idle."""
        try:
            if self.holder is None or self.holder.closed:
                self.holder = await self._connect()
            found = await (await self.holder.execute("select pg_try_advisory_lock(%s)", (LOCK,))).fetchone()
            return bool(found and found[0])
        except (psycopg.Error, OSError):
            await self.close()
            return False

    async def _disarm(self) -> None:
        try:
            if self.holder is not None:
                await self.holder.execute("select pg_advisory_unlock(%s)", (LOCK,))
        except (psycopg.Error, OSError):
            await self.close()

    async def _connect(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        return await psycopg.AsyncConnection.connect(
            self.conninfo, autocommit=True, connect_timeout=3, application_name="summit-dispatcher"
        )
