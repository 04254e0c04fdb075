"""A tenant of a running installation into which tests import, by the command that people use."""

import asyncio
import os
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from tests.stack import ROOT, forget_running_system

PASSWORD = "the-password-of-the-admin"


@dataclass(frozen=True)
class NewDesk:
    """A tenant and its administrator."""

    stack: dict[str, Any]
    slug: str
    tenant_id: str

    @property
    def environment(self) -> dict[str, str]:
        """What a command gets that is to work with the installation."""
        environment = dict(os.environ)
        forget_running_system(environment)
        place = conninfo_to_dict(self.stack["databaseUrl"])
        return environment | {
            "POSTGRES_HOST": str(place["host"]),
            "POSTGRES_PORT": str(place["port"]),
            "POSTGRES_DB": str(place["dbname"]),
            "POSTGRES_USER": str(place["user"]),
            "POSTGRES_PASSWORD": str(place["password"]),
            "TEMPORAL_ADDRESS": self.stack["temporalAddress"],
            "TEMPORAL_NAMESPACE": self.stack["temporalNamespace"],
            "SUMMIT_TASK_QUEUE": self.stack["taskQueue"],
            "SUMMIT_USER_PASSWORD": PASSWORD,
        }

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start the `summit` command."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", *arguments),
            cwd=ROOT,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def summit(self, *arguments: str) -> tuple[int | None, str, str]:
        """Run the `summit` command to its end: exit code, output, errors."""
        process = await self.start(*arguments)
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    async def take(self, kind: str, path: Path, *more: str) -> tuple[int | None, str, str]:
        """Import a path."""
        return await self.summit("import", kind, str(path), "--tenant", self.slug, *more)

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds, as the owner of the database sees it."""
        async with await psycopg.AsyncConnection.connect(self.stack["databaseUrl"], row_factory=dict_row) as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def count(self, table: str) -> int:
        """How many rows of the tenant a table has."""
        [row] = await self.rows(f"select count(*) as n from {table} where tenant_id = %s", self.tenant_id)
        return int(row["n"])

    async def ticket(self, reference: str) -> dict[str, Any]:
        """The row of an imported ticket."""
        [row] = await self.rows(
            "select * from support_tickets where tenant_id = %s and external_ref = %s", self.tenant_id, reference
        )
        return row

    async def token(self, email: str) -> str:
        """What somebody shows the API who has signed in."""
        async with httpx.AsyncClient(base_url=self.stack["apiUrl"], timeout=20) as client:
            answer = await client.post("/api/auth/token", data={"username": email, "password": PASSWORD})
            return str(answer.raise_for_status().json()["access_token"])

    async def seen_with(self, token: str, path: str, **query: Any) -> Any:
        """What the API answers whoever has the token."""
        async with httpx.AsyncClient(base_url=self.stack["apiUrl"], timeout=20) as client:
            answer = await client.get(path, params=query, headers={"Authorization": f"Bearer {token}"})
            return answer.raise_for_status().json()

    async def get(self, path: str, **query: Any) -> Any:
        """What the API answers the administrator."""
        return await self.seen_with(await self.token(f"admin@{self.slug}.example"), path, **query)


async def new_desk(stack: dict[str, Any]) -> NewDesk:
    """A tenant that nobody else uses."""
    slug = f"import-{uuid.uuid4().hex[:10]}"
    desk = NewDesk(stack, slug, "")
    code, out, err = await desk.summit("tenant", "create", slug, "A tenant")
    assert code == 0, err
    code, _, err = await desk.summit("user", "create", slug, f"admin@{slug}.example", "Ada Admin")
    assert code == 0, err
    return NewDesk(stack, slug, out.strip())
