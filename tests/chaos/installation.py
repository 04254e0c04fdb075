"""A whole installation to do violence to: started as people start it, then killed, paused and mended piece by piece."""

import asyncio
import json
import random
import signal
import subprocess
import urllib.request
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from psycopg.rows import DictRow, dict_row
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from cli.stack import Stack, plan
from runtime.embedded.files import DataDir, read_json
from runtime.embedded.processes import end, leftovers, mark, postgres_processes, send, until
from runtime.embedded.supervisor import Service
from tests.stack import start_stack, stop_stack

PIECES: Final = ("worker", "api", "temporal", "postgres")


class Installation:
    """One data directory and what runs on it. With a supervisor what dies comes back; `abandon` leaves the pieces to us."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.files = DataDir(self.directory)
        self.tenant_id = ""
        self.tokens: dict[str, str] = {}
        self.plan: Stack
        self._up: asyncio.subprocess.Process | None = None
        self._orphans: dict[str, subprocess.Popen[bytes]] = {}

    async def start(self) -> None:
        """`summit up`, until it is ready; also the second time, after everything was killed."""
        await self.stop()
        self._up = await start_stack(self.directory)
        demo = read_json(self.files.demo_file)
        self.tenant_id, self.tokens = str(demo["tenantId"]), dict(demo["tokens"])
        self.plan = plan(self.files, json.loads(self.files.ports_file.read_bytes()))

    async def stop(self) -> None:
        """Stop everything that runs on this directory."""
        if self._up is not None:
            await stop_stack(self._up, self.directory)
        await asyncio.to_thread(self._sweep)
        while self._orphans:
            self._orphans.popitem()[1].wait()

    @property
    def is_supervised(self) -> bool:
        """Whether a supervisor of ours runs."""
        return self._up is not None and self._up.returncode is None

    @property
    def published(self) -> dict[str, Any]:
        """The content of stack.json; empty while there is none."""
        return read_json(self.files.stack_file)

    @property
    def api_url(self) -> str:
        """Where the API is."""
        return self.plan.api_url

    async def temporal(self) -> Client:
        """A client that connects at its first call, and again after each crash."""
        return await Client.connect(
            self.plan.temporal_address,
            namespace=self.plan.temporal_namespace,
            data_converter=pydantic_data_converter,
            lazy=True,
            runtime=quiet_runtime(),
        )

    async def database(self) -> psycopg.AsyncConnection[DictRow]:
        """A connection that sees every tenant's rows."""
        return await psycopg.AsyncConnection[DictRow].connect(
            self.plan.owner.conninfo(), autocommit=True, row_factory=dict_row, connect_timeout=5
        )

    async def rows(self, statement: str, *values: Any) -> list[DictRow]:
        """All rows of one question to Postgres."""
        async with await self.database() as connection:
            return await (await connection.execute(statement.encode(), values)).fetchall()

    async def kill_everything(self, order: random.Random) -> None:
        """kill -9 of supervisor, API, worker, Temporal and Postgres with its backends, in a random order within milliseconds."""
        victims = [*leftovers(self.directory), *postgres_processes(self.files.postgres)]
        if self._up is not None:
            victims.append(psutil.Process(self._up.pid))
        order.shuffle(victims)
        send(victims, signal.SIGKILL)
        await asyncio.to_thread(self._sweep)
        if self._up is not None:
            await self._up.wait()

    async def kill(self, piece: str) -> None:
        """kill -9 of one piece: Postgres with all its backends, or `supervisor`."""
        if piece == "supervisor":
            assert self._up is not None
            self._up.kill()
            await self._up.wait()
            return
        victims = self.processes(piece)
        send(victims, signal.SIGKILL)
        if piece in self._orphans:
            await asyncio.to_thread(self._orphans[piece].wait)

        async def gone() -> bool:
            return all(has_ended(victim) for victim in victims)

        await until(gone, 10)

    def processes(self, piece: str) -> list[psutil.Process]:
        """The operating-system processes of a piece."""
        if piece == "postgres":
            return postgres_processes(self.files.postgres)
        pid = self._orphans[piece].pid if piece in self._orphans else self.published["pids"][piece]
        try:
            return [psutil.Process(pid)]
        except psutil.NoSuchProcess:
            return []

    async def back(self, piece: str, old_pid: int, seconds: float = 60.0) -> None:
        """Wait until the supervisor has replaced a piece and the API is ready again."""

        async def replaced() -> bool:
            return bool(self.published.get("pids", {}).get(piece, old_pid) != old_pid)

        await until(replaced, seconds)
        await self.ready(seconds)

    async def ready(self, seconds: float = 60.0) -> None:
        """Wait until the API says that it, Postgres and Temporal answer."""

        async def answers() -> bool:
            return await asyncio.to_thread(responds, f"{self.api_url}/readyz")

        await until(answers, seconds)

    async def abandon(self) -> None:
        """Kill the supervisor alone, if it runs: from now on nothing comes back unless `revive` brings it."""
        if self.is_supervised:
            await self.kill("supervisor")

    async def revive(self, piece: str, command: Sequence[str] | None = None) -> None:
        """Start a piece without a supervisor, with another command if given, and wait until it is ready."""
        services = [*self.plan.servers(), *self.plan.processes()]
        service = next(service for service in services if service.name == piece)
        await asyncio.to_thread(service.before)
        if piece in self._orphans:
            self._orphans.pop(piece).wait()
        self._orphans[piece] = self._spawn(service, command or service.command)
        await service.ready()

    def log(self, piece: str) -> str:
        """What a piece has logged so far."""
        path = self.files.logs / f"{piece}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    async def metric(self, name: str, without: str = "no such label") -> float:
        """The sum of one of the API's metrics over its labels, those that contain `without` left out."""
        text = await asyncio.to_thread(fetch, f"{self.api_url}/metrics")
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if without not in line)

    def _spawn(self, service: Service, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.files.log(service.name).open("ab") as output:
            return subprocess.Popen(
                list(command),
                cwd=service.directory,
                env={**service.environment, **mark(self.directory)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=service.user,
                group=service.user,
                extra_groups=[] if service.user else None,
            )

    def _sweep(self) -> None:
        # A backend forked after the list was made would go on without its postmaster.
        while left := [*leftovers(self.directory), *postgres_processes(self.files.postgres)]:
            end(left, [(signal.SIGKILL, 10.0)])


def has_ended(process: psutil.Process) -> bool:
    """Whether it has ended; a zombie, which nobody may ever reap, has."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@cache
def quiet_runtime() -> Runtime:
    """One for all clients; that a server which we have killed cannot be reached is no news."""
    severe = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=severe)))


def fetch(url: str) -> str:
    """The body of a small page; raises OSError when it cannot be had."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5.0) as response:
        return str(response.read().decode())


def responds(url: str) -> bool:
    """Whether a page answers with success."""
    try:
        fetch(url)
    except (OSError, ValueError):
        return False
    return True
