"""Scenarios of things that are away or lost: Postgres, Temporal's database, a timer."""

import asyncio
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy

from domain.ids import workflow_id
from domain.protocol import Snapshot, Start
from runtime.embedded.processes import send, until
from tests.chaos.agreement import settle
from tests.chaos.crashes import aftermath, opened, update_of
from tests.chaos.desk import Call, Desk, change
from tests.chaos.findings import Finding
from tests.chaos.histories import runs
from tests.chaos.installation import Installation

SLOWEST_REFUSAL: Final = 10.0
"""Seconds within which a caller is told that something is away."""

MOST_EVENTS: Final = 100

WAITING: Final = ("CUSTOMER_REMINDER", "AUTO_RESOLVE")
"""What a ticket that waits for its customer has promised; the reminder comes first."""

LATEST: Final = "select snapshot from ticket_history where process_id = %s::uuid order by revision desc limit 1"
REWRITE: Final = """
with history as (
  update ticket_history set snapshot = %s::jsonb where process_id = %s::uuid and revision = %s returning process_id, snapshot
), ledger as (
  update deadlines d set due_at = d.due_at - %s from history h where d.process_id = h.process_id and d.state = 'ARMED'
    and d.kind in ('CUSTOMER_REMINDER', 'AUTO_RESOLVE')
)
update support_tickets t set status_since = (h.snapshot->'state'->>'status_since')::timestamptz,
  next_deadline_at = (h.snapshot->>'wake_at')::timestamptz
from history h where t.id = h.process_id returning t.id
"""
REMINDED: Final = """
select p.id from processes p join deadlines d on d.process_id = p.id
where p.id = any(%s::uuid[]) and d.kind = 'CUSTOMER_REMINDER' and d.state = 'FIRED'
"""
WAKES, SWEEPS = "summit_auditor_wakes_total", "summit_auditor_sweeps_total"
UNBROKEN: Final = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED)

DAYS: Final = """
update tenants set remind_after_minutes = default, resolve_after_minutes = default, reopen_grace_minutes = default
where id = %s::uuid returning id
"""
"""The promises of a new tenant: none but those that a scenario moves falls due while it lasts."""

LOST: Final = 'reason="lost"'
"""Wakes of workflows that were deleted with Temporal's database belong to another scenario."""


async def postgres_away(
    installation: Installation, seconds: float = 120.0, *, deadlines: int = 50, updates: int = 20, frozen: bool = False
) -> list[Finding]:
    """Postgres killed or frozen while deadlines pass and updates arrive. Needs the pieces without a supervisor."""
    async with Desk(installation) as desk:
        client = await installation.temporal()
        tickets = await waiting(desk, deadlines)
        start = datetime.now(UTC) + timedelta(seconds=3)
        dues = [start + timedelta(seconds=seconds * 0.8 * n / deadlines) for n in range(deadlines)]
        await asyncio.gather(*(replant(installation, client, t, due) for t, due in zip(tickets, dues, strict=True)))
        before = await events(client, tickets)
        victims = installation.processes("postgres")
        if frozen:
            send(victims, signal.SIGSTOP)
        else:
            await installation.kill("postgres")
        gone = time.monotonic()
        calls = [update_of(ticket, n) for n, ticket in enumerate(random.Random(updates).sample(tickets, updates))]
        refusals = await asyncio.gather(
            *(told_off(desk, call, seconds * 0.7 * n / updates) for n, call in enumerate(calls))
        )
        await asyncio.sleep(max(0, seconds - (time.monotonic() - gone)))
        if frozen:
            send(victims, signal.SIGCONT)
        else:
            await installation.revive("postgres")
        back = time.monotonic()
        await installation.ready()
        await desk.settle(calls)
        fired = await reminded(installation, tickets, 45)
        took = time.monotonic() - back
        grown = [after - b for after, b in zip(await events(client, tickets), before, strict=True)]
        failed = [t for t in tickets if await status(client, t) not in UNBROKEN]
        slow = [f"told after {seconds:.1f} s only" for seconds in refusals if seconds > SLOWEST_REFUSAL]
        how = "frozen" if frozen else "killed"
        return [
            Finding(
                f"deadlines while Postgres is {how}", deadlines, missing(tickets, fired), f"all {took:.1f} s after"
            ),
            Finding("no workflow failed", deadlines, failed),
            Finding("updates are told within 10 s", updates, slow, f"slowest {max(refusals):.1f} s"),
            Finding(
                f"histories grew by {MOST_EVENTS} events at most",
                deadlines,
                [f"by {n}" for n in grown if n > MOST_EVENTS],
                f"most {max(grown)}, mean {sum(grown) / len(grown):.0f}",
            ),
            *await aftermath(desk),
        ]


