"""Real servers for tests: private, on free ports, never those that a running installation's variables name."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from temporalio.client import WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from cli.migrate import migrate_database
from runtime.embedded.files import DataDir, read_json, tail
from runtime.embedded.ports import free_port
from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.processes import end, leftovers
from runtime.embedded.supervisor import Service, Supervisor
from runtime.embedded.temporal import DYNAMIC_CONFIG, temporal_binary
from runtime.settings import APP_ROLE, PostgresSettings
from runtime.temporal import ensure_search_attributes

ROOT = Path(__file__).resolve().parents[1]
APP_PASSWORD = "app-role-of-the-tests"

# Timers fire within milliseconds of their virtual instant, and crossing one costs 12 ms rather than a second.
FAST = (
    *(value for value in DYNAMIC_CONFIG if "MaxTimeShift" not in value),
    'history.timerProcessorMaxTimeShift="1ms"',
    "frontend.WorkflowTimeSkippingEnabled=true",
)
# A test may lose its data in a power failure; it should not wait for disks.
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


def forget_running_system(environment: MutableMapping[str, str] = os.environ) -> None:
    """Drop what points at a running installation: a test must never write into it."""
    for name in list(environment):
        ours = name.startswith("SUMMIT_") and not name.startswith("SUMMIT_TEST_")
        if ours or name.startswith(("POSTGRES_", "TEMPORAL_", "REDIS_", "PG")) or name in {"PORT", "LOG_LEVEL"}:
            del environment[name]


@dataclass(frozen=True)
class Database:
    """A migrated database: the owner's way in and the application's, which row-level security binds."""

    owner: PostgresSettings
    app: PostgresSettings


@asynccontextmanager
async def postgres_server(directory: Path) -> AsyncIterator[PostgresSettings]:
    """A Postgres server; yields a superuser's settings for its maintenance database."""
    if "SUMMIT_TEST_POSTGRES_HOST" in os.environ:
        yield PostgresSettings(_env_prefix="SUMMIT_TEST_POSTGRES_")
        return
    files = DataDir(directory)
    files.prepare()
    server = EmbeddedPostgres(files.postgres, free_port(), "superuser-of-the-tests", extra=HASTY)
    await asyncio.to_thread(server.prepare)
    supervisor = Supervisor(files, lambda _: None)
    service = Service(
        name="postgres",
        command=server.command(),
        environment={"PATH": os.environ.get("PATH", "")},
        directory=server.data,
        before=server.end_orphans,
        ready=server.wait_until_ready,
        stop_signals=((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)),
        user=server.system_user,
    )
    try:
        await supervisor.start(service)
        yield server.settings("postgres")
    finally:
        await supervisor.stop("postgres")
        shutil.rmtree(server.socket_dir, ignore_errors=True)


@asynccontextmanager
async def database(server: PostgresSettings, name: str) -> AsyncIterator[Database]:
    """A fresh, migrated database of that name; dropped at the end."""
    identifier = sql.Identifier(name)
    async with await psycopg.AsyncConnection.connect(server.conninfo(), autocommit=True) as maintenance:
        await maintenance.execute(sql.SQL("drop database if exists {} with (force)").format(identifier))
        await maintenance.execute(sql.SQL("create database {}").format(identifier))
        owner = server.model_copy(update={"db": name})
        await asyncio.to_thread(migrate_database, owner, APP_PASSWORD)
        app = PostgresSettings(host=owner.host, port=owner.port, db=name, user=APP_ROLE, password=APP_PASSWORD)
        try:
            yield Database(owner, app)
        finally:
            await maintenance.execute(sql.SQL("drop database if exists {} with (force)").format(identifier))


@asynccontextmanager
async def time_skipping_environment() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server on which each workflow has a clock of its own; nothing is skipped until `fast_forward`."""
    async with await _time_skipping_server(tries=3) as environment:
        await ensure_search_attributes(environment.client)
        yield environment


async def _time_skipping_server(tries: int) -> WorkflowEnvironment:
    try:
        return await WorkflowEnvironment.start_time_skipping_v2(
            ts_config=TimeSkippingConfig(enabled=False, max_session_skip_count=5000),
            data_converter=pydantic_data_converter,
            dev_server_existing_path=os.environ.get("SUMMIT_TEST_TEMPORAL_PATH", str(temporal_binary())),
            dev_server_extra_args=[part for value in FAST for part in ("--dynamic-config-value", value)],
            dev_server_log_level="error",
        )
    except RuntimeError:  # it takes free ports of its own, and panics when one is gone at once
        if tries == 1:
            raise
        return await _time_skipping_server(tries - 1)


async def fast_forward(environment: WorkflowEnvironment, handle: WorkflowHandle[Any, Any], **duration: float) -> bool:
    """Move one workflow's clock, as in `fast_forward(env, handle, minutes=15)`; False when it closed on the way."""
    async with asyncio.timeout(30):  # past its limit of skips the server hangs without an error
        return bool(await environment.fast_forward(handle, timedelta(**duration)))


@asynccontextmanager
async def supervised_stack(directory: Path, seconds: float = 180.0) -> AsyncIterator[dict[str, Any]]:
    """`summit up` on a private data directory; yields the content of its stack.json, and stops it at the end."""
    process = await start_stack(directory, seconds)
    try:
        yield read_json(directory / "stack.json")
    finally:
        await stop_stack(process, directory)


async def start_stack(directory: Path, seconds: float = 180.0) -> asyncio.subprocess.Process:
    """Start `summit up` and wait for its stack.json; its output goes to `up.log` in that directory."""
    directory.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    forget_running_system(environment)
    stack_file, log = directory / "stack.json", directory / "up.log"
    stack_file.unlink(missing_ok=True)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", "up", "--data", str(directory), "--ports", "auto"),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(seconds):
            while not stack_file.exists():
                if process.returncode is not None:
                    raise RuntimeError(f"summit up ended with {process.returncode}:\n{tail(log, 40)}")
                await asyncio.sleep(0.1)
    except BaseException:
        await stop_stack(process, directory)
        raise
    return process


async def stop_stack(process: asyncio.subprocess.Process, directory: Path) -> None:
    """Stop it cleanly, and whatever a killed supervisor left behind."""
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(60):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
    left = await asyncio.to_thread(leftovers, directory.resolve())
    await asyncio.to_thread(end, left, [(signal.SIGKILL, 10.0)])
