"""Jobs: leased once, gone on with after a crash, refused to strangers; and what they tell."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from api.errors import Unavailable
from api.runner import MOST_ATTEMPTS, JobCounts, Runner
from db import jobs
from db.engine import make_engine, tenant_transaction
from domain.identity import Actor, Role
from domain.jobs import Failure, Handler, Job, JobFailed, Page
from tests.api.counting_runner import count
from tests.api.front import Front, problem, some_id
from tests.stack import ROOT

LEAD = Actor(id=UUID(int=1), role=Role.LEAD, name="Lea Lead")


@dataclass
class Works:
    """A database with jobs of a kind that no other runner knows."""

    api: Front
    engine: AsyncEngine
    owner: str
    kind: str = field(default_factory=lambda: f"TEST-{uuid4().hex}")

    def runner(self, handler: Handler, **timing: float) -> Runner:
        """A process that runs jobs of this kind."""
        return Runner(self.engine, {self.kind: handler}, JobCounts(CollectorRegistry()), 0.01, **timing)

    async def asked(self, **job_input: Any) -> UUID:
        """A job that somebody asked for."""
        job_id = uuid4()
        async with tenant_transaction(self.engine, self.api.seed.tenant_id) as session:
            await jobs.enqueue(session, job_id, self.kind, job_input, LEAD)
        return job_id

    async def told(self, job_id: UUID) -> dict[str, Any]:
        """What the API says of a job."""
        response = await self.api.call("agent", "GET", f"/api/jobs/{job_id}")
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def changed(self, statement: str, *values: Any) -> None:
        """The database after somebody's statement."""
        with psycopg.connect(self.owner) as connection:
            connection.execute(statement.encode(), values)


@pytest_asyncio.fixture(loop_scope="session")
async def works(api: Front, postgres: Any) -> AsyncIterator[Works]:
    engine = make_engine(api.settings)
    yield Works(api, engine, postgres.owner.conninfo())
    await engine.dispose()


def counting(done: list[int], size: int = 3, breaks_at: int | None = None) -> Handler:
    """Does the numbers up to `upto`, a page of `size` after another; what it leans on is away once, before a page."""
    broken: list[int] = []

    async def handle(job: Job) -> AsyncGenerator[Page, None]:
        start = int(str(job.cursor or 0))
        upto = int(str(job.input["upto"]))
        for first in range(start, upto, size):
            last = min(first + size, upto)
            if first == breaks_at and not broken:
                broken.append(first)
                raise Unavailable
            done.extend(range(first, last))
            yield Page(done=last, total=upto, cursor=last)

    return handle


async def test_a_job_runs_to_its_end_and_tells_how_far_it_is(works: Works) -> None:
    job_id = await works.asked(upto=7)
    queued = await works.told(job_id)
    assert (queued["state"], queued["done"], queued["total"], queued["requestedBy"]) == ("QUEUED", 0, None, "Lea Lead")
    numbers: list[int] = []
    runner = works.runner(counting(numbers))
    assert await runner.round()
    told = await works.told(job_id)
    assert (told["state"], told["done"], told["total"], told["failures"]) == ("DONE", 7, 7, [])
    assert numbers == list(range(7))
    assert not await runner.round()


async def test_a_job_goes_on_behind_its_last_recorded_page(works: Works) -> None:
    job_id = await works.asked(upto=7)
    numbers: list[int] = []
    runner = works.runner(counting(numbers, breaks_at=3))
    assert await runner.round()
    hindered = await works.told(job_id)
    assert (hindered["state"], hindered["done"]) == ("RUNNING", 3)
    assert not await runner.round(), "it rests before it is tried again"
    works.changed("update jobs set leased_until = now() where id = %s", job_id)
    assert await runner.round()
    assert numbers == list(range(7))
    assert (await works.told(job_id))["state"] == "DONE"


async def test_two_processes_never_have_the_same_job(works: Works) -> None:
    running = asyncio.Event()
    finish = asyncio.Event()

    async def handle(job: Job) -> AsyncGenerator[Page, None]:
        running.set()
        await finish.wait()
        yield Page(done=1, total=1)

    job_id = await works.asked()
    first = asyncio.create_task(works.runner(handle).round())
    await running.wait()
    assert not await works.runner(handle).round()
    finish.set()
    assert await first
    assert (await works.told(job_id))["state"] == "DONE"


