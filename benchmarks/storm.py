"""How late deadlines are noticed: spread over a minute, and a thousand in one instant, beside the bare engine's own timers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import psycopg
from temporalio.client import Client

from benchmarks.bare import Alarm, AlarmWorkflow
from benchmarks.callers import Timing, measure
from benchmarks.client import Http, Unexpected
from benchmarks.engine import Engine, bare_worker, breach_sizes, connect, start_options
from benchmarks.texts import Texts
from benchmarks.usage import Meter
from benchmarks.writes import Desk
from domain.sla.calendars import DAYS

MOST_RATIO: Final = 1.5
"""How many times the bare engine's lag ours may be."""

CALLERS: Final = 16
MINUTE: Final = timedelta(minutes=1)
PATIENCE_SECONDS: Final = 120.0
STARTED_PER_SECOND: Final = 30
"""How fast a small machine opens tickets beside everything else."""

TOO_SLOW: Final = "starting took longer than foreseen; ask for fewer deadlines"

LAGS: Final = """
select extract(epoch from detected_at - breached_at)::float8 from sla_breaches
where kind = 'FIRST_RESPONSE' and ticket_id = any(%s::uuid[])
"""
TWICE: Final = """
select count(*) from (
  select process_id from notifications where template = 'sla_breached' and process_id = any(%s::uuid[])
    and rung like '%%/FIRST_RESPONSE/%%' group by process_id, recipient, channel having count(*) > 1
) twice
"""


@dataclass
class Lags:
    """How late each deadline was noticed (seconds), how many never were, and how many twice."""

    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    twice: int = 0

    def percentile(self, percent: float) -> float:
        """A lag in milliseconds, by nearest rank."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


@dataclass
class Storm:
    """One measurement on both sides; `creates` and `bare_creates` are interactive calls meanwhile."""

    name: str
    count: int
    bare: Lags = field(default_factory=Lags)
    ours: Lags = field(default_factory=Lags)
    creates: Timing = field(default_factory=Timing)
    bare_creates: Timing = field(default_factory=Timing)

    def ratio(self, percent: float) -> float:
        """Our lag as a multiple of the bare engine's."""
        return self.ours.percentile(percent) / max(self.bare.percentile(percent), 0.001)


