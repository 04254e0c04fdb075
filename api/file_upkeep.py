"""Drops what was uploaded and never used, and content that no file has any more. Any number of processes may be at it."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from api.loops import surviving
from db.attachments import drop_unused, named_content
from db.engine import tenant_transaction
from runtime.blobs import Blobs

log = structlog.get_logger(__name__)

UNUSED: Final = timedelta(days=7)
"""How long a file waits for the comment that it was uploaded for."""

YOUNG: Final = timedelta(days=1)
"""Content of this age is left alone: its row may be on its way."""

PORTION: Final = 500

INTERVAL_SECONDS: Final = 6 * 3600.0
FIRST_SECONDS: Final = 60.0


@dataclass(frozen=True)
class FileUpkeep:
    """Looks through the store now and then."""

    engine: AsyncEngine
    blobs: Blobs

    async def run(self) -> None:
        """Until cancelled, whatever is away meanwhile."""
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            async with surviving("file_upkeep"):
                await self.round(datetime.now(UTC))
            await asyncio.sleep(INTERVAL_SECONDS)

    async def round(self, now: datetime) -> None:
        """Once."""
        left = await self.blobs.tidy()
        # Whoever has a file has a place in the store, so the store knows all the tenants there are to look at.
        for tenant in await self.blobs.tenants():
            rows, contents = await self._unused(tenant, now), await self._unnamed(tenant, now)
            if rows or contents:
                log.info("files_dropped", tenant_id=str(tenant), files=rows, contents=contents)
        if left:
            log.info("unfinished_uploads_dropped", count=left)

    async def _unused(self, tenant: UUID, now: datetime) -> int:
        """Drop files that nothing was said with; their content goes afterwards, since others may have the same."""
        count = 0
        while True:
            async with tenant_transaction(self.engine, tenant) as connection:
                gone = await drop_unused(connection, now - UNUSED, PORTION)
            count += gone
            if gone < PORTION:
                return count

    async def _unnamed(self, tenant: UUID, now: datetime) -> int:
        """Drop content that no row names. What is stored again at this moment is young, and the store keeps it."""
        before = min(now, datetime.now(UTC)).timestamp() - YOUNG.total_seconds()
        count = 0
        async for sums in self.blobs.old(tenant, before):
            for start in range(0, len(sums), PORTION):
                some = sums[start : start + PORTION]
                async with tenant_transaction(self.engine, tenant) as connection:
                    named = await named_content(connection, some)
                for checksum in some:
                    if checksum not in named:
                        count += await self.blobs.drop(tenant, checksum, before)
        return count
