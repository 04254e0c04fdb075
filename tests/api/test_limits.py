"""Rate limits: counted here or in Redis, and open when Redis is away."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cli.demo import DemoSeed
from runtime.embedded.ports import free_port
from tests.api.front import front, problem
from tests.stack import Database


async def test_who_has_used_up_the_limit_waits(postgres: Database, seed: DemoSeed) -> None:
    async with front(postgres.app, seed, rate_limit_principal="3/minute") as api:
        for _ in range(3):
            assert (await api.call("agent", "GET", "/api/me")).status_code == 200
        refused = await api.call("agent", "GET", "/api/me")
        problem(refused, 429, "too-many-requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await api.call("lead", "GET", "/api/me")).status_code == 200


async def test_without_its_redis_the_desk_stays_open(postgres: Database, seed: DemoSeed) -> None:
    away = {"redis_host": "127.0.0.1", "redis_port": free_port(), "rate_limit_principal": "1/minute"}
    async with front(postgres.app, seed, **away) as api:
        began = time.monotonic()
        for _ in range(3):
            assert (await api.call("agent", "GET", "/api/me")).status_code == 200
        assert time.monotonic() - began < 5


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs a redis-server")
async def test_two_replicas_share_what_redis_counts(postgres: Database, seed: DemoSeed) -> None:
    async with redis() as port:
        shared = {"redis_host": "127.0.0.1", "redis_port": port, "redis_password": "a/b:c@d"}
        async with (
            front(postgres.app, seed, rate_limit_principal="2/minute", **shared) as one,
            front(postgres.app, seed, rate_limit_principal="2/minute", **shared) as other,
        ):
            assert (await one.call("agent", "GET", "/api/me")).status_code == 200
            assert (await other.call("agent", "GET", "/api/me")).status_code == 200
            problem(await one.call("agent", "GET", "/api/me"), 429, "too-many-requests")
            problem(await other.call("agent", "GET", "/api/me"), 429, "too-many-requests")


@asynccontextmanager
async def redis() -> AsyncIterator[int]:
    """A Redis of this test's own; yields its port."""
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        *("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "a/b:c@d"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        async with asyncio.timeout(10):
            while b"eady to accept connections" not in await server.stdout.readline():
                pass
        yield port
    finally:
        server.terminate()
        await server.communicate()
