"""Scenarios of single crashes under load, and of many callers at one ticket."""

import asyncio
import contextlib
import sys
import time
from datetime import timedelta
from typing import Final
from uuid import UUID

from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError

from domain.ids import workflow_id
from domain.protocol import STATE_QUERY
from runtime.embedded.processes import until
from tests.chaos.agreement import settle
from tests.chaos.desk import Call, Desk, change, comment, create
from tests.chaos.findings import Finding
from tests.chaos.halting_worker import MARK
from tests.chaos.histories import check_histories, runs
from tests.chaos.installation import Installation, has_ended
from tests.chaos.rows import LABELS, check_rows

HALTING: Final = (sys.executable, "-m", "tests.chaos.halting_worker")
PRIORITIES: Final = ("LOW", "MEDIUM", "HIGH", "URGENT")


async def aftermath(desk: Desk) -> list[Finding]:
    """What must hold for all calls of a desk once they are answered: agreement in time, the rows, the histories."""
    tickets = sorted({call.ticket for call in desk.calls if call.ticket})
    client = await desk.installation.temporal()
    seconds, differing = await settle(desk.installation, client, tickets)
    return [
        Finding("all agrees within 30 s", len(tickets), differing, f"{seconds:.1f} s"),
        *await check_rows(desk),
        *await check_histories(client, tickets),
    ]


