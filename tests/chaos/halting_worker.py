"""`python -m tests.chaos.halting_worker`: a worker that kills itself after committing a marked decision, before answering it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from db.bookkeeping import History
from db.connections import decision_pool
from db.decisions import Database, OpenDecision
from db.statements import Bound
from domain.protocol import Request
from runtime.settings import APP_ROLE, Settings
from runtime.temporal import connect, telemetry
from worker import make_worker

MARK: Final = "halt after the commit"


@dataclass
class HaltingDatabase(Database):
    """Commits as the product does, and is gone the moment after."""

    @asynccontextmanager
    async def decision(
        self, request: Request[Any], history: History, reads: Sequence[Bound] = (), touches: Sequence[UUID] = ()
    ) -> AsyncIterator[OpenDecision]:
        async with super().decision(request, history, reads, touches) as opened:
            yield opened
        if opened.moved and MARK in request.command.model_dump_json():
            os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    """Work until the mark comes."""
    settings = Settings()
    client = await connect(settings, telemetry(settings))
    pool = decision_pool(settings.postgres.conninfo(APP_ROLE), settings.db_pool_size)
    async with pool, make_worker(client, HaltingDatabase(pool), settings):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