async def test_a_job_whose_process_died_is_taken_over_when_its_lease_ends(works: Works) -> None:
    numbers: list[int] = []
    recorded = asyncio.Event()

    async def dies(job: Job) -> AsyncGenerator[Page, None]:
        yield Page(done=3, total=7, cursor=3)
        recorded.set()
        await asyncio.Event().wait()

    job_id = await works.asked(upto=7)
    dead = asyncio.create_task(works.runner(dies).round())
    await recorded.wait()
    works.changed("update jobs set leased_until = now() - interval '1 second' where id = %s", job_id)
    assert await works.runner(counting(numbers)).round()
    assert numbers == [3, 4, 5, 6]
    assert (await works.told(job_id))["done"] == 7
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)
    assert (await works.told(job_id))["state"] == "DONE", "the dead process's farewell changes nothing"


async def test_a_killed_process_has_nothing_done_twice_that_it_had_recorded(works: Works, tmp_path: Path) -> None:
    file, upto = tmp_path / "numbers", 60
    settings = works.api.settings.postgres
    postgres = settings.model_dump() | {"password": settings.password.get_secret_value()}
    orders = json.dumps({"kind": works.kind, "postgres": postgres})
    job_id = await works.asked(file=str(file), upto=upto)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.api.counting_runner", orders), cwd=ROOT
    )
    async with asyncio.timeout(30):
        while True:
            recorded = (await works.told(job_id))["done"]
            if recorded >= 5:
                break
            await asyncio.sleep(0.02)
    process.kill()
    await process.wait()
    recorded = (await works.told(job_id))["done"]
    assert recorded < upto
    runner = works.runner(count)
    works.changed("update jobs set leased_until = now() where id = %s", job_id)
    assert await runner.round()
    told = await works.told(job_id)
    assert (told["state"], told["done"]) == ("DONE", upto)
    numbers = [int(line) for line in file.read_text().split()]
    assert numbers in ([*range(upto)], [*range(recorded + 1), *range(recorded, upto)])


async def test_what_was_done_before_a_crash_and_not_written_down_is_counted_at_the_end(works: Works) -> None:
    async def goes_on(job: Job) -> AsyncGenerator[Page, None]:
        yield Page(done=4, total=7, cursor=4)  # the other three need nothing any more

    job_id = await works.asked()
    assert await works.runner(goes_on).round()
    told = await works.told(job_id)
    assert (told["state"], told["done"], told["total"]) == ("DONE", 7, 7)


async def test_a_job_that_finds_nothing_to_do_says_that_it_was_nothing(works: Works) -> None:
    job_id = await works.asked(upto=0)
    assert await works.runner(counting([])).round()
    told = await works.told(job_id)
    assert (told["state"], told["done"], told["total"]) == ("DONE", 0, 0)


async def test_a_job_that_breaks_off_counts_only_what_was_done(works: Works) -> None:
    async def breaks_off(job: Job) -> AsyncGenerator[Page, None]:
        yield Page(done=4, total=7, cursor=4)
        raise JobFailed("No more.")

    job_id = await works.asked()
    assert await works.runner(breaks_off).round()
    told = await works.told(job_id)
    assert (told["state"], told["done"], told["total"]) == ("FAILED", 4, 7)


async def test_a_process_that_lost_its_lease_writes_nothing_more(works: Works) -> None:
    async def slow(job: Job) -> AsyncGenerator[Page, None]:
        works.changed("update jobs set lease_id = gen_random_uuid() where id = %s", job.id)
        yield Page(done=5, total=5)

    job_id = await works.asked()
    assert await works.runner(slow).round()
    told = await works.told(job_id)
    assert (told["state"], told["done"]) == ("RUNNING", 0)
    works.changed("update jobs set state = 'FAILED' where id = %s", job_id)


