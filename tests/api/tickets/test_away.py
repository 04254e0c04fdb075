"""Temporal or Postgres away: 503 in time, nothing half done, and the same key later gives the one ticket."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from db.connections import decision_pool
from db.decisions import Database
from runtime.embedded.ports import free_port
from runtime.settings import APP_ROLE
from tests.api.front import Front, front, problem
from tests.api.tickets.office import Office, fresh, path
from worker import make_worker

BODY = {"customerEmail": "customer@example.com", "subject": "No dashboard", "description": "It answers 403."}
BUDGET = 1.5
"""Seconds that a request may take here; the product's own are 8, and 9 at the edge."""


class Gate:
    """A port that leads to a server while it is open."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Lead to the server."""
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Lead nowhere, and cut who is inside."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self.target)
        self._writers |= {writer, there_writer}
        try:
            await asyncio.gather(pour(reader, there_writer), pour(there_reader, writer))
        finally:
            self._writers -= {writer, there_writer}


async def pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """One direction of a connection, until either end is gone."""
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()


@asynccontextmanager
async def gated_temporal(office: Office) -> AsyncIterator[tuple[Front, Gate]]:
    """The API behind a gate to Temporal."""
    host, port = office.environment.client.service_client.config.target_host.split(":")
    gate = Gate("127.0.0.1" if host == "localhost" else host, int(port))
    client = await Client.connect(f"127.0.0.1:{gate.port}", lazy=True, data_converter=pydantic_data_converter)
    options: dict[str, Any] = {"task_queue": "office", "request_budget_seconds": BUDGET}
    async with front(office.servers.app, office.front.seed, client, **options) as api:
        try:
            yield api, gate
        finally:
            await gate.close()


@asynccontextmanager
async def gated_postgres(office: Office) -> AsyncIterator[tuple[Front, Gate]]:
    """The API and a worker of its own behind a gate to Postgres."""
    gate = Gate(office.servers.app.host, office.servers.app.port)
    await gate.open()
    postgres = office.servers.app.model_copy(update={"host": "127.0.0.1", "port": gate.port})
    client, queue = office.environment.client, f"gated-{fresh()[:8]}"
    options: dict[str, Any] = {"task_queue": queue, "request_budget_seconds": BUDGET, "sandbox": True}
    pool = decision_pool(postgres.conninfo(APP_ROLE), 2)
    async with pool, front(postgres, office.front.seed, client, **options) as api:
        worker = make_worker(client, Database(pool), api.settings, graceful_shutdown_timeout=timedelta(0))
        async with worker:
            try:
                yield api, gate
            finally:
                await gate.close()


async def opened_after_all(api: Front, key: str, tag: str) -> dict[str, Any]:
    """The ticket that a repeated creation finally gets."""
    async with asyncio.timeout(40):
        while True:
            response = await create(api, key, tag)
            if response.status_code != 503:
                assert response.status_code == 201, response.text
                ticket: dict[str, Any] = response.json()
                return ticket


async def create(api: Front, key: str, tag: str) -> httpx.Response:
    return await api.call(
        "agent", "POST", "/api/tickets", json=BODY | {"tags": [tag]}, headers={"Idempotency-Key": key}
    )


async def expect_unavailable(response: httpx.Response, since: float) -> None:
    """503 with the time to try again, well within ten seconds."""
    problem(response, 503, "unavailable")
    assert int(response.headers["retry-after"]) >= 1
    assert time.monotonic() - since < BUDGET + 2


@pytest.mark.parametrize("met_before", [True, False], ids=["lost", "never met"])
async def test_without_temporal_a_creation_is_unavailable_and_its_repeat_makes_one_ticket(
    office: Office, *, met_before: bool
) -> None:
    key, tag = fresh(), fresh()
    async with gated_temporal(office) as (api, gate):
        if met_before:
            await gate.open()
            await opened_after_all(api, fresh(), fresh())
            await gate.close()
        before = await office.counts()
        since = time.monotonic()
        await expect_unavailable(await create(api, key, tag), since)
        assert await office.counts() == before
        await gate.open()
        ticket = await opened_after_all(api, key, tag)
        assert await opened_after_all(api, key, tag) == ticket
    assert [found["id"] for found in await office.listed(tag=tag)] == [ticket["id"]]


async def test_without_temporal_tickets_are_read_and_not_changed(office: Office) -> None:
    ticket = await office.opened()
    async with gated_temporal(office) as (api, _):
        assert (await api.call("agent", "GET", path(ticket))).json() == ticket
        for method, suffix, body in (("PATCH", "", {"subject": "B"}), ("POST", "/comments", {"body": "B"})):
            since = time.monotonic()
            await expect_unavailable(await api.call("agent", method, path(ticket) + suffix, json=body), since)
    assert await office.read(ticket) == ticket


async def test_without_postgres_a_change_is_unavailable_and_its_repeat_is_made_once(office: Office) -> None:
    headers, tag = {"Idempotency-Key": fresh()}, fresh()
    async with gated_postgres(office) as (api, gate):
        ticket = await opened_after_all(api, fresh(), tag)
        await gate.close()
        since = time.monotonic()
        response = await api.call("agent", "PATCH", path(ticket), json={"subject": "B"}, headers=headers)
        await expect_unavailable(response, since)
        await gate.open()
        async with asyncio.timeout(40):
            while response.status_code == 503:
                response = await api.call("agent", "PATCH", path(ticket), json={"subject": "B"}, headers=headers)
        assert (response.status_code, response.json()["version"]) == (200, 2)
    history = await office.listed(url=path(ticket) + "/history")
    assert [entry["command"] for entry in history] == ["change", "create"]


async def test_without_postgres_a_creation_is_unavailable_and_its_repeat_makes_one_ticket(office: Office) -> None:
    key, tag = fresh(), fresh()
    async with gated_postgres(office) as (api, gate):
        await opened_after_all(api, fresh(), fresh())
        await gate.close()
        since = time.monotonic()
        await expect_unavailable(await create(api, key, tag), since)
        await gate.open()
        ticket = await opened_after_all(api, key, tag)
    assert [found["id"] for found in await office.listed(tag=tag)] == [ticket["id"]]


async def test_without_a_worker_a_creation_is_unavailable_and_happens_later(office: Office) -> None:
    key, tag, queue = fresh(), fresh(), f"idle-{fresh()[:8]}"
    client = office.environment.client
    options: dict[str, Any] = {"task_queue": queue, "request_budget_seconds": BUDGET, "sandbox": True}
    async with front(office.servers.app, office.front.seed, client, **options) as api:
        since = time.monotonic()
        await expect_unavailable(await create(api, key, tag), since)
        pool = decision_pool(office.servers.app.conninfo(APP_ROLE), 2)
        async with pool:
            worker = make_worker(client, Database(pool), api.settings, graceful_shutdown_timeout=timedelta(0))
            async with worker:
                ticket = await opened_after_all(api, key, tag)
    assert [found["id"] for found in await office.listed(tag=tag)] == [ticket["id"]]
