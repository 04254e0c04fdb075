"""Confirms answered updates in small batches: what stays unconfirmed is what nobody may have heard of."""

import asyncio
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.loops import surviving
from db import processes

log = structlog.get_logger(__name__)

PERIOD: Final = 0.2
"""Seconds between batches; far below the ten after which the auditor asks."""

LARGEST: Final = 1000


class Confirmations:
    """Collects the revisions that callers have been told of, and writes them down now and then."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: dict[UUID, int] = {}

    def add(self, process_id: UUID, revision: int) -> None:
        """An update has been answered."""
        self._waiting[process_id] = max(revision, self._waiting.get(process_id, 0))

    async def run(self) -> None:
        """Write batches until cancelled, then the last one."""
        try:
            while True:
                await asyncio.sleep(PERIOD)
                async with surviving("confirmations"):
                    await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write what is waiting; when Postgres is away it keeps waiting, and the auditor would find it anyway."""
        while self._waiting:
            batch = dict(sorted(self._waiting.items())[:LARGEST])
            try:
                async with self._engine.begin() as connection:
                    await processes.confirm(connection, batch)
            except (SQLAlchemyError, OSError) as error:
                log.warning("confirmation_delayed", waiting=len(self._waiting), error=type(error).__name__)
                return
            for process_id, revision in batch.items():
                if self._waiting.get(process_id) == revision:
                    del self._waiting[process_id]
