"""Operating-system processes of a stack: finding what an earlier run left behind, and ending processes for certain."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import psutil

MARK = "SUMMIT_STACK"
"""Every child carries its data directory in this variable, so that a killed supervisor's children can be found."""


def mark(root: Path) -> dict[str, str]:
    """The environment that makes a child recognisable."""
    return {MARK: str(root)}


def leftovers(root: Path) -> list[psutil.Process]:
    """Processes that an earlier run of this data directory started and that still run.

    psutil pairs each pid with its start time, so a reused pid is never taken for one of ours.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.environ().get(MARK) == str(root):
                found.append(process)
        except psutil.Error:
            continue
    return found


def postgres_processes(data: Path) -> list[psutil.Process]:
    """Postmaster and backends of one cluster: all of them work inside its directory, whoever started them."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.name().startswith("postgres") and process.cwd() == str(data):
                found.append(process)
        except psutil.Error:
            continue
    return found


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Signal each one that still runs; psutil refuses when its pid belongs to somebody else by now."""
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def end(processes: Sequence[psutil.Process], signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, waiting its seconds for the processes to go. Blocks: call it in a thread."""
    remaining = list(processes)
    for number, seconds in signals:
        send(remaining, number)
        _, remaining = psutil.wait_procs(remaining, timeout=seconds)
        if not remaining:
            return
    raise TimeoutError(f"processes {[process.pid for process in remaining]} do not end")


async def until(condition: Callable[[], Awaitable[bool]], seconds: float, every: float = 0.05) -> None:
    """Poll a condition of another process; TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 (nothing in this process could set an event)
            await asyncio.sleep(every)
