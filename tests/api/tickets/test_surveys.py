"""The question how we did: asked once for each resolution by people (D28), and answered by a button, never by following a link."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from db.connections import decision_pool
from db.decisions import Database
from domain.ids import workflow_id
from runtime import logs
from runtime.settings import APP_ROLE, PostgresSettings
from tests import stack
from tests.api.front import front, problem, seeded
from tests.api.tickets.office import Office, eventually, fresh, path
from tests.notifications.mailroom import Mailroom, mailroom
from worker import make_worker

SITE = "https://api.shop.example"
LINK = re.compile(rf"{SITE}/rate\?score=([1-5])#([A-Za-z0-9_-]+)")


@dataclass
class Bureau:
    """A desk, and the mail that leaves it."""

    office: Office
    room: Mailroom

    async def asked(self, ticket: Mapping[str, Any]) -> list[dict[int, str]]:
        """The surveys that the customer got by mail: the token of each score's link."""
        await self.room.dispatcher.drain()
        found = []
        for mail in self.room.mail.to(ticket["customerEmail"]):
            body = mail.get_body(("plain",))
            assert body is not None
            links = {int(score): token for score, token in LINK.findall(body.get_content())}
            if links:
                found.append(links)
        return found

    async def opened(self, **fields: Any) -> dict[str, Any]:
        """A ticket of a customer whom no other test knows."""
        return await self.office.opened(**{"customerEmail": f"{fresh()}@shop.example"} | fields)

    async def resolved(self) -> dict[str, Any]:
        """A ticket that an agent has resolved."""
        return await self.office.patched(await self.opened(), status="RESOLVED")

    async def later(self, ticket: Mapping[str, Any], status: str, **duration: float) -> None:
        """Let time pass on the ticket until it has moved by itself."""
        handle = self.office.environment.client.get_workflow_handle(workflow_id("ticket", ticket["id"]))
        await stack.fast_forward(self.office.environment, handle, **duration)

        async def moved() -> bool:
            return bool((await self.office.read(ticket))["status"] == status)

        await eventually(20, moved)

    async def answer(self, token: str, score: int = 5, **fields: Any) -> httpx.Response:
        """What the page's button sends."""
        return await self.office.call(None, "POST", f"/api/ratings/{token}", json={"score": score, **fields})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bureau(postgres_superuser: PostgresSettings, temporal_env: WorkflowEnvironment) -> AsyncIterator[Bureau]:
    logs.configure("critical", "tests")
    async with stack.database(postgres_superuser, "summit_bureau") as database:
        seed = await seeded(database)
        pool = decision_pool(database.app.conninfo(APP_ROLE), 4)
        async with (
            pool,
            front(database.app, seed, temporal_env.client, task_queue="bureau") as running,
            make_worker(temporal_env.client, Database(pool), running.settings, graceful_shutdown_timeout=timedelta(0)),
            mailroom(database, seed, portal_url=None) as room,
        ):
            yield Bureau(Office(running, database, temporal_env), room)


async def test_d28_each_resolution_by_people_is_asked_about_once(bureau: Bureau) -> None:
    ticket = await bureau.resolved()
    [first] = await bureau.asked(ticket)
    assert sorted(first) == [1, 2, 3, 4, 5]
    assert len(set(first.values())) == 1
    await bureau.office.patched(ticket, tags=["more"])
    await bureau.office.commented(ticket)
    assert await bureau.asked(ticket) == [first]
    await bureau.office.patched(ticket, status="OPEN")
    await bureau.office.patched(ticket, status="RESOLVED")
    _, second = await bureau.asked(ticket)
    assert second[1] != first[1]


async def test_d28_closing_by_time_asks_nothing_more(bureau: Bureau) -> None:
    ticket = await bureau.resolved()
    asked = await bureau.asked(ticket)
    assert len(asked) == 1
    await bureau.later(ticket, "CLOSED", days=8)
    assert await bureau.asked(ticket) == asked
    assert (await bureau.answer(asked[0][4], 4)).status_code == 201, "what was asked before can still be answered"


async def test_d28_resolving_by_time_asks_nothing(bureau: Bureau) -> None:
    ticket = await bureau.office.patched(await bureau.opened(), status="PENDING_CUSTOMER")
    await bureau.later(ticket, "RESOLVED", days=11)
    assert await bureau.asked(ticket) == []
    subjects = [str(mail["Subject"]) for mail in bureau.room.mail.to(ticket["customerEmail"])]
    assert subjects, "the customer was told, without the question"