async def temporal_lost(installation: Installation, count: int = 20) -> list[Finding]:
    """Temporal's database deleted: each ticket lives on from its rows at its next call. Needs the supervisor."""
    async with Desk(installation) as desk:
        tickets = await waiting(desk, count)
        closed = change(tickets.pop(), status="CANCELLED")
        await desk.send(closed)
        await desk.settle([closed])
        assert installation.plan.temporal is not None
        old, database = installation.published["pids"]["temporal"], installation.plan.temporal.database
        await installation.kill("temporal")
        for suffix in ("", "-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        await installation.back("temporal", old)
        begun = time.monotonic()
        calls = [update_of(ticket, n) for n, ticket in enumerate(tickets)]
        await asyncio.gather(*(desk.send(call) for call in calls))
        first = sum(call.accepted is not None for call in calls)
        await desk.settle(calls)
        late = change(str(closed.target), priority="HIGH")
        await desk.settle([late, opening := update_of(await opened(desk), 1)])
        wrong = [] if late.refused == 409 and opening.accepted else [f"a closed ticket answered {late.refused}"]
        note = f"{first} at the first try, all after {time.monotonic() - begun:.1f} s"
        # The workflow of the closed ticket is gone for good, so only the open ones can agree.
        desk.calls = [call for call in desk.calls if str(closed.target) not in (call.target, call.ticket)]
        return [Finding("tickets outlive Temporal's database", len(calls), wrong, note), *await aftermath(desk)]


async def timer_lost(installation: Installation, count: int = 5, sweeps: int = 3) -> list[Finding]:
    """Timers lost while their ledger rows are overdue: the auditor mends them, and is silent before and after."""
    async with Desk(installation) as desk:
        client = await installation.temporal()
        tickets = await waiting(desk, count)
        _, differing = await settle(installation, client, tickets)
        before = await quiet(installation, sweeps)
        overdue = datetime.now(UTC) - timedelta(seconds=40)
        woken = await installation.metric(WAKES, LOST)
        for ticket in tickets:
            await replant(installation, client, ticket, overdue, lost=True)
        begun = time.monotonic()
        fired = await reminded(installation, tickets, 30)
        took = time.monotonic() - begun
        wakes = await installation.metric(WAKES, LOST) - woken
        after = await quiet(installation, sweeps)
        once = [] if wakes == count else [f"{wakes:.0f} wakes for {count} lost timers"]
        return [
            Finding("lost timers are mended", count, differing + missing(tickets, fired) + once, f"{took:.1f} s"),
            Finding("the auditor is silent while all is well", 2 * sweeps, before + after),
            *await aftermath(desk),
        ]


async def waiting(desk: Desk, count: int) -> list[str]:
    """New tickets that wait for their customer, for days."""
    await desk.installation.rows(DAYS, desk.installation.tenant_id)

    async def one() -> str:
        ticket = await opened(desk)
        await desk.settle([change(ticket, status="PENDING_CUSTOMER")])
        return ticket

    return await asyncio.gather(*(one() for _ in range(count)))


async def replant(
    installation: Installation, client: Client, ticket: str, due: datetime, *, lost: bool = False
) -> None:
    """Move a ticket's reminder: its workflow starts again from its recorded outcome; `lost` leaves it without a timer."""
    (row,) = await installation.rows(LATEST, ticket)
    snapshot = Snapshot.model_validate(row["snapshot"])
    shift = next(d.due_at for d in snapshot.deadlines if d.kind == WAITING[0]) - due
    state = snapshot.state or {}
    since = datetime.fromisoformat(state["status_since"]) - shift
    moved = snapshot.model_copy(
        update={
            "state": state | {"status_since": since.isoformat().replace("+00:00", "Z")},
            "deadlines": tuple(
                d.model_copy(update={"due_at": d.due_at - shift}) if d.kind in WAITING else d
                for d in snapshot.deadlines
            ),
            "wake_at": due,
        }
    )
    name = workflow_id("ticket", UUID(ticket))
    await client.get_workflow_handle(name).terminate("to move its deadline")
    await installation.rows(REWRITE, moved.model_dump_json(), ticket, snapshot.revision, shift)
    await client.start_workflow(
        "ticket",
        Start(
            tenant_id=UUID(installation.tenant_id),
            process_id=UUID(ticket),
            snapshot=moved.model_copy(update={"wake_at": None}) if lost else moved,
        ),
        id=name,
        task_queue=installation.plan.task_queue,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        task_timeout=timedelta(seconds=5),
    )


async def told_off(desk: Desk, call: Call, after: float) -> float:
    """Send a call after a while; the seconds that its first answer took."""
    await asyncio.sleep(after)
    begun = time.monotonic()
    await desk.send(call)
    return time.monotonic() - begun


async def reminded(installation: Installation, tickets: list[str], seconds: float) -> set[str]:
    """The tickets whose reminder fired, as soon as that is all of them or the time is up."""
    fired: set[str] = set()

    async def all_fired() -> bool:
        fired.update(str(row["id"]) for row in await installation.rows(REMINDED, tickets))
        return len(fired) == len(tickets)

    try:
        await until(all_fired, seconds, every=0.5)
    except TimeoutError:
        return fired
    return fired


def missing(tickets: list[str], fired: set[str]) -> list[str]:
    """The tickets whose reminder did not fire, in words."""
    return [f"the reminder of {ticket} did not fire" for ticket in tickets if ticket not in fired]


async def events(client: Client, tickets: list[str]) -> list[int]:
    """How many events each ticket's chain of runs has."""
    return [sum(len(history.events) for history in await runs(client, ticket)) for ticket in tickets]


async def status(client: Client, ticket: str) -> WorkflowExecutionStatus | None:
    """How a ticket's workflow stands."""
    return (await client.get_workflow_handle(workflow_id("ticket", UUID(ticket))).describe()).status


async def quiet(installation: Installation, sweeps: int) -> list[str]:
    """Watch the auditor for some rounds; what it woke meanwhile."""
    wakes = await installation.metric(WAKES, LOST)
    begun = await installation.metric(SWEEPS)

    async def swept() -> bool:
        return await installation.metric(SWEEPS) >= begun + sweeps

    await until(swept, 60, every=0.5)
    more = await installation.metric(WAKES, LOST) - wakes
    return [f"{more:.0f} wakes in {sweeps} rounds"] if more else []
