"""A help desk behind its API: tickets with keyword defaults, walks through lists, and counts of what stands."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from temporalio.testing import WorkflowEnvironment

from tests import stack
from tests.api.front import Front

EXAMPLE = {
    "customerEmail": "customer@example.com",
    "subject": "Unable to access dashboard",
    "description": "Getting 403 error when accessing /dashboard",
    "priority": "HIGH",
    "severity": "SEV2",
    "channel": "EMAIL",
    "category": "Technical Issue",
    "slaTier": "ENTERPRISE",
}
"""The guide's own example, without its tenant."""

COUNTED = {
    "processes": "",
    "support_tickets": "",
    "ticket_comments": "",
    "ticket_history": "where actor ->> 'id' is not null",
    "ticket_search": "",
    "deadlines": "",
    "notifications": """n where not exists (
        select from ticket_history h
        where h.process_id = n.process_id and h.revision = n.revision and h.actor ->> 'id' is null)""",
}
"""The tables that a ticket writes, and which of their rows are there because somebody wanted it."""
COUNTS = "select " + ", ".join(f"(select count(*) from {table} {wanted})" for table, wanted in COUNTED.items())


@dataclass(frozen=True)
class Office:
    """The API and the people who call it."""

    front: Front
    servers: stack.Database
    environment: WorkflowEnvironment

    async def call(self, who: str | None, method: str, path: str, **rest: Any) -> httpx.Response:
        """One request of somebody."""
        return await self.front.call(who, method, path, **rest)

    async def opened(self, who: str = "agent", key: str | None = None, **fields: Any) -> dict[str, Any]:
        """A new ticket."""
        body = {"customerEmail": "customer@example.com", "subject": "No dashboard", "description": "It answers 403."}
        headers = {"Idempotency-Key": key} if key else {}
        return await self.front.created(who, "/api/tickets", body | fields, **headers)

    async def patched(self, ticket: Mapping[str, Any], who: str = "agent", **fields: Any) -> dict[str, Any]:
        """A ticket after a change."""
        response = await self.call(who, "PATCH", path(ticket), json=fields)
        assert response.status_code == 200, response.text
        changed: dict[str, Any] = response.json()
        return changed

    async def commented(self, ticket: Mapping[str, Any], who: str = "agent", **fields: Any) -> dict[str, Any]:
        """A new comment."""
        return await self.front.created(who, path(ticket) + "/comments", {"body": "Is it well now?"} | fields)

    async def read(self, ticket: Mapping[str, Any], who: str = "agent") -> dict[str, Any]:
        """A ticket as somebody sees it."""
        response = await self.call(who, "GET", path(ticket))
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def listed(self, who: str = "agent", url: str = "/api/tickets", **query: Any) -> list[dict[str, Any]]:
        """The first page of a list."""
        response = await self.call(who, "GET", url, params=query)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["data"]
        return found

    async def found(self, who: str = "agent", **query: Any) -> list[str]:
        """The subjects on the first page of the ticket list."""
        return [ticket["subject"] for ticket in await self.listed(who, limit=100, **query)]

    async def walked(self, url: str, limit: int, who: str = "agent", **query: Any) -> list[dict[str, Any]]:
        """All pages of a list, one after another."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            response = await self.call(who, "GET", url, params={**query, "limit": limit, **cursor})
            assert response.status_code == 200, response.text
            page = response.json()
            found += page["data"]
            assert len(page["data"]) <= limit
            assert page["page"]["hasMore"] == (page["page"]["nextCursor"] is not None)
            if not page["page"]["hasMore"]:
                return found
            cursor = {"cursor": page["page"]["nextCursor"]}

    async def counts(self) -> dict[str, int]:
        """How many rows stand in each table that a ticket writes, at one instant; what Summit decides by itself is left out."""
        [counted] = await self.rows(COUNTS)
        return dict(zip(COUNTED, counted, strict=True))

    async def rows(self, query: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        """What a query finds, as the owner of the database sees it."""
        async with await psycopg.AsyncConnection.connect(self.servers.owner.conninfo()) as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def execute(self, statement: str, *values: Any) -> None:
        """What only the owner of the database can do."""
        async with await psycopg.AsyncConnection.connect(self.servers.owner.conninfo()) as connection:
            await connection.execute(statement.encode(), values)

    async def planned(self, query: str) -> str:
        """How the application's role would run a query in a large table."""
        async with await psycopg.AsyncConnection.connect(self.servers.app.conninfo()) as connection:
            await connection.execute("select set_config('summit.tenant', %s, true)", (str(self.front.seed.tenant_id),))
            await connection.execute("set local enable_seqscan = off")
            rows = await (await connection.execute(f"explain {query}".encode())).fetchall()
        return "\n".join(line for (line,) in rows)


def path(ticket: Mapping[str, Any]) -> str:
    """Where a ticket is."""
    return f"/api/tickets/{ticket['id']}"


def fresh() -> str:
    """A word that no other test uses: a tag, a key."""
    return uuid.uuid4().hex


async def eventually(seconds: float, holds: Callable[[], Awaitable[bool]]) -> None:
    """Until something holds that others bring about."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - it happens in a database
            await asyncio.sleep(0.1)