async def test_d28_spam_and_what_was_merged_are_asked_nothing(bureau: Bureau) -> None:
    spam, source = await bureau.opened(), await bureau.opened()
    target = await bureau.opened(customerEmail=source["customerEmail"])
    await bureau.office.patched(spam, status="CANCELLED", reason="spam")
    merged = await bureau.office.call("agent", "POST", path(source) + "/merge", json={"intoId": target["id"]})
    assert merged.status_code == 200, merged.text
    for ticket in (spam, source, target):
        assert await bureau.asked(ticket) == []


async def test_the_link_rates_once_and_following_it_rates_nothing(bureau: Bureau) -> None:
    ticket = await bureau.resolved()
    [links] = await bureau.asked(ticket)
    for _ in range(3):
        page = await bureau.office.call(None, "GET", "/rate", params={"score": 1})
        assert page.status_code == 200
    for method in ("GET", "HEAD"):
        assert (await bureau.office.call(None, method, f"/api/ratings/{links[1]}")).status_code == 405
    assert (await bureau.office.read(ticket))["satisfaction"] is None
    answer = await bureau.answer(links[2], 2, comment="Slow.")
    assert (answer.status_code, answer.json()) == (201, {"score": 2, "comment": "Slow."})
    assert (await bureau.office.read(ticket))["satisfaction"] == 2
    problem(await bureau.answer(links[5], 5), 409, "already-rated")
    [rating] = await bureau.office.listed(url=path(ticket) + "/ratings")
    assert rating["ratedBy"] == {"id": None, "name": ticket["customerEmail"]}


async def test_a_link_holds_for_its_resolution_only(bureau: Bureau) -> None:
    ticket = await bureau.resolved()
    [old] = await bureau.asked(ticket)
    await bureau.office.patched(ticket, status="OPEN")
    problem(await bureau.answer(old[5]), 409, "not-rateable")
    await bureau.office.patched(ticket, status="RESOLVED")
    problem(await bureau.answer(old[5]), 409, "not-rateable")
    _, new = await bureau.asked(ticket)
    assert (await bureau.answer(new[5])).status_code == 201


async def test_a_link_that_was_changed_is_none_of_ours(bureau: Bureau) -> None:
    ticket = await bureau.resolved()
    [links] = await bureau.asked(ticket)
    token = links[5]
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(0, len(token), 7)]
    for forged in (*changed, token[:-4], token + "AAAA", "x", "%00", "ü" * 20, "A" * 70):
        problem(await bureau.answer(forged), 404, "not-found")
    assert (await bureau.office.read(ticket))["satisfaction"] is None


@pytest.mark.parametrize("body", [{}, {"score": 6}, {"score": "5"}, {"score": 5, "who": 1}], ids=str)
async def test_what_the_button_sends_is_judged_like_everything(bureau: Bureau, body: dict[str, Any]) -> None:
    answer = await bureau.office.call(None, "POST", "/api/ratings/x", json=body)
    problem(answer, 422, "invalid")


async def test_a_bad_rating_by_link_reaches_the_assignee_by_mail(bureau: Bureau) -> None:
    agent = str(bureau.office.front.seed.users["agent"])
    ticket = await bureau.office.patched(await bureau.opened(assigneeId=agent), status="RESOLVED")
    [links] = await bureau.asked(ticket)
    await bureau.answer(links[1], 1, comment="Nobody answered.")
    await bureau.room.dispatcher.drain()
    told = [mail for mail in bureau.room.mail.to("agent@") if "Rated 1 of 5" in str(mail["Subject"])]
    assert len(told) == 1
    body = told[0].get_body(("plain",))
    assert body is not None
    assert "> Nobody answered." in body.get_content()


async def test_with_a_portal_the_links_lead_there(bureau: Bureau) -> None:
    ticket = await bureau.resolved()
    settings = {"portal_url": "https://help.shop.example"}
    async with mailroom(bureau.room.database, bureau.room.seed, **settings) as other:
        await other.dispatcher.drain()
        [mail] = [mail for mail in other.mail.to(ticket["customerEmail"]) if "/rate" in str(mail)]
    html = mail.get_body(("html",))
    assert html is not None
    assert 'href="https://help.shop.example/rate?score=5#' in html.get_content()
