"""The API on a port of its own, for those who listen to what happens: no stream ends within a process's own transport."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import uvicorn

from runtime.embedded.ports import free_port
from runtime.embedded.processes import until
from tests.api.front import Front
from tests.stack import Database

EVENT = """
insert into events (tenant_id, type, entity, entity_id, version, at, internal, account_id, address, payload)
values (%s, %s, 'ticket', gen_random_uuid(), 1, now(), %s, %s, %s, '{}')
"""


@dataclass
class Ear:
    """A connection to the stream."""

    response: httpx.Response
    lines: AsyncIterator[str] = field(init=False)
    last_id: str = ""

    def __post_init__(self) -> None:
        self.lines = self.response.aiter_lines()

    async def until_listening(self) -> None:
        """Wait for the first position."""
        while not self.last_id:
            await self._line()

    async def hear(self, count: int) -> list[str]:
        """The types of the next events."""
        return [event["type"] for event in await self.events(count)]

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The next events."""
        async with asyncio.timeout(20):
            return [await self._event() for _ in range(count)]

    async def hear_of(self, entity: str, count: int) -> list[dict[str, Any]]:
        """The next events that are about something, whatever happens beside."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            while len(found) < count:
                event = await self._event()
                if event["id"] == entity:
                    found.append(event)
        return found

    async def ends(self) -> bool:
        """Whether the stream ends by itself."""
        async with asyncio.timeout(20):
            async for _ in self.lines:
                pass
        return True

    async def _event(self) -> dict[str, Any]:
        while not (line := await self._line()).startswith("data: "):
            pass
        event: dict[str, Any] = json.loads(line[6:])
        return event

    async def _line(self) -> str:
        async with asyncio.timeout(20):
            line = await anext(self.lines)
        if line.startswith("id: "):
            self.last_id = line[4:]
        return line


@dataclass
class Radio:
    """The API on a port of its own."""

    api: Front
    database: Database
    url: str

    @asynccontextmanager
    async def listen(self, who: str, last_id: str = "", **token: Any) -> AsyncIterator[Ear]:
        """A connection of somebody: a login, or an API key."""
        credential = who if who.startswith("sk_") else self.api.token(who, **token)
        headers = {"Authorization": f"Bearer {credential}"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        async with (
            httpx.AsyncClient(timeout=30) as client,
            client.stream("GET", f"{self.url}/api/events", headers=headers) as response,
        ):
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            ear = Ear(response)
            await ear.until_listening()
            yield ear

    async def happen(self, kind: str, *, who: str = "admin", internal: bool = False, **scope: Any) -> None:
        """Something that happens."""
        values = (self.api.seed.tenant_of(who), kind, internal, scope.get("account"), scope.get("address"))
        async with await psycopg.AsyncConnection.connect(self.database.owner.conninfo()) as connection:
            await connection.execute(EVENT, values)


@asynccontextmanager
async def on_air(api: Front, database: Database) -> AsyncIterator[Radio]:
    """An application that runs already, over real connections."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            api.app, host="127.0.0.1", port=port, lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
    )
    serving = asyncio.create_task(server._serve())

    async def started() -> bool:
        return server.started

    await until(started, seconds=10)
    yield Radio(api, database, f"http://127.0.0.1:{port}")
    server.should_exit = True
    await serving
