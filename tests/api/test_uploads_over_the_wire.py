"""Uploads to an API process of its own over a real connection: what it holds in memory, and what is left of those that break off."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from cli.demo import DemoSeed
from runtime.embedded.ports import free_port
from runtime.embedded.processes import until
from tests.api.front import SECRET, Front, problem
from tests.stack import ROOT, Database

MIB = 2**20
PIECE = os.urandom(MIB)
ALLOWED = 16 * MIB
"""By how much the process may grow at its highest: far less than any one of the files."""

START = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
BUDGET = 2.0


@dataclass
class Process:
    """The API in a process of its own."""

    front: Front
    pid: int
    port: int
    files: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/attachments"

    @property
    def headers(self) -> dict[str, str]:
        return {**FORM, "Authorization": f"Bearer {self.front.token('agent')}"}

    @property
    def peak(self) -> int:
        """The most memory that it ever had, in bytes."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            return int(psutil.Process(self.pid).memory_info().rss)
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024

    def stored(self) -> int:
        """How many files are in the store, finished or not."""
        return sum(path.is_file() for path in self.files.rglob("*"))

    async def post(self, pieces: int, end: bytes = b"\r\n--b--\r\n", length: int | None = None) -> httpx.Response:
        """Upload so many MiB, chunked unless a length is told."""

        async def content() -> AsyncIterator[bytes]:
            yield START
            for _ in range(pieces):
                yield PIECE
            yield end

        headers = self.headers | ({"Content-Length": str(length)} if length else {})
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.post(self.url, content=content(), headers=headers)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def process(
    api: Front, postgres: Database, seed: DemoSeed, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Process]:
    files = tmp_path_factory.mktemp("files")
    port, database = free_port(), postgres.app
    environment = {
        **os.environ,
        "POSTGRES_HOST": database.host,
        "POSTGRES_PORT": str(database.port),
        "POSTGRES_DB": database.db,
        "POSTGRES_USER": database.user,
        "POSTGRES_PASSWORD": database.password.get_secret_value(),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
        "SUMMIT_SECRET": SECRET,
        "SUMMIT_FILES_DIR": str(files),
        "SUMMIT_REQUEST_BUDGET": str(BUDGET),
        "SUMMIT_JOB_KINDS": "NONE",
        "LOG_LEVEL": "error",
        "PORT": str(port),
    }
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", "api.main", cwd=ROOT, env=environment)
    found = Process(api, running.pid, port, files)

    async def serves() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        except httpx.TransportError:
            return False

    try:
        await until(serves, seconds=120)
        yield found
    finally:
        running.send_signal(signal.SIGTERM)
        await running.wait()


async def test_memory_stays_flat_whatever_is_sent(process: Process) -> None:
    for _ in range(2):
        assert (await process.post(1)).status_code == 201
    before, files = process.peak, process.stored()
    refused = await process.post(100)
    problem(refused, 413, "body-too-large")
    assert process.stored() == files, "what was refused has left something"
    made = await process.post(24)
    assert made.status_code == 201, made.text
    async with httpx.AsyncClient(timeout=60) as client:
        path = f"http://127.0.0.1:{process.port}{made.headers['location']}"
        async with client.stream("GET", path, headers=process.headers) as answer:
            size = sum([len(chunk) async for chunk in answer.aiter_raw()])
    assert size == 24 * MIB
    grown = process.peak - before
    assert grown < ALLOWED, f"{grown / MIB:.1f} MiB more"


async def test_what_is_announced_too_large_is_refused_before_it_is_sent(process: Process) -> None:
    reader, writer = await opened(process, f"Content-Length: {100 * MIB}")
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_who_hangs_up_in_the_middle_leaves_nothing(process: Process) -> None:
    before = process.stored()
    _, writer = await opened(process, f"Content-Length: {20 * MIB}")
    writer.write(START + PIECE * 5)
    await writer.drain()
    await until(has(process, before + 1), seconds=10)
    writer.transport.abort()
    await until(has(process, before), seconds=10)


async def test_who_stops_sending_is_told_so_and_leaves_nothing(process: Process) -> None:
    before = process.stored()
    reader, writer = await opened(process, f"Content-Length: {20 * MIB}")
    writer.write(START + PIECE)
    await writer.drain()
    async with asyncio.timeout(BUDGET + 10):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    await until(has(process, before), seconds=10)
    writer.close()


async def test_who_sends_slowly_but_steadily_is_waited_for(process: Process) -> None:
    content = START + os.urandom(400)
    end = b"\r\n--b--\r\n"
    reader, writer = await opened(process, f"Content-Length: {len(content) + len(end)}")
    for at in range(0, len(content), 80):
        writer.write(content[at : at + 80])
        await writer.drain()
        await asyncio.sleep(BUDGET / 2)
    writer.write(end)
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 201 ")
    writer.close()


async def opened(process: Process, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which an upload has begun."""
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    lines = [f"{name}: {value}" for name, value in process.headers.items()]
    writer.write("\r\n".join(["POST /api/attachments HTTP/1.1", "Host: x", *lines, *headers, "", ""]).encode())
    await writer.drain()
    return reader, writer


def has(process: Process, count: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many files are in the store."""

    async def holds() -> bool:
        return process.stored() == count

    return holds
