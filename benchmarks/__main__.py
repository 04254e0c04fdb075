"""`python -m benchmarks`: start a private stack, measure writes and reads, print one table."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import psycopg
import typer
import uvloop

from benchmarks.dataset import People, load
from benchmarks.deadlines import deadlines as deadlines_cost
from benchmarks.plans import print_plans
from benchmarks.reads import Read, Reader, customers_list, reads
from benchmarks.report import Report
from benchmarks.simulation import simulate
from benchmarks.storm import storms
from benchmarks.usage import SERVERS, Meter
from benchmarks.writes import writes
from runtime.embedded.files import DataDir, read_json
from tests.stack import start_stack, stop_stack

RESULTS = Path(__file__).resolve().parents[1] / ".summit" / "bench"

MOVE_CUSTOMER = "update users set account_id = %s where tenant_id = %s and lower(email) = lower(%s)"


@contextmanager
def stage(name: str) -> Iterator[dict[str, float]]:
    """Say what is being done, and how long it took."""
    print(f"{name} …", flush=True)
    start = time.perf_counter()
    taken: dict[str, float] = {}
    yield taken
    taken["seconds"] = time.perf_counter() - start
    print(f"{name}: {taken['seconds']:.1f} s", flush=True)


@asynccontextmanager
async def started(directory: Path, report: Report) -> AsyncIterator[dict[str, Any]]:
    """A stack on fresh data, started twice: the second start is the one of every other day. Its data goes at the end."""
    shutil.rmtree(directory, ignore_errors=True)
    try:
        with stage("first start") as taken:
            process = await start_stack(directory)
        report.start_up["first start"] = taken["seconds"]
        with stage("stop") as taken:
            await stop_stack(process, directory)
        report.start_up["stop"] = taken["seconds"]
        with stage("second start") as taken:
            process = await start_stack(directory)
        report.start_up["second start"] = taken["seconds"]
        try:
            yield read_json(directory / "stack.json")
        finally:
            await stop_stack(process, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def serving(stack: Mapping[str, Any]) -> Meter:
    """The processes that answer a read."""
    return Meter({name: stack["pids"][name] for name in SERVERS})


async def measure_writes(stack: Mapping[str, Any], report: Report, rounds: int, scale: float) -> None:
    """The interleaved rounds."""
    with stage("writes"):
        report.pairs, engine = await writes(stack, rounds, scale)
    for name, note in (("creation", engine.creation), ("update", engine.update)):
        report.payloads |= {
            f"{name} message": len(note.text),
            f"{name} outcome": note.outcome,
            f"{name} answer": note.answer,
        }
    report.memory["after writes"] = serving(stack).memory()


async def measure_reads(
    stack: Mapping[str, Any], secret: str, report: Report, tickets: int, calls: int, *, plans: bool
) -> None:
    """Load the tickets, then read them."""
    tenant, other = UUID(stack["tenantId"]), UUID(stack["otherTenantId"])
    report.tickets = tickets
    with stage(f"loading {tickets:,} tickets") as taken:
        people: dict[UUID, People] = await asyncio.to_thread(
            load, stack["databaseUrl"], {tenant: tickets, other: max(1, tickets // 10)}
        )
        with psycopg.connect(stack["databaseUrl"]) as connection:
            customer = (people[tenant].accounts[-20], tenant, stack["logins"]["customer"]["email"])
            connection.execute(MOVE_CUSTOMER, customer)
    report.load_seconds = taken["seconds"]
    reader = Reader(stack, secret, tenant, people[tenant])
    with stage("reads"):
        meter = serving(stack)
        report.reads = await reads(reader, stack["tokens"]["agent"], meter, calls)
        report.reads["list"].append(await customers_list(reader, stack["tokens"]["customer"], meter, calls))
        smaller = Reader(stack, secret, other, people[other])
        of_other = await reads(smaller, stack["tokens"]["otherAdmin"], meter, calls // 4)
        report.reads["other tenant"] = [slowest(kind, rows) for kind, rows in of_other.items() if kind != "get"]
    report.memory["after reads"] = serving(stack).memory()
    with stage("simulation"):
        report.simulated = await simulate(stack, reader.tickets(), serving(stack))
    report.memory["after a simulation"] = serving(stack).memory()
    if plans:
        await print_plans(reader)


def slowest(kind: str, rows: Iterable[Read]) -> Read:
    """The read with the worst 95th percentile, which stands for its kind."""
    worst = max(rows, key=lambda read: read.timing.percentile(95))
    return Read(f"{kind}, {worst.name}", worst.timing)


async def run(
    tickets: int, rounds: int, scale: float, calls: int, deadlines: int, parts: set[str], *, plans: bool
) -> None:
    """Everything, in order."""
    report, begun = Report(), time.perf_counter()
    directory = RESULTS / "stack"
    async with started(directory, report) as stack:
        secret = DataDir(directory).secrets().signing
        if "writes" in parts:
            await measure_writes(stack, report, rounds, scale)
        if "storm" in parts:
            report.deadlines = deadlines_cost()
            with stage("storms of deadlines"):
                report.storms = await storms(stack, deadlines, serving(stack))
        if "reads" in parts:
            await measure_reads(stack, secret, report, tickets, calls, plans=plans)
    report.seconds = time.perf_counter() - begun
    report.print()
    print(f"{report.seconds:.0f} s in all; written to {report.write(RESULTS).relative_to(RESULTS.parents[1])}")


def main(
    tickets: Annotated[
        int, typer.Option(min=1000, help="Tickets of the large tenant; another one gets a tenth.")
    ] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds of writes.")] = 5,
    scale: Annotated[float, typer.Option(min=0.01, help="Calls per round, as a multiple of the usual number.")] = 1.0,
    calls: Annotated[int, typer.Option(min=8, help="Calls of each list and search.")] = 60,
    deadlines: Annotated[int, typer.Option(min=10, help="Deadlines of each storm.")] = 1_000,
    only: Annotated[
        str, typer.Option(help="Some of writes, storm and reads; all unless given.")
    ] = "writes,storm,reads",
    plans: Annotated[bool, typer.Option("--plans", help="Print the plans of lists and searches.")] = False,
) -> None:
    """Measure Summit beside the bare engine. Takes both cores of a small machine: let nothing else run."""
    uvloop.run(run(tickets, rounds, scale, calls, deadlines, set(only.split(",")), plans=plans))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
