"""Keeps processes running: starts them, waits for them to be ready, starts again what dies, stops all in order."""

import asyncio
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from runtime.embedded.files import DataDir, tail
from runtime.embedded.processes import end, mark

READY_SECONDS = 90.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
STEADY_SECONDS = 5.0
"""A process that was ready for so long starts its back-off afresh when it dies."""


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Service:
    """One kind of process: how it is started, when it is ready, how it is asked to stop."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    ready: Callable[[], Awaitable[None]] = _nothing
    before: Callable[[], None] = lambda: None
    """Blocking work due before each start."""
    stop_signals: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))
    user: str | None = None
    tries: int = 1
    """How often the first start is tried while it only ends: a server may lose a free port to somebody quicker."""


@dataclass
class _Running:
    service: Service
    process: psutil.Popen
    failures: int = 0
    ready_at: float | None = None
    watcher: asyncio.Task[None] | None = field(default=None, repr=False)


class StartError(Exception):
    """A process ended, or did not become ready, at its first start; the message carries the end of its log."""


class Supervisor:
    """The running processes of one data directory."""

    def __init__(self, files: DataDir, say: Callable[[str], None], changed: Callable[[], None] = lambda: None) -> None:
        self._files = files
        self._say = say
        self._changed = changed
        self._running: dict[str, _Running] = {}
        self._stopping = False

    def pids(self) -> dict[str, int]:
        """The present process of each service."""
        return {name: running.process.pid for name, running in self._running.items()}

    async def start(self, service: Service) -> None:
        """Start a service for the first time, wait until it is ready, and watch it from then on."""
        running = await self._first_start(service, service.tries)
        running.watcher = asyncio.create_task(self._watch(running), name=f"watch {service.name}")

    async def _first_start(self, service: Service, tries: int) -> _Running:
        await asyncio.to_thread(service.before)
        running = _Running(service, self._spawn(service))
        self._running[service.name] = running
        try:
            await self._until_ready(running)
        except (StartError, TimeoutError) as error:
            if tries > 1 and isinstance(error, StartError):
                self._say(f"{service.name} ended at its start ({error}); trying again")
                await asyncio.sleep(FIRST_PAUSE)
                return await self._first_start(service, tries - 1)
            log = tail(self._files.log(service.name))
            raise StartError(f"{service.name} did not start ({error or 'not ready in time'}):\n{log}") from error
        return running

    async def stop(self, *names: str) -> None:
        """Stop these services together, each by its own signals."""
        self._stopping = True
        chosen = [self._running[name] for name in names if name in self._running]
        for running in chosen:
            if running.watcher is not None:
                running.watcher.cancel()
        await asyncio.gather(*(running.watcher for running in chosen if running.watcher), return_exceptions=True)
        await asyncio.gather(*(asyncio.to_thread(_end, running) for running in chosen))
        for running in chosen:
            del self._running[running.service.name]

    def _spawn(self, service: Service) -> psutil.Popen:
        user = service.user
        with self._files.log(service.name).open("ab") as log:
            return psutil.Popen(
                list(service.command),
                cwd=service.directory,
                env={**service.environment, **mark(self._files.root)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C is for us: we stop them in order
                user=user,
                group=pwd.getpwnam(user).pw_gid if user else None,
                extra_groups=[] if user else None,
            )

    async def _until_ready(self, running: _Running) -> None:
        ready = asyncio.ensure_future(running.service.ready())
        ended = asyncio.ensure_future(_ended(running.process))
        try:
            async with asyncio.timeout(READY_SECONDS):
                await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise StartError(_how_it_ended(ended.result()))
            ready.result()
        finally:
            ready.cancel()
            ended.cancel()
        running.ready_at = time.monotonic()

    async def _watch(self, running: _Running) -> None:
        name = running.service.name
        while True:
            code = await _ended(running.process)
            if running.ready_at is not None and time.monotonic() - running.ready_at >= STEADY_SECONDS:
                running.failures = 0
            pause = min(FIRST_PAUSE * 2**running.failures, LONGEST_PAUSE)
            running.failures += 1
            running.ready_at = None
            self._say(f"{name} ended ({_how_it_ended(code)}); starting it again in {pause:.1f} s")
            await asyncio.sleep(pause)
            try:
                await asyncio.to_thread(running.service.before)
                running.process = self._spawn(running.service)
                self._changed()
                await self._until_ready(running)
            except StartError:
                continue  # it ended again: the next round says so
            except (TimeoutError, OSError) as error:
                self._say(f"{name} does not become ready ({error or 'in time'}); see {self._files.log(name)}")
                await asyncio.to_thread(_kill, running.process)
                continue
            self._say(f"{name} is back (pid {running.process.pid})")


async def _ended(process: psutil.Popen) -> int | None:
    while (code := process.poll()) is None:  # noqa: ASYNC110 (reaping by event would race with psutil's own waits)
        await asyncio.sleep(0.05)
    return int(code)


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _end(running: _Running) -> None:
    if running.process.poll() is None:
        end([running.process], running.service.stop_signals)


def _kill(process: psutil.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
