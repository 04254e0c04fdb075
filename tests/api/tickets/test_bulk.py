"""Many tickets changed at once: judged as a whole, done one by one, each exactly once whatever is killed."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from db.connections import decision_pool
from db.decisions import Database
from runtime import logs
from runtime.settings import APP_ROLE, PostgresSettings
from tests import stack
from tests.api.bulk_runner import orders_for
from tests.api.front import front, places, problem, seeded, some_id
from tests.api.tickets.office import Office, fresh, path
from tests.api.tickets.test_fields import defined, shop
from tests.stack import ROOT
from worker import make_worker

__all__ = ["shop"]

HERE = "/api/tickets/bulk"
QUEUE = "bulk"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def idle(postgres_superuser: PostgresSettings, temporal_env: WorkflowEnvironment) -> AsyncIterator[Office]:
    """An office of its own, whose API runs no jobs."""
    logs.configure("error", "api")
    async with stack.database(postgres_superuser, "summit_bulk") as database:
        seed = await seeded(database)
        pool = decision_pool(database.app.conninfo(APP_ROLE), 4)
        async with (
            pool,
            front(database.app, seed, temporal_env.client, task_queue=QUEUE, job_kinds="SIMULATION") as running,
            make_worker(temporal_env.client, Database(pool), running.settings, graceful_shutdown_timeout=timedelta(0)),
        ):
            yield Office(running, database, temporal_env)


async def asked(office: Office, ids: list[str], who: str = "agent", key: str = "", **more: Any) -> dict[str, Any]:
    """The job of a bulk change."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = await office.call(who, "POST", HERE, json={"ids": ids} | more, headers=headers)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/jobs/{job['id']}"
    return job


async def told(office: Office, job: dict[str, Any], who: str = "agent") -> dict[str, Any]:
    """What a job tells now."""
    found: dict[str, Any] = (await office.call(who, "GET", f"/api/jobs/{job['id']}")).json()
    return found


async def ended(office: Office, job: dict[str, Any], who: str = "agent", seconds: float = 60.0) -> dict[str, Any]:
    """What a job tells at its end."""
    async with asyncio.timeout(seconds):
        while True:
            now = await told(office, job, who)
            if now["state"] not in ("QUEUED", "RUNNING"):
                return now
            await asyncio.sleep(0.05)


async def test_each_ticket_is_changed_by_a_decision_of_its_own(office: Office) -> None:
    tickets = [await office.opened() for _ in range(3)]
    final = await office.patched(await office.opened(), status="CANCELLED")
    unknown = some_id()
    ids = [final["id"], tickets[0]["id"], unknown, *(each["id"] for each in tickets[1:])]
    key = fresh()
    patch = {"priority": "URGENT", "category": None, "reason": "All of them"}
    job = await asked(office, ids, key=key, patch=patch)
    assert (job["kind"], job["requestedBy"]) == ("BULK", "Alex Agent")
    assert (await asked(office, ids, key=key, patch=patch))["id"] == job["id"]
    end = await ended(office, job)
    assert (end["state"], end["done"], end["total"]) == ("DONE", 5, 5)
    assert end["result"] == {"changed": 3, "failed": 2}
    assert {each["id"] for each in end["failures"]} == {final["id"], unknown}
    said = {each["id"]: each["detail"] for each in end["failures"]}
    assert said[unknown] == "There is no such ticket."
    assert "CANCELLED" in said[final["id"]]
    for ticket in tickets:
        assert (await office.read(ticket))["priority"] == "URGENT"
        history = await office.listed(url=path(ticket) + "/history")
        assert [each["command"] for each in history] == ["change", "create"]
        assert (history[0]["actor"]["name"], history[0]["reason"]) == ("Alex Agent", "All of them")


async def test_a_comment_comes_with_the_change_in_one_decision(office: Office) -> None:
    tickets = [await office.opened() for _ in range(2)]
    ids = [each["id"] for each in tickets]
    job = await asked(office, ids, patch={"status": "RESOLVED"}, comment={"body": "It is over."})
    assert (await ended(office, job))["result"] == {"changed": 2, "failed": 0}
    for ticket in tickets:
        [comment] = await office.listed("customer", path(ticket) + "/comments")
        assert (comment["body"], comment["author"]["name"]) == ("It is over.", "Alex Agent")
        assert (await office.read(ticket))["status"] == "RESOLVED"
        [latest, _] = await office.listed(url=path(ticket) + "/history")
        assert "Bulk update" in latest["summary"]
    noted = await asked(office, ids, comment={"body": "Among us, @lead.", "internal": True})
    assert (await ended(office, noted))["result"] == {"changed": 2, "failed": 0}
    assert len(await office.listed("customer", path(tickets[0]) + "/comments")) == 1
    assert (await office.read(tickets[0]))["watchers"] == [str(office.front.seed.users["lead"])]


async def test_tags_are_added_and_removed(office: Office) -> None:
    tickets = [await office.opened(tags=["new", tag]) for tag in ("a", "b")]
    ids = [each["id"] for each in tickets]
    job = await asked(office, ids, addTags=["vip"], removeTags=["new"])
    assert (await ended(office, job))["result"] == {"changed": 2, "failed": 0}
    assert [(await office.read(each))["tags"] for each in tickets] == [["a", "vip"], ["b", "vip"]]


