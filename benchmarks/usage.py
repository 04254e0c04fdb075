"""CPU seconds and memory of the processes that serve a measurement."""

from collections.abc import Mapping

import psutil

Cpu = dict[str, float]

MEBIBYTE = 2**20

SERVERS = ("api", "worker", "temporal", "postgres")
"""The processes of a stack that take part in a call."""

BARE_WORKER = "bare worker"


class Meter:
    """Process trees by name, and as `client` this process alone; pids stay the same for the length of a measurement."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._roots = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._client = psutil.Process()

    def cpu(self) -> Cpu:
        """User and system seconds of each tree so far, its ended children included."""
        used = {name: sum(_seconds(process) for process in _tree(root)) for name, root in self._roots.items()}
        own = self._client.cpu_times()
        return used | {"client": float(own.user + own.system)}

    def memory(self) -> dict[str, float]:
        """MiB of each tree; what its processes share (Postgres's buffers) is counted once where the system tells."""
        return {name: _bytes(_tree(root)) / MEBIBYTE for name, root in self._roots.items()}


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _bytes(processes: list[psutil.Process]) -> int:
    if len(processes) == 1:
        return int(processes[0].memory_info().rss)
    total = 0
    for process in processes:
        try:
            total += getattr(process.memory_full_info(), "pss", process.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return total
