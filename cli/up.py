"""`summit up`: a whole installation on this machine, from nothing to a working call, until told to stop."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.announce import announce
from cli.demo_tickets import tell_demo
from cli.stack import ROOT, Stack, plan
from runtime.embedded import ports as port_choice
from runtime.embedded.files import AlreadyRunningError, DataDir, read_json, tail, write_json
from runtime.embedded.processes import end, leftovers
from runtime.embedded.supervisor import Service, StartError, Supervisor

DEMO_KEYS = ("tenantId", "otherTenantId", "tokens", "logins", "supportAddress")

TELLING_SECONDS = 2.0
"""How long being ready waits for the demo's tickets; what is left of them comes after."""


class Ports(StrEnum):
    """How listening ports are chosen."""

    FIXED = "fixed"
    AUTO = "auto"


def up(
    data: Annotated[Path, typer.Option(help="Where databases, secrets and logs live.")] = ROOT / ".summit",
    ports: Annotated[Ports, typer.Option(help="fixed: the known ports where free; auto: any free ones.")] = Ports.FIXED,
) -> None:
    """Start Postgres, Temporal, worker and API here, load demo data, and keep them running until Ctrl-C."""
    files = DataDir(data)
    files.prepare()
    try:
        files.lock()
    except AlreadyRunningError as error:
        typer.echo(f"{files.root} is in use by the supervisor with pid {error}. Stop that one first.", err=True)
        raise typer.Exit(1) from error
    files.stack_file.unlink(missing_ok=True)
    left = leftovers(files.root)
    if left:
        _say(f"Stopping {len(left)} processes that an earlier run left behind")
        end(left, [(signal.SIGINT, 3.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)])
    chosen = port_choice.choose(read_json(files.ports_file), automatic=ports is Ports.AUTO)
    write_json(files.ports_file, chosen)
    raise typer.Exit(asyncio.run(_Up(plan(files, chosen)).run()))


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command()(up)


class _Up:
    """One run, from the first start to the clean stop."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.files = stack.files
        self.supervisor = Supervisor(self.files, _say, self._pids_changed)
        self.published: dict[str, Any] | None = None
        self.stop_asked = asyncio.Event()
        self.telling: asyncio.Task[None] | None = None

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop_asked.set)
        starting = asyncio.create_task(self._start())
        asked = asyncio.create_task(self.stop_asked.wait())
        code = 0
        try:
            await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await asked
        except (StartError, RuntimeError, OSError, TimeoutError) as error:
            typer.echo(f"Not started: {error}", err=True)
            code = 1
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await self._stop()
        return code

    async def _start(self) -> None:
        stack = self.stack
        await stack.prepare_servers()
        if stack.is_migrated():
            # Nothing to do in between, so everything starts at once: importing is what takes the time.
            _say("Starting everything")
            await _all(self._servers_and_demo(), self._start_each(stack.processes()))
        else:
            if servers := stack.servers():
                _say("Starting " + " and ".join(service.name for service in servers))
            await self._start_each(servers)
            await stack.prepare_database()
            _say("Migrating the database")
            await self._command("migrate", SUMMIT_APP_PASSWORD=stack.secrets.app_role)
            stack.remember_migrated()
            await stack.prepare_namespace()
            _say("Starting worker and API, loading demo data")
            await _all(self._load_demo(), self._start_each(stack.processes()))
        demo = {name: read_json(self.files.demo_file).get(name) for name in DEMO_KEYS}
        self.telling = asyncio.create_task(tell_demo(stack.api_url, demo["tokens"] or {}, _say))
        await asyncio.wait({self.telling}, timeout=TELLING_SECONDS)
        self.published = {
            "apiUrl": stack.api_url,
            "portalUrl": None,
            "temporalUrl": stack.temporal_url,
            "temporalAddress": stack.temporal_address,
            "temporalNamespace": stack.temporal_namespace,
            "taskQueue": stack.task_queue,
            "databaseUrl": stack.owner.conninfo(),
            **demo,
            "mailDir": stack.mail_directory,
            "smtpPort": stack.smtp_port,
        }
        self._pids_changed()
        announce(self.published, self.files, _say)

    async def _start_each(self, services: Sequence[Service]) -> None:
        await _all(*(self.supervisor.start(service) for service in services))

    async def _servers_and_demo(self) -> None:
        await self._start_each(self.stack.servers())
        await self._load_demo()

    async def _load_demo(self) -> None:
        """Tenants, users and tokens of the demo, as `summit demo` writes them to a file."""
        if not self.stack.demo_is_fresh():
            passwords = json.dumps(self.stack.secrets.demo)
            await self._command("demo", f"--output={self.files.demo_file}", SUMMIT_DEMO_PASSWORDS=passwords)
            self.stack.remember_demo()

    async def _command(self, *arguments: str, **extra: str) -> None:
        """Run one of our sub-commands as the database's owner, its output in a log; StartError when it fails."""
        name = arguments[0]
        log = self.files.log(name)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cli.main", *arguments),
                cwd=ROOT,
                env={**self.stack.environment(owner=True), **extra},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if code != 0:
            raise StartError(f"`summit {name}` failed with exit code {code}:\n{tail(log)}")

    def _pids_changed(self) -> None:
        if self.published is None:
            return
        names = ("postgres", "temporal", "worker", "api", "portal")
        running = self.supervisor.pids()
        pids = {"supervisor": os.getpid(), **{name: running.get(name) for name in names}}
        write_json(self.files.stack_file, {**self.published, "pids": pids})

    async def _stop(self) -> None:
        _say("Stopping")
        self.files.stack_file.unlink(missing_ok=True)
        self.published = None
        if self.telling is not None:
            self.telling.cancel()
        for names in (("api", "worker"), ("temporal",), ("postgres",)):
            await self.supervisor.stop(*names)
        _say("Stopped")


async def _all(*starts: Awaitable[None]) -> None:
    """Await all, so that a failure of one leaves none half-started behind it."""
    for outcome in await asyncio.gather(*starts, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()