async def test_a_page_that_takes_longer_than_the_lease_keeps_it_after_whatever_has_failed(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, tries = jobs.renew, []

    async def fails(*arguments: Any) -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise KeyError("a fault of ours")
        return await renew(*arguments)

    monkeypatch.setattr(jobs, "renew", fails)

    async def slow(job: Job) -> AsyncGenerator[Page, None]:
        leases = {await leased_until(works, job.id)}
        async with asyncio.timeout(10):
            while len(leases) < 3:
                await asyncio.sleep(0.02)
                leases.add(await leased_until(works, job.id))
        yield Page(done=1, total=1)

    job_id = await works.asked()
    assert await works.runner(slow, lease_seconds=0.3).round()
    assert (await works.told(job_id))["state"] == "DONE"


async def leased_until(works: Works, job_id: UUID) -> Any:
    async with await psycopg.AsyncConnection.connect(works.owner) as connection:
        cursor = await connection.execute("select leased_until from jobs where id = %s", (job_id,))
        found = await cursor.fetchone()
    assert found is not None
    return found[0]


async def test_failures_are_told_up_to_five_hundred_and_the_rest_goes_on(works: Works) -> None:
    async def fails(job: Job) -> AsyncGenerator[Page, None]:
        for page in range(2):
            failures = tuple(Failure(id=f"{page}-{n}", detail="no") for n in range(300))
            yield Page(done=300 * (page + 1), total=601, cursor=page, failures=failures)
        yield Page(done=601, result={"sum": 1})

    job_id = await works.asked()
    assert await works.runner(fails).round()
    told = await works.told(job_id)
    assert (told["state"], told["done"], told["total"], told["result"]) == ("DONE", 601, 601, {"sum": 1})
    assert len(told["failures"]) == 500
    assert (told["failures"][0], told["failures"][-1]["id"]) == ({"id": "0-0", "detail": "no"}, "1-199")


@pytest.mark.parametrize(
    ("error", "said"), [(JobFailed("No such month."), "No such month."), (ValueError("x"), "job's id")]
)
async def test_a_job_that_cannot_be_done_fails_with_a_reason(works: Works, error: Exception, said: str) -> None:
    async def fails(job: Job) -> AsyncGenerator[Page, None]:
        yield Page(done=1)
        raise error

    job_id = await works.asked()
    assert await works.runner(fails).round()
    told = await works.told(job_id)
    assert told["state"] == "FAILED"
    assert said in told["result"]["error"]


async def test_a_job_that_kills_its_process_again_and_again_is_given_up(works: Works) -> None:
    job_id = await works.asked(upto=3)
    works.changed("update jobs set attempts = %s where id = %s", MOST_ATTEMPTS, job_id)
    numbers: list[int] = []
    assert await works.runner(counting(numbers)).round()
    assert ((await works.told(job_id))["state"], numbers) == ("FAILED", [])


async def test_a_long_job_makes_room_for_the_next_one_and_goes_on(works: Works) -> None:
    done: list[tuple[UUID, int]] = []

    async def handle(job: Job) -> AsyncGenerator[Page, None]:
        for number in range(int(str(job.cursor or 0)) + 1, 4):
            done.append((job.id, number))
            yield Page(done=number, total=3, cursor=number)

    first, second = await works.asked(), await works.asked()
    runner = works.runner(handle, slice_seconds=0.0)
    while await runner.round():
        pass
    assert [job for job, _ in done[:2]] == [first, second]
    assert sorted(done) == sorted((job, number) for job in (first, second) for number in (1, 2, 3))
    assert [(await works.told(job))["state"] for job in (first, second)] == ["DONE", "DONE"]


async def test_jobs_are_listed_the_newest_first_and_by_kind(works: Works) -> None:
    asked: Sequence[UUID] = [await works.asked() for _ in range(3)]
    query = {"kind": works.kind, "limit": 2}
    page = (await works.api.call("agent", "GET", "/api/jobs", params=query)).json()
    assert [each["id"] for each in page["data"]] == [str(asked[2]), str(asked[1])]
    rest = await works.api.call("agent", "GET", "/api/jobs", params=query | {"cursor": page["page"]["nextCursor"]})
    assert [each["id"] for each in rest.json()["data"]] == [str(asked[0])]


async def test_another_tenants_job_does_not_exist(works: Works) -> None:
    job_id = await works.asked()
    problem(await works.api.call("otherAdmin", "GET", f"/api/jobs/{job_id}"), 404, "not-found")
    problem(await works.api.call("agent", "GET", f"/api/jobs/{some_id()}"), 404, "not-found")
    assert (await works.api.call("otherAdmin", "GET", "/api/jobs", params={"kind": works.kind})).json()["data"] == []
