"""The one table at the end, and the same numbers as JSON."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.callers import Timing
from benchmarks.reads import GET_P50, LIST_P95, METRICS_P95, Read
from benchmarks.simulation import MOST_SECONDS, Simulated
from benchmarks.storm import MOST_RATIO, Lags, Storm
from benchmarks.usage import BARE_WORKER, SERVERS
from benchmarks.writes import MANY, TARGETS, Pair

WIDTH = 142
MEASUREMENT = 42

CPU_COLUMNS = (*SERVERS, "client")
BLANK = [""] * (4 + len(CPU_COLUMNS))


@dataclass
class Report:
    """What was measured; parts that did not run stay empty."""

    tickets: int = 0
    start_up: dict[str, float] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    payloads: dict[str, int] = field(default_factory=dict)
    reads: dict[str, list[Read]] = field(default_factory=dict)
    simulated: Simulated | None = None
    storms: list[Storm] = field(default_factory=list)
    deadlines: dict[str, tuple[float, float]] = field(default_factory=dict)
    load_seconds: float = 0.0
    memory: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """Everything, for a file."""
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
            "load": [round(value, 2) for value in os.getloadavg()],
            "seconds": round(self.seconds, 1),
            "startUpSeconds": _rounded(self.start_up),
            "payloadBytes": self.payloads,
            "writes": [
                {
                    "name": pair.name,
                    "callers": pair.callers,
                    "ratio": round(pair.ratio, 3),
                    "target": TARGETS[pair.name] if pair.callers == MANY else None,
                    "bare": _numbers(pair.bare),
                    "ours": _numbers(pair.ours),
                }
                for pair in self.pairs
            ],
            "tickets": self.tickets,
            "loadSeconds": round(self.load_seconds, 1),
            "simulation": self.simulated
            and {
                "tickets": self.simulated.tickets,
                "seconds": round(self.simulated.seconds, 1),
                "getMeanwhile": _numbers(self.simulated.meanwhile),
            },
            "deadlineMicroseconds": {name: round(taken, 1) for name, (taken, _) in self.deadlines.items()},
            "detection": [
                {
                    "name": storm.name,
                    "deadlines": storm.count,
                    "bare": _lags(storm.bare),
                    "ours": _lags(storm.ours),
                    "createsMeanwhile": _numbers(storm.creates),
                    "bareCreatesMeanwhile": _numbers(storm.bare_creates),
                }
                for storm in self.storms
            ],
            "reads": {
                kind: [{"name": read.name, **_numbers(read.timing)} for read in rows]
                for kind, rows in self.reads.items()
            },
            "memoryMiB": {when: _rounded(sizes) for when, sizes in self.memory.items()},
        }

    def write(self, directory: Path) -> Path:
        """Write the document under a name of its own, and as `latest.json`."""
        directory.mkdir(parents=True, exist_ok=True)
        content = json.dumps(self.document(), indent=2) + "\n"
        path = directory / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
        for file in (path, directory / "latest.json"):
            file.write_text(content, encoding="utf-8")
        return path

    def print(self) -> None:
        """The table."""
        table = Table(
            title=f"Summit beside the bare engine; {self.tickets:,} tickets",
            box=SIMPLE_HEAD,
            width=WIDTH,
            padding=(0, 1, 0, 0),
        )
        table.add_column("measurement", no_wrap=True, width=MEASUREMENT)
        for name in ("calls/s", "p50 ms", "p95 ms", "p99 ms", *CPU_COLUMNS):
            table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
        table.add_column("verdict", no_wrap=True, min_width=16)
        for pair in self.pairs:
            at = f"{pair.name} at {pair.callers}"
            table.add_row(f"{at}, bare engine", *_cells(pair.bare, worker=BARE_WORKER))
            table.add_row(f"{at}, Summit", *_cells(pair.ours), _ratio(pair), end_section=True)
        for name, (taken, most) in self.deadlines.items():
            table.add_row(name, *BLANK, f"{taken:.0f} µs < {most:.0f} {_mark(taken < most)}")
        for storm in self.storms:
            self._print_storm(table, storm)
        for kind, rows in self.reads.items():
            for read in rows:
                table.add_row(f"{kind}: {read.name}", *_cells(read.timing), _read_verdict(kind, read))
            table.add_section()
        if self.simulated is not None:
            told = f"{self.simulated.seconds:.1f} s {_mark(self.simulated.seconds < MOST_SECONDS)}"
            table.add_row(f"simulation of {self.simulated.tickets:,} tickets", *BLANK, told)
            table.add_row("get meanwhile", *_cells(self.simulated.meanwhile), end_section=True)
        for name, seconds in self.start_up.items():
            table.add_row(name, *BLANK, f"{seconds:.1f} s")
        for when, sizes in self.memory.items():
            table.add_section()
            for name, size in sizes.items():
                table.add_row(f"memory {when}: {name}", *BLANK, f"{size:.0f} MiB")
        Console(width=WIDTH).print(table)
        timings = [timing for pair in self.pairs for timing in (pair.bare, pair.ours)]
        timings += [read.timing for rows in self.reads.values() for read in rows]
        if failed := sum(timing.failed for timing in timings):
            print(f"{failed} calls were not answered as expected; the JSON says which.")
        print("Columns from `api` on: CPU milliseconds per call; `worker` is the bare engine's own in its rows.")

    def _print_storm(self, table: Table, storm: Storm) -> None:
        """How late deadlines were noticed: the columns are p50, p99 and the largest lag."""
        name = f"detection, {storm.count:,} {storm.name}"
        for side, lags in (("bare engine", storm.bare), ("Summit", storm.ours)):
            cells = ["", *(f"{lags.percentile(percent):.0f}" for percent in (50, 99, 100))]
            good = storm.ratio(99) <= MOST_RATIO and not lags.lost and not lags.twice
            told = (
                f"{storm.ratio(50):.2f} / {storm.ratio(99):.2f} ≤ {MOST_RATIO} {_mark(good)}"
                if side == "Summit"
                else ""
            )
            table.add_row(f"{name}, {side}", *cells, *[""] * len(CPU_COLUMNS), told)
        table.add_row(f"{name}: lost, twice", str(storm.ours.lost), str(storm.ours.twice), *BLANK[2:], "")
        table.add_row("create meanwhile, bare engine", *_cells(storm.bare_creates))
        table.add_row("create meanwhile, Summit", *_cells(storm.creates), end_section=True)


def _lags(lags: Lags) -> dict[str, float]:
    found = {f"p{percent}Ms": round(lags.percentile(percent), 1) for percent in (50, 99)}
    return {**found, "maxMs": round(lags.percentile(100), 1), "lost": lags.lost, "twice": lags.twice}


def _ratio(pair: Pair) -> str:
    if pair.callers != MANY:
        return f"{pair.ratio:.2f} of bare"
    target = TARGETS[pair.name]
    return f"{pair.ratio:.2f} ≥ {target} {_mark(pair.ratio >= target)}"


def _read_verdict(kind: str, read: Read) -> str:
    if kind == "get":
        return "" if read.name != "get" else f"p50 < {GET_P50:.0f} {_mark(read.timing.percentile(50) < GET_P50)}"
    most = METRICS_P95 if kind == "metrics" else LIST_P95
    return f"p95 < {most:.0f} {_mark(read.timing.percentile(95) < most)}"


def _mark(good: bool) -> str:
    return "yes" if good else "[bold]NO[/bold]"


def _cells(timing: Timing, worker: str = "worker") -> list[str]:
    used = timing.cpu_per_call()
    columns = [used.get(worker if name == "worker" else name, 0.0) for name in CPU_COLUMNS]
    return [f"{value:.1f}" for value in (timing.rate, *map(timing.percentile, (50, 95, 99)), *columns)]


def _numbers(timing: Timing) -> dict[str, Any]:
    return {
        "calls": timing.calls,
        "failed": timing.failed,
        "perSecond": round(timing.rate, 1),
        **{f"p{p}Ms": round(timing.percentile(p), 2) for p in (50, 95, 99)},
        "perSecondByRound": [round(rate, 1) for rate in timing.rates],
        "cpuMs": _rounded(timing.cpu_per_call()),
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}
