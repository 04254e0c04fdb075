"""Routing rules and the queues of teams on the real stack."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from api.queues import Queues
from tests.api.front import places, problem, some_id
from tests.api.tickets.office import Office, eventually, fresh


@dataclass(frozen=True)
class Crew:
    """A team of its own with a rule that sends tickets of a tag there."""

    office: Office
    team: dict[str, Any]
    agents: list[str]
    rule: dict[str, Any]
    tag: str

    async def waiting(self) -> list[str]:
        """The subjects of those who wait, the oldest first."""
        rows = await self.office.rows(
            "select subject from support_tickets where team_id = %s and assignee_id is null and status = 'NEW'"
            " order by created_at, id",
            self.team["id"],
        )
        return [subject for (subject,) in rows]

    async def loads(self) -> Counter[str]:
        """How many open tickets each agent has."""
        rows = await self.office.rows(
            "select assignee_id::text from support_tickets where team_id = %s and assignee_id is not null"
            " and status not in ('RESOLVED', 'CLOSED', 'CANCELLED')",
            self.team["id"],
        )
        return Counter(agent for (agent,) in rows)

    async def settled(self, waiting: int) -> None:
        """Until so many wait."""

        async def so_many() -> bool:
            return len(await self.waiting()) == waiting

        await eventually(60, so_many)


async def crew(office: Office, agents: int = 2, capacity: int = 20, **rule: Any) -> Crew:
    """A crew, as an administrator makes one."""
    tag = fresh()[:12]
    team = await office.front.created("admin", "/api/teams", {"name": f"Crew {tag}"})
    people = [
        await office.front.created(
            "admin",
            "/api/users",
            {
                "email": f"{tag}-{n}@desk.example",
                "name": f"Agent {n}",
                "role": "AGENT",
                "teamIds": [team["id"]],
                "capacity": capacity,
                "password": "a-password-of-the-tests",
            },
        )
        for n in range(agents)
    ]
    body = {"name": f"Rule {tag}", "condition": {"tags": [tag]}, "teamId": team["id"], "position": 1} | rule
    made = await office.front.created("lead", "/api/routing-rules", body)
    return Crew(office, team, [person["id"] for person in people], made, tag)


async def sweep(office: Office) -> None:
    """The look at all queues that nobody has asked for."""
    services = office.front.app.state.services
    await Queues(services.engine, services.processes).sweep()


@pytest_asyncio.fixture(loop_scope="session")
async def pair(office: Office) -> AsyncIterator[Crew]:
    """Two agents with room for two each."""
    made = await crew(office, capacity=2)
    yield made
    await office.call("lead", "DELETE", f"/api/routing-rules/{made.rule['id']}")


async def test_two_agents_share_what_they_have_room_for_and_the_rest_drains_in_order(pair: Crew) -> None:
    office = pair.office
    made = [await office.opened(tags=[pair.tag], subject=f"T{n:02}") for n in range(8)]
    assert [ticket["assigneeId"] is not None for ticket in made] == [True] * 4 + [False] * 4
    assert sorted((await pair.loads()).values()) == [2, 2]
    assert await pair.waiting() == ["T04", "T05", "T06", "T07"]
    await office.patched(made[0], status="RESOLVED")
    await pair.settled(3)
    assert await pair.waiting() == ["T05", "T06", "T07"]
    await asyncio.gather(*(office.patched(ticket, status="RESOLVED") for ticket in made[1:4]))
    await pair.settled(0)
    assert sorted((await pair.loads()).values()) == [2, 2]


async def test_many_at_once_never_give_anybody_more_than_they_have_room_for(office: Office) -> None:
    both = await crew(office, capacity=5)
    made = await asyncio.gather(*(office.opened(tags=[both.tag]) for _ in range(30)))
    await both.settled(20)
    assert sorted((await both.loads()).values()) == [5, 5]
    first = [ticket for ticket in made if (await office.read(ticket))["assigneeId"]]
    await asyncio.gather(*(office.patched(ticket, status="CANCELLED") for ticket in first[:6]))
    await both.settled(14)
    assert sorted((await both.loads()).values()) == [5, 5]
    await office.call("lead", "DELETE", f"/api/routing-rules/{both.rule['id']}")


async def test_of_two_hundred_tickets_forty_are_given_to_two_agents_and_the_rest_drains_in_order(
    office: Office,
) -> None:
    both = await crew(office)
    gate = asyncio.Semaphore(12)

    async def opened(number: int) -> dict[str, Any]:
        async with gate:
            return await office.opened(tags=[both.tag], subject=f"T{number:03}")

    made = await asyncio.gather(*map(opened, range(200)))
    await both.settled(160)
    assert sorted((await both.loads()).values()) == [20, 20]
    line = await both.waiting()
    given = [ticket for ticket in made if ticket["subject"] not in line]
    await asyncio.gather(*(office.patched(ticket, status="RESOLVED") for ticket in given[:25]))
    await both.settled(135)
    assert await both.waiting() == line[25:]
    assert sorted((await both.loads()).values()) == [20, 20]
    await office.call("lead", "DELETE", f"/api/routing-rules/{both.rule['id']}")


async def test_who_comes_back_or_gets_more_room_takes_the_oldest(office: Office) -> None:
    lone = await crew(office, agents=1, capacity=1)
    [agent] = lone.agents
    response = await office.call("admin", "PATCH", f"/api/users/{agent}", json={"available": False})
    assert response.status_code == 200
    for n in range(3):
        await office.opened(tags=[lone.tag], subject=f"T{n}")
    assert await lone.waiting() == ["T0", "T1", "T2"]
    await office.call("admin", "PATCH", f"/api/users/{agent}", json={"available": True})
    await lone.settled(2)
    assert await lone.waiting() == ["T1", "T2"]
    await office.call("admin", "PATCH", f"/api/users/{agent}", json={"capacity": 2})
    await lone.settled(1)
    assert await lone.waiting() == ["T2"]


async def test_a_ticket_that_nobody_present_is_able_to_do_holds_up_no_other(office: Office) -> None:
    lone = await crew(office, agents=1, capacity=3, skills=["latin"])
    for n in range(2):
        await office.opened(tags=[lone.tag], subject=f"L{n}")
    assert await lone.waiting() == ["L0", "L1"]
    [agent] = lone.agents
    anybody = {"name": f"Rest of {lone.tag}", "condition": {"tags": [f"{lone.tag}-x"]}, "teamId": lone.team["id"]}
    await office.front.created("lead", "/api/routing-rules", anybody)
    easy = await office.opened(tags=[f"{lone.tag}-x"], subject="Easy")
    assert easy["assigneeId"] == agent  # at once, by its own decision
    await sweep(office)
    drains = "select count(*) from jobs where kind = 'DRAIN' and input ->> 'team' = %s"
    assert await office.rows(drains, lone.team["id"]) == [(0,)]
    await office.call("admin", "PATCH", f"/api/users/{agent}", json={"skills": ["Latin"]})
    await lone.settled(0)


async def test_skills_are_words_without_case_wherever_they_are_compared(office: Office) -> None:
    lone = await crew(office, agents=1, capacity=1, skills=["Straße", "STRASSE"])
    assert lone.rule["skills"] == ["strasse"]
    [agent] = lone.agents
    changed = await office.call("admin", "PATCH", f"/api/users/{agent}", json={"skills": ["STRASSE"]})
    assert changed.json()["skills"] == ["strasse"]
    first, second = [await office.opened(tags=[lone.tag]) for _ in range(2)]
    assert (first["assigneeId"], second["assigneeId"]) == (agent, None)
    await office.patched(first, status="RESOLVED")
    await lone.settled(0)


async def test_a_sweep_finds_who_comes_free_without_a_decision(office: Office) -> None:
    lone = await crew(office, agents=1, capacity=1)
    [agent] = lone.agents
    await office.execute("update users set available = false where id = %s", agent)
    for n in range(2):
        await office.opened(tags=[lone.tag], subject=f"T{n}")
    await sweep(office)
    drains = "select count(*) from jobs where kind = 'DRAIN' and input ->> 'team' = %s"
    assert await office.rows(drains, lone.team["id"]) == [(0,)]
    await office.execute("update users set available = true where id = %s", agent)
    await sweep(office)
    await lone.settled(1)
    assert await lone.waiting() == ["T1"]


async def test_who_gives_a_ticket_back_does_not_get_it_again(pair: Crew) -> None:
    office = pair.office
    ticket = await office.opened(tags=[pair.tag])
    first = ticket["assigneeId"]
    back = await office.patched(ticket, assigneeId=None)
    assert back["assigneeId"] is None

    async def given() -> bool:
        return (await office.read(ticket))["assigneeId"] not in (None, first)

    await eventually(30, given)
    await office.patched(ticket, assigneeId=None)
    await asyncio.sleep(0.5)
    await sweep(office)
    assert (await office.read(ticket))["assigneeId"] is None


async def test_tickets_taken_by_hand_while_a_queue_is_filled_count(office: Office) -> None:
    lone = await crew(office, agents=1, capacity=5)
    [agent] = lone.agents
    taken = [await office.opened() for _ in range(4)]
    await asyncio.gather(
        *(office.patched(each, assigneeId=agent) for each in taken),
        *(office.opened(tags=[lone.tag]) for _ in range(6)),
    )
    by_queue = (await lone.loads())[agent]
    assert by_queue <= 5
    assert len(await lone.waiting()) == 6 - by_queue
    await office.call("lead", "DELETE", f"/api/routing-rules/{lone.rule['id']}")


async def test_a_ticket_moved_to_a_team_joins_its_line(pair: Crew) -> None:
    ticket = await pair.office.opened()
    moved = await pair.office.patched(ticket, teamId=pair.team["id"])
    assert moved["assigneeId"] is None
    assert moved["route"] is None  # the rule is for a tag that it does not have
    tagged = await pair.office.opened()
    await pair.office.patched(tagged, tags=[pair.tag], teamId=pair.team["id"])

    async def given() -> bool:
        return (await pair.office.read(tagged))["assigneeId"] is not None

    await eventually(20, given)


async def test_a_rule_is_read_changed_and_deleted_as_any_record(office: Office) -> None:
    made = await crew(office, agents=0, method="ROUND_ROBIN")
    url = f"/api/routing-rules/{made.rule['id']}"
    changed = await office.call("lead", "PATCH", url, json={"skills": ["de"]}, headers={"If-Match": '"v1"'})
    assert (changed.json()["skills"], changed.json()["version"]) == (["de"], 2)
    stale = await office.call("lead", "PATCH", url, json={"skills": []}, headers={"If-Match": '"v1"'})
    problem(stale, 412, "stale")
    assert made.rule["id"] in [rule["id"] for rule in await office.listed(url="/api/routing-rules", limit=100)]
    assert (await office.call("lead", "DELETE", url)).status_code == 204
    problem(await office.call("lead", "GET", url), 404, "not-found")
    ticket = await office.opened(tags=[made.tag])
    assert ticket["teamId"] is None


async def test_a_rule_is_put_before_another_one(office: Office) -> None:
    first, second = await crew(office, agents=0), await crew(office, agents=0)
    both = [f"{first.tag}-both"]
    for each in (first, second):
        body = {"condition": {"tags": both}, "position": 1}
        url = f"/api/routing-rules/{each.rule['id']}"
        assert (await office.call("lead", "PATCH", url, json=body)).json()["position"] == 1
    assert (await office.opened(tags=both))["teamId"] == second.team["id"]
    below = (await office.call("lead", "GET", f"/api/routing-rules/{first.rule['id']}")).json()
    assert below["position"] == 2
    for each in (first, second):
        await office.call("lead", "DELETE", f"/api/routing-rules/{each.rule['id']}")


async def test_a_rule_that_cannot_be_is_refused_with_all_that_is_wrong(office: Office) -> None:
    body = {
        "name": " ",
        "condition": {"tiers": ["GOLD"], "languages": ["german"], "colour": 1},
        "method": "BY_LOT",
        "teamId": some_id(),
    }
    response = await office.call("lead", "POST", "/api/routing-rules", json=body)
    found = places(problem(response, 422, "invalid"))
    assert found == {"/name", "/condition/tiers/0", "/condition/languages/0", "/condition/colour", "/method"}
    good = {"name": fresh(), "teamId": some_id(), "condition": {"mailboxIds": [some_id()]}}
    refused = await office.call("lead", "POST", "/api/routing-rules", json=good)
    assert places(problem(refused, 422, "unknown-reference")) == {"/teamId", "/condition/mailboxIds/0"}


async def test_an_agent_says_when_they_take_tickets(office: Office) -> None:
    response = await office.call("agent", "PUT", "/api/me/availability", json={"available": False})
    assert response.json() == {"available": False}
    me = str(office.front.seed.users["agent"])
    assert (await office.call("agent", "GET", f"/api/users/{me}")).json()["available"] is False
    await office.call("agent", "PUT", "/api/me/availability", json={"available": True})
