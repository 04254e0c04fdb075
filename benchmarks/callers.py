"""Closed-loop load: so many callers, each sending its next call when the last was answered; and what came of it."""

import asyncio
import itertools
import math
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from benchmarks.client import Unexpected
from benchmarks.usage import Cpu, Meter

MOST_FAILURES = 20
"""Unexpected answers after which a measurement means nothing and is given up."""

Operation = Callable[[int], Awaitable[None]]
"""The n-th call."""


@dataclass
class Timing:
    """The latencies (seconds) of the calls of one or more runs, and how long each run took."""

    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    failed: int = 0
    """Calls answered with another status than the expected one; they count in nothing else."""

    @property
    def calls(self) -> int:
        """How many calls were answered."""
        return len(self.seconds)

    @property
    def rate(self) -> float:
        """Calls per second: the median of the runs."""
        return statistics.median(self.rates)

    def percentile(self, percent: float) -> float:
        """A latency in milliseconds, by nearest rank; not a number when no call was answered."""
        ordered = sorted(self.seconds)
        if not ordered:
            return math.nan
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def cpu_per_call(self) -> dict[str, float]:
        """CPU milliseconds of each part per call."""
        return {name: 1000 * used / self.calls for name, used in self.cpu.items()}

    def add(self, other: Self) -> None:
        """Take in another run of the same measurement."""
        self.seconds += other.seconds
        self.rates += other.rates
        self.failed += other.failed
        for name, used in other.cpu.items():
            self.cpu[name] = self.cpu.get(name, 0.0) + used


async def measure(callers: int, calls: int, most_seconds: float, operation: Operation, meter: Meter) -> Timing:
    """Make `calls` calls from `callers` callers, or as many as fit into `most_seconds`."""
    numbers, timing = itertools.count(), Timing()
    clock = time.perf_counter
    before: Cpu = meter.cpu()
    start = clock()
    end = start + most_seconds

    async def caller() -> None:
        while (number := next(numbers)) < calls and (begun := clock()) < end:
            try:
                await operation(number)
            except Unexpected as unexpected:
                timing.failed += 1
                if timing.failed > MOST_FAILURES:
                    raise
                print(f"  {unexpected}", flush=True)
            else:
                timing.seconds.append(clock() - begun)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    timing.rates.append(timing.calls / (clock() - start))
    after = meter.cpu()
    timing.cpu = {name: after[name] - before[name] for name in before}
    return timing