@dataclass(frozen=True)
class Weather:
    """What makes storms: an office with one promise for each kind of storm."""

    http: Http
    desk: Desk
    client: Client
    tenant: str
    database: str
    meter: Meter

    async def prepare(self) -> None:
        """Leave the breach as the only rung, so that what is measured is one decision for each deadline."""
        rules = (await self.http.get("/api/escalation-rules", {"limit": 100})).json()["data"]
        for rule in rules:
            if rule["trigger"].get("percent", 100) < 100:
                await self._write("PATCH", f"/api/escalation-rules/{rule['id']}", {"active": False}, 200)

    async def spread(self, count: int) -> Storm:
        """Deadlines over a minute: tickets are opened over a minute, each promised an answer within the time that this takes."""
        storm = Storm("spread over a minute", count)
        await self._promise("SEV1", 2, None)
        ids = await self._open(count, "SEV1", over=60.0)
        await self._passing(storm, ids, datetime.now(UTC) + MINUTE, datetime.now(UTC) + 2 * MINUTE)
        first = datetime.now(UTC) + starting(count)
        dues = [first + timedelta(seconds=60 * n / count) for n in range(count)]
        await self._bare(storm, ids[0], dues)
        return storm

    async def instant(self, count: int) -> Storm:
        """All deadlines in one instant: the calendar opens at one, and each ticket is promised an answer a minute later."""
        storm = Storm("in one instant", count)
        opening = datetime.now(UTC) + starting(count)
        opens = (opening + MINUTE).replace(second=0, microsecond=0)
        await self._promise("SEV2", 1, opens)
        ids = await self._open(count, "SEV2", over=0.0)
        if datetime.now(UTC) > opens:
            raise RuntimeError(TOO_SLOW)
        await self._passing(storm, ids, opens + MINUTE, opens + MINUTE)
        await self._bare(storm, ids[0], [datetime.now(UTC) + starting(count)] * count)
        return storm

    async def _promise(self, severity: str, minutes: int, opens: datetime | None) -> None:
        """A first response to PREMIUM within so many minutes, which begin to count at `opens`."""
        week = {day: [["00:00", "24:00"]] for day in DAYS}
        closed = [{"date": str(opens.date()), "windows": [[f"{opens:%H:%M}", "24:00"]]}] if opens else []
        calendar = {"name": f"Storm {uuid4().hex[:8]}", "timeZone": "UTC", "week": week, "holidays": closed}
        made = await self._write("POST", "/api/sla/calendars", calendar, 201)
        promise = {"tier": "PREMIUM", "severity": severity, "kind": "FIRST_RESPONSE", "targetMinutes": minutes}
        await self._write("POST", "/api/sla/definitions", promise | {"calendarId": made["id"]}, 201)

    async def _open(self, count: int, severity: str, over: float) -> list[str]:
        """Open tickets, as fast as it goes or evenly over some seconds."""
        ids: list[str] = []
        begun = asyncio.get_running_loop().time()

        async def one(number: int) -> None:
            await asyncio.sleep(max(0.0, begun + over * number / count - asyncio.get_running_loop().time()))
            body = {
                "customerEmail": f"storm{number}@elsewhere.example",
                "subject": self.desk.texts.words(7),
                "description": self.desk.texts.words(40),
                "severity": severity,
                "slaTier": "PREMIUM",
            }
            ids.append((await self._write("POST", "/api/tickets", body, 201))["id"])

        await measure(CALLERS, count, 600.0, one, self.meter)
        return ids

    async def _passing(self, storm: Storm, ids: Sequence[str], first: datetime, last: datetime) -> None:
        """What happens while the deadlines pass: they are recorded, and two people open tickets all the while."""
        await asyncio.sleep(max(0.0, (first - datetime.now(UTC)).total_seconds()))
        async with people(self.desk.create, storm.creates):
            await self._ours(storm, ids, last)

    async def _ours(self, storm: Storm, ids: Sequence[str], last: datetime) -> None:
        """Wait until every deadline is recorded, or for a good while."""
        until = max(last, datetime.now(UTC)) + timedelta(seconds=PATIENCE_SECONDS)
        async with await psycopg.AsyncConnection.connect(self.database, autocommit=True) as connection:
            while True:
                rows = await (await connection.execute(LAGS, [list(ids)])).fetchall()
                if len(rows) >= len(ids) or datetime.now(UTC) > until:
                    break
                await asyncio.sleep(0.25)
            twice = await (await connection.execute(TWICE, [list(ids)])).fetchone()
        storm.ours = Lags([row[0] for row in rows], len(ids) - len(rows), twice[0] if twice else 0)

    async def _bare(self, storm: Storm, ticket: str, dues: Sequence[datetime]) -> None:
        """The same deadlines as workflows that do nothing else, with payloads as long as a ticket's, while two people start others."""
        names = [f"alarm/{uuid4()}" for _ in dues]
        request, outcome = await breach_sizes(self.client, f"ticket/{ticket}")

        async def one(number: int) -> None:
            alarm = Alarm(due=dues[number], state="x" * request, outcome=outcome)
            options = start_options(self.tenant, number)
            await self.client.start_workflow(AlarmWorkflow.run, alarm, id=names[number], **options)

        await measure(CALLERS, len(dues), 600.0, one, self.meter)
        if datetime.now(UTC) > min(dues):
            raise RuntimeError(TOO_SLOW)
        engine = await Engine.like(self.client, self.tenant, self.desk.tickets[-1])
        await asyncio.sleep(max(0.0, (min(dues) - datetime.now(UTC)).total_seconds()))
        async with people(engine.create, storm.bare_creates):
            await asyncio.sleep(max(0.0, (max(dues) - datetime.now(UTC)).total_seconds()))
            for _ in range(int(PATIENCE_SECONDS)):
                # Not all at once: a query costs the worker that is being measured.
                if await self.client.get_workflow_handle(names[-1]).query(AlarmWorkflow.late) is not None:
                    break
                await asyncio.sleep(1.0)
        await asyncio.sleep(10.0)
        lags = [await self.client.get_workflow_handle(name).query(AlarmWorkflow.late) for name in names]
        storm.bare = Lags([lag for lag in lags if lag is not None], sum(lag is None for lag in lags))

    async def _write(self, method: str, path: str, body: Mapping[str, Any], expect: int) -> dict[str, Any]:
        answer = await self.http.send(method, path, json.dumps(body).encode(), expect)
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def people(create: Callable[[int], Awaitable[None]], timing: Timing) -> AsyncIterator[None]:
    """Two people who open one ticket after the other as long as this lasts."""
    over = asyncio.Event()

    async def person(first_number: int) -> None:
        number = first_number
        while not over.is_set():
            begun = time.perf_counter()
            try:
                await create(number)
            except Unexpected as unexpected:
                timing.failed += 1
                print(f"  {unexpected}", flush=True)
            else:
                timing.seconds.append(time.perf_counter() - begun)
            number += 2

    begun = time.perf_counter()
    at_work = [asyncio.create_task(person(number)) for number in range(2)]
    yield
    over.set()
    await asyncio.gather(*at_work)
    timing.rates.append(timing.calls / (time.perf_counter() - begun))


def starting(count: int) -> timedelta:
    """How long starting so many takes at most, and a while to settle down."""
    return timedelta(seconds=10 + count / STARTED_PER_SECOND)


async def storms(stack: Mapping[str, Any], count: int, meter: Meter) -> list[Storm]:
    """Both storms."""
    client = await connect(stack)
    async with Http(stack["apiUrl"], stack["tokens"]["lead"]) as http, bare_worker(stack):
        weather = Weather(http, Desk(http, Texts(seed=5)), client, stack["tenantId"], stack["databaseUrl"], meter)
        await weather.prepare()
        found = []
        for storm in (weather.spread, weather.instant):
            found.append(await storm(count))
            print(
                f"  {found[-1].name}: ours p50 {found[-1].ours.percentile(50):.0f} ms, max {found[-1].ours.percentile(100):.0f} ms;"
                f" bare p50 {found[-1].bare.percentile(50):.0f} ms, max {found[-1].bare.percentile(100):.0f} ms",
                flush=True,
            )
        return found
