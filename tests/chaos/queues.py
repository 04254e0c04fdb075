"""Queues and merges through kill -9: nobody gets more than they have room for, nobody is forgotten, no merge is left half done."""

import asyncio
import contextlib
import itertools
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from runtime.embedded.processes import until
from tests.chaos.crashes import aftermath
from tests.chaos.desk import Call, Desk, change, create, merge
from tests.chaos.findings import Finding
from tests.chaos.installation import Installation

CAPACITY: Final = 10
AGENTS: Final = 2

OVERLOADED: Final = """
select assignee_id, count(*) as n from support_tickets
where team_id = %s and assignee_id is not null and status not in ('RESOLVED', 'CLOSED', 'CANCELLED')
group by 1 having count(*) > %s
"""
WAITING: Final = """
select count(*) as n from support_tickets
where team_id = %s and assignee_id is null and status not in ('RESOLVED', 'CLOSED', 'CANCELLED')
"""
TAKEN: Final = """
select s.id, s.assignee_id is not null as taken,
  (select min(h.decided_at) from ticket_history h where h.process_id = s.id) as joined_at,
  (select min(h.decided_at) from ticket_history h
   where h.process_id = s.id and h.snapshot -> 'state' ->> 'assignee_id' is not null) as taken_at
from support_tickets s where s.team_id = %s order by s.created_at, s.id
"""
HALF_MERGED: Final = """
select s.id from support_tickets s
join ticket_history h on h.process_id = s.merged_into
  and h.revision = (select revision from processes p where p.id = s.merged_into)
where s.id = any(%s::uuid[]) and not h.snapshot -> 'state' -> 'merged_from' @> to_jsonb(array[s.id::text])
"""


async def drained(installation: Installation, tickets: int = 60) -> list[Finding]:
    """A queue fills and drains while every piece is killed in turn. Needs the supervisor."""
    async with Desk(installation) as desk:
        team, tag = await crew(desk)
        calls = [create(tags=[tag]) for _ in range(tickets)]
        killer = asyncio.create_task(keep_killing(installation))
        try:
            await asyncio.gather(*(desk.send(call) for call in calls))
            await desk.settle(calls)
            done: set[str] = set()
            for _ in range(tickets):
                finished = await resolve_next(desk, team, done)
                if not finished:
                    await asyncio.sleep(1.0)
                if len(done) >= tickets // 2:
                    break
        finally:
            killer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await killer
        await installation.ready()
        left = tickets - len(done) - AGENTS * CAPACITY
        seconds = await waits_for(installation, team, left)
        wrong = [] if seconds is not None else [f"other than {left} wait in the queue"]
        over = [f"{row['assignee_id']} has {row['n']}" for row in await installation.rows(OVERLOADED, team, CAPACITY)]
        note = f"{len(done)} resolved, {left} left waiting, at rest after {seconds or 0:.1f} s"
        return [
            Finding("a queue drains through kill -9", tickets, wrong, note),
            Finding("nobody has more than they have room for", AGENTS, over),
            await in_order(installation, team),
            *await aftermath(desk),
        ]


async def merged(installation: Installation, pairs: int = 20) -> list[Finding]:
    """Merges while every piece is killed in turn: each is done on both sides or on none. Needs the supervisor."""
    async with Desk(installation) as desk:
        calls = [create() for _ in range(2 * pairs)]
        await asyncio.gather(*(desk.send(call) for call in calls))
        await desk.settle(calls)
        killer = asyncio.create_task(keep_killing(installation))
        try:
            ids = [str(call.ticket) for call in calls]
            merges = [merge(a, b) for a, b in zip(ids[::2], ids[1::2], strict=True)]
            for batch in batches(merges, 4):
                await asyncio.gather(*(desk.send(call) for call in batch))
                await asyncio.sleep(0.5)
            await desk.settle(merges)
        finally:
            killer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await killer
        await installation.ready()
        half: list[Any] = []

        async def whole() -> bool:
            half[:] = await installation.rows(HALF_MERGED, ids)
            return not half

        with contextlib.suppress(TimeoutError):
            await until(whole, 60)
        wrong = [f"{row['id']} is not known to the other ticket" for row in half]
        return [Finding("merges are done on both sides", pairs, wrong), *await aftermath(desk)]


def batches(calls: list[Call], size: int) -> list[list[Call]]:
    """The calls, so many at a time."""
    return [calls[start : start + size] for start in range(0, len(calls), size)]


async def crew(desk: Desk) -> tuple[str, str]:
    """A team of two with a rule that sends it the tickets of a tag."""
    tag = uuid4().hex[:12]
    team = (await desk.made("/api/teams", {"name": f"Crew {tag}"}))["id"]
    for n in range(AGENTS):
        person = {"email": f"{tag}-{n}@desk.example", "name": f"Agent {n}", "role": "AGENT", "teamIds": [team]}
        await desk.made("/api/users", person | {"capacity": CAPACITY, "password": "a-password-of-the-tests"})
    await desk.made("/api/routing-rules", {"name": tag, "teamId": team, "condition": {"tags": [tag]}, "position": 1})
    return team, tag


async def keep_killing(installation: Installation) -> None:
    """Kill worker, API and Postgres in turn, each once the one before is back."""
    for piece in itertools.cycle(("worker", "api", "postgres", "worker", "api", "temporal")):
        await asyncio.sleep(1.5)
        old = installation.published["pids"][piece]
        await installation.kill(piece)
        await installation.back(piece, old)
        await installation.ready()


async def resolve_next(desk: Desk, team: str, done: set[str]) -> bool:
    """Resolve the oldest ticket that somebody has; whether there was one."""
    rows = await desk.installation.rows(TAKEN, team)
    open_ones = [str(row["id"]) for row in rows if row["taken"] and str(row["id"]) not in done]
    for ticket in open_ones[:4]:
        call = change(ticket, status="RESOLVED")
        await desk.send(call)
        await desk.settle([call])
        done.add(ticket)
    return bool(open_ones)


async def waits_for(installation: Installation, team: str, count: int) -> float | None:
    """The seconds until so many wait; None when they never do."""
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def so_many() -> bool:
        return bool((await installation.rows(WAITING, team))[0]["n"] == count)

    try:
        await until(so_many, 60)
    except TimeoutError:
        return None
    return loop.time() - begun


async def in_order(installation: Installation, team: str) -> Finding:
    """Nobody was taken while somebody older waited. What was decided later, for a piece was dead, has not waited before that."""
    rows = await installation.rows(TAKEN, team)
    waiting: list[datetime] = []
    overtaking = []
    for row in rows:
        if not row["taken"]:
            waiting.append(row["joined_at"])
        elif waiting and min(waiting) < row["taken_at"]:
            overtaking.append(
                f"{row['id']} was taken at {row['taken_at']:%T.%f}, somebody older joined at {min(waiting):%T.%f}"
            )
    return Finding("nobody overtakes in a queue", len(rows), overtaking)