async def test_a_description_is_changed_beside_a_comment_too(office: Office) -> None:
    ticket = await office.opened()
    patch = {"description": "It answers 500.", "reason": "As told by phone"}
    job = await asked(office, [ticket["id"]], patch=patch, comment={"body": "Noted.", "internal": True})
    assert (await ended(office, job))["result"] == {"changed": 1, "failed": 0}
    after = await office.read(ticket)
    assert (after["description"], after["version"]) == ("It answers 500.", 2)
    [latest, _] = await office.listed(url=path(ticket) + "/history")
    assert latest["reason"] == "As told by phone"


async def test_what_one_ticket_refuses_is_told_and_the_others_are_changed(office: Office) -> None:
    new = await office.opened()
    resolved = await office.patched(await office.opened(), status="RESOLVED")
    job = await asked(office, [new["id"], resolved["id"]], patch={"status": "CLOSED"})
    end = await ended(office, job)
    assert [each["id"] for each in end["failures"]] == [new["id"]]
    assert (await office.read(resolved))["status"] == "CLOSED"
    assert (await office.read(new))["status"] == "NEW"


async def test_the_whole_is_judged_when_it_is_asked_for(shop: Office) -> None:
    ids = [some_id()]
    jobs = "select count(*) from jobs where kind = 'BULK'"
    before = await shop.rows(jobs)
    bad = {"ids": ["x"], "patch": {"status": "GONE", "priority": None, "who": 1}, "comment": {"body": " "}, "what": 1}
    named = places(problem(await shop.call("agent", "POST", HERE, json=bad), 422, "invalid"))
    assert named == {"/ids/0", "/patch/status", "/patch/priority", "/patch/who", "/comment/body", "/what"}
    for wrong in ([], ids * 2, [some_id()[:-3] + f"{n:03x}" for n in range(501)]):
        answer = await shop.call("agent", "POST", HERE, json={"ids": wrong, "patch": {"priority": "LOW"}})
        assert places(problem(answer, 422, "invalid")) == {"/ids"}
    for nothing in ({}, {"patch": {}}, {"patch": {"reason": "Because"}}):
        answer = await shop.call("agent", "POST", HERE, json={"ids": ids} | nothing)
        problem(answer, 422, "nothing-to-do")
    nobody = {"ids": ids, "patch": {"assigneeId": some_id(), "teamId": some_id()}}
    document = problem(await shop.call("agent", "POST", HERE, json=nobody), 422, "unknown-reference")
    assert places(document) == {"/patch/assigneeId", "/patch/teamId"}
    await defined(shop, "seats", "INTEGER", required=True)
    wrong_fields = {"ids": ids, "patch": {"fields": {"seats": "x", "other": 1}}}
    document = problem(await shop.call("agent", "POST", HERE, json=wrong_fields), 422, "unfit-fields")
    assert places(document) == {"/patch/fields/seats", "/patch/fields/other"}
    problem(
        await shop.call("customer", "POST", HERE, json={"ids": ids, "patch": {"priority": "LOW"}}), 403, "role-too-low"
    )
    assert await shop.rows(jobs) == before


async def test_another_tenants_tickets_are_not_found(office: Office) -> None:
    ticket = await office.opened()
    job = await asked(office, [ticket["id"]], "otherAdmin", patch={"priority": "URGENT"})
    end = await ended(office, job, "otherAdmin")
    assert end["failures"] == [{"id": ticket["id"], "detail": "There is no such ticket."}]
    assert (await office.read(ticket))["version"] == 1


async def test_five_hundred_tickets_are_changed_once_each_although_a_runner_is_killed(idle: Office) -> None:
    gate = asyncio.Semaphore(8)

    async def opened() -> str:
        async with gate:
            return str((await idle.opened())["id"])

    known = await asyncio.gather(*(opened() for _ in range(490)))
    unknown = [f"{some_id()[:-3]}{n:03x}" for n in range(10)]
    ids = [*known[:100], *unknown[:5], *known[100:], *unknown[5:]]
    patch = {"priority": "URGENT", "tags": ["storm"]}
    job = await asked(idle, ids, patch=patch, comment={"body": "We know.", "internal": True})
    orders = orders_for(idle.servers.app, idle.environment.client, QUEUE).model_dump_json()
    command = (sys.executable, "-m", "tests.api.bulk_runner", orders)
    kills = 0
    for threshold in (60, 240):
        runner = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
        async with asyncio.timeout(60):
            while True:
                if (await told(idle, job))["done"] >= threshold:
                    break
                await asyncio.sleep(0.01)
        runner.kill()
        await runner.wait()
        kills += (await told(idle, job))["state"] == "RUNNING"
    assert kills == 2
    runner = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        end = await ended(idle, job)
    finally:
        runner.kill()
        await runner.wait()
    assert (end["state"], end["done"], end["total"]) == ("DONE", 500, 500)
    assert end["result"] == {"changed": 490, "failed": 10}
    assert {each["id"] for each in end["failures"]} == set(unknown)
    decisions = "select process_id, count(*) from ticket_history where command = 'macro' group by 1"
    counted = dict(await idle.rows(decisions))
    assert counted.keys() == {UUID(each) for each in known}
    assert set(counted.values()) == {1}
    comments = "select count(*), count(distinct ticket_id) from ticket_comments where body = 'We know.'"
    assert await idle.rows(comments) == [(490, 490)]
    changed = "select count(*) from support_tickets where priority = 'URGENT' and tags = '{storm}'"
    assert await idle.rows(changed) == [(490,)]