async def killed_during_creates(installation: Installation, victim: str, count: int = 200) -> list[Finding]:
    """kill -9 of one piece in the middle of concurrent creates. Needs the supervisor."""
    async with Desk(installation) as desk:
        calls = [create() for _ in range(count)]
        sending = [asyncio.create_task(desk.send(call)) for call in calls]
        await answered(calls, count // 4)
        old = installation.published["pids"][victim]
        acknowledged = sum(call.settled for call in calls)
        begun = time.monotonic()
        await installation.kill(victim)
        await asyncio.gather(*sending)
        served = sum(call.settled for call in calls)
        await installation.back(victim, old)
        await desk.settle(calls)
        note = f"{acknowledged} before, {served} without repeating, all after {time.monotonic() - begun:.1f} s"
        wrong = [f"{call.label} refused with {call.refused}" for call in calls if call.refused]
        return [Finding(f"creates through kill -9 of {victim}", count, wrong, note), *await aftermath(desk)]


async def many_updates(installation: Installation, count: int = 500) -> list[Finding]:
    """Updates of one ticket, every second ten of them at once, across several runs."""
    async with Desk(installation) as desk:
        ticket = await opened(desk)
        for start in range(0, count, 10):
            burst = [update_of(ticket, n) for n in range(start, min(start + 10, count))]
            if start % 20:
                await asyncio.gather(*(desk.send(call) for call in burst))
            else:
                for call in burst:
                    await desk.send(call)
        repeated = sum(not call.settled for call in desk.calls)
        await desk.settle()
        findings = await aftermath(desk)
        lengths = [len(history.events) for history in await runs(await installation.temporal(), ticket)]
        wrong = [] if len(lengths) > count // 100 else [f"only {len(lengths)} runs"]
        note = f"{len(lengths)} runs of at most {max(lengths)} events, {repeated} had to be repeated"
        return [Finding("updates of one ticket over several runs", count, wrong, note), *findings]


async def at_once(installation: Installation, count: int = 200, within: float = 10.0) -> list[Finding]:
    """Simultaneous updates of one ticket; those told to come again do so at once."""
    async with Desk(installation) as desk:
        ticket = await opened(desk)
        calls = [update_of(ticket, n) for n in range(count)]
        begun = time.monotonic()
        await asyncio.gather(*(desk.send(call) for call in calls))
        first = sum(call.settled for call in calls)
        await desk.settle(calls)
        seconds = time.monotonic() - begun
        wrong = [] if seconds <= within else [f"they took {seconds:.1f} s"]
        note = f"{seconds:.1f} s, {first} at the first try"
        return [Finding(f"updates at once within {within:.0f} s", count, wrong, note), *await aftermath(desk)]


async def queried(installation: Installation, count: int = 600, within: float = 45.0) -> list[Finding]:
    """Tickets queried without pause while they are updated, then the worker killed: each takes its next update soon.

    A query answered in the middle of an update can leave a history that no fresh worker replays (docs/chaos.md). Needs the supervisor.
    """
    async with Desk(installation) as desk:
        client = await installation.temporal()
        tickets = [await opened(desk) for _ in range(12)]
        asking = [asyncio.create_task(ask(client, ticket)) for ticket in tickets]
        calls = [update_of(tickets[n // 3 % len(tickets)], n) for n in range(count)]
        for start in range(0, len(calls), 9):
            await asyncio.gather(*(desk.send(call) for call in calls[start : start + 9]))
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        old = installation.published["pids"]["worker"]
        await installation.kill("worker")
        await installation.back("worker", old)
        begun = time.monotonic()
        last = [update_of(ticket, 1) for ticket in tickets]
        await desk.settle(last, within)
        seconds = time.monotonic() - begun
        stuck = [f"{call.target} takes nothing any more" for call in last if not call.accepted]
        await desk.settle()
        findings = await aftermath(desk)
        return [Finding("queried tickets live on", len(tickets), stuck, f"{seconds:.1f} s"), *findings]


async def killed_after_commit(installation: Installation, *, api_too: bool) -> list[Finding]:
    """A worker dies between commit and completion while other updates race; with `api_too` nobody repeats the lost input.

    Needs the pieces without a supervisor.
    """
    async with Desk(installation) as desk:
        ticket = await opened(desk)
        await installation.kill("worker")
        await installation.revive("worker", HALTING)
        (halting,) = installation.processes("worker")
        lost = comment(ticket, label=f"{MARK} {time.time_ns()}")
        racing = [update_of(ticket, n) for n in range(4)]
        sending = [asyncio.create_task(desk.send(call)) for call in [lost, *racing]]

        async def halted() -> bool:
            return has_ended(halting)

        with contextlib.suppress(TimeoutError):
            await until(halted, 20)
        if api_too:
            await installation.kill("api")
        rows = await installation.rows(LABELS[lost.kind], [lost.label])
        wrong = [] if rows and has_ended(halting) else ["the worker did not die after its commit"]
        await installation.revive("worker")
        if api_too:
            await asyncio.gather(*sending)
            await installation.revive("api")
            seconds, differing = await settle(installation, await installation.temporal(), [ticket])
            wrong += [f"unmended after {seconds:.1f} s: {difference}" for difference in differing]
            # Somebody else's input comes before the lost one is repeated.
            await desk.settle([update_of(ticket, 5)])
        await asyncio.gather(*sending)
        await desk.settle()
        name = "killed between commit and completion" + (", and the API too" if api_too else "")
        return [Finding(name, len(desk.calls), wrong), *await aftermath(desk)]


async def opened(desk: Desk) -> str:
    """A new ticket."""
    call = create()
    await desk.send(call)
    await desk.settle([call])
    assert call.ticket is not None, f"refused with {call.refused}"
    return call.ticket


async def ask(client: Client, ticket: str) -> None:
    """Query a ticket's workflow until cancelled."""
    handle = client.get_workflow_handle(workflow_id("ticket", UUID(ticket)))
    while True:
        with contextlib.suppress(RPCError, WorkflowQueryFailedError):
            await handle.query(STATE_QUERY, rpc_timeout=timedelta(seconds=3))


async def answered(calls: list[Call], count: int, seconds: float = 5.0) -> None:
    """Wait until so many have an answer, or so long on a machine that is busy with other things."""

    async def enough() -> bool:
        return sum(call.settled for call in calls) >= count

    with contextlib.suppress(TimeoutError):
        await until(enough, seconds, every=0.01)


def update_of(ticket: str, number: int) -> Call:
    """A change or a comment, in turn."""
    if number % 2:
        return comment(ticket, internal=True)
    return change(ticket, priority=PRIORITIES[number // 2 % len(PRIORITIES)], tags=[f"n{number}"])
