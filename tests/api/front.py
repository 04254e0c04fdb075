"""The API as its callers see it: an application on a real database, and the demo's people as callers."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api.app import create_app
from api.auth import mint
from cli.demo import PEOPLE, DemoSeed, load_demo
from runtime.embedded.ports import free_port
from runtime.settings import PostgresSettings, Settings
from tests.stack import Database

SECRET = "a-secret-of-the-tests-that-is-long-enough-for-sha384-too"
STREAMS = frozenset({"/api/events"})
"""What never comes to its end, so that no test may wait for it; tests/api/test_events.py listens over a real connection."""

PASSWORDS = {login: f"password-of-{login}" for login in PEOPLE}


FILES = tempfile.TemporaryDirectory(prefix="summit-files-")
"""Where uploads of the tests go; gone with the process."""


@dataclass(frozen=True)
class Front:
    """An application and the people who call it."""

    app: FastAPI
    settings: Settings
    seed: DemoSeed
    http: httpx.AsyncClient

    def token(self, login: str, **overrides: Any) -> str:
        """A token of one of the demo's people."""
        identity = {
            "tenant_id": self.seed.tenant_of(login),
            "user_id": self.seed.users[login],
            "role": PEOPLE[login].role,
        }
        return mint(self.settings, **(identity | overrides))

    async def call(
        self, who: str | None, method: str, path: str, *, headers: Mapping[str, str] | None = None, **rest: Any
    ) -> httpx.Response:
        """One request; `who` is a login, or None for nobody."""
        identity = {"Authorization": f"Bearer {self.token(who)}"} if who else {}
        return await self.http.request(method, path, headers={**identity, **(headers or {})}, **rest)

    async def created(self, who: str, path: str, body: Mapping[str, Any], **headers: str) -> dict[str, Any]:
        """A resource that somebody adds."""
        response = await self.call(who, "POST", path, json=body, headers=headers)
        assert response.status_code == 201, response.text
        content: dict[str, Any] = response.json()
        return content


def settings_for(postgres: PostgresSettings, **overrides: Any) -> Settings:
    """Settings of an API under test, without rate limits."""
    limits = {"rate_limit_principal": "", "rate_limit_public": "", "rate_limit_login": ""}
    own = {"secret": SECRET, "postgres": postgres, "db_pool_size": 4, "files_dir": FILES.name}
    return Settings(**{**own, **limits, **overrides})


@asynccontextmanager
async def front(
    postgres: PostgresSettings, seed: DemoSeed, temporal: Client | None = None, **overrides: Any
) -> AsyncIterator[Front]:
    """The API in this process; without `temporal` it finds none."""
    # Without Temporal it leaves to others what it cannot do.
    kinds = {} if temporal else {"job_kinds": "SIMULATION"}
    settings = settings_for(postgres, **(kinds | overrides))
    client = temporal or await Client.connect(
        f"127.0.0.1:{free_port()}", lazy=True, data_converter=pydantic_data_converter
    )
    app = create_app(settings, temporal=client)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://summit.test") as http,
    ):
        yield Front(app, settings, seed, http)


async def seeded(database: Database) -> DemoSeed:
    """The demo's tenants and people."""
    return await load_demo(database.owner, PASSWORDS)


async def uploaded(
    api: Front, who: str, ticket: str | None, name: str = "notes.txt", content: bytes = b"It was the proxy."
) -> dict[str, Any]:
    """A file that somebody uploads for a ticket, or for one that is still to be opened."""
    path = f"/api/tickets/{ticket}/attachments" if ticket else "/api/attachments"
    response = await api.call(who, "POST", path, files={"file": (name, content)})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """The problem document of a refusal, after a look at its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:summit:problem:{kind}", document
    assert document["status"] == status
    assert document["requestId"] == response.headers["x-request-id"]
    return document


def places(document: Mapping[str, Any]) -> set[str]:
    """What a problem says was wrong: pointers and parameters."""
    return {error.get("pointer", error.get("parameter")) for error in document["errors"]}


def some_id() -> str:
    """The id of nothing."""
    return str(UUID(int=7, version=4))
