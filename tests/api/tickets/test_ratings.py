"""How customers rate what was done for them: once for each resolution, and told to whom it concerns."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.api.front import places, problem, some_id
from tests.api.tickets.office import Office, fresh, path


async def rate(office: Office, ticket: Mapping[str, Any], score: int = 5, **rest: Any) -> httpx.Response:
    body = {"score": score, **rest.pop("fields", {})}
    return await office.call(rest.pop("who", "customer"), "POST", path(ticket) + "/rating", json=body, **rest)


async def rated(office: Office, ticket: Mapping[str, Any], score: int = 5, **fields: Any) -> dict[str, Any]:
    response = await rate(office, ticket, score, fields=fields)
    assert response.status_code == 201, response.text
    assert "location" not in response.headers, "customers cannot read the list of ratings"
    made: dict[str, Any] = response.json()
    return made


async def resolved(office: Office, **fields: Any) -> dict[str, Any]:
    """A ticket that an agent has resolved."""
    return await office.patched(await office.opened(**fields), status="RESOLVED")


async def satisfaction(office: Office, ticket: Mapping[str, Any]) -> int | None:
    """As a read, a list and a decision's answer tell it, which must agree."""
    read = (await office.read(ticket))["satisfaction"]
    [listed] = [each for each in await office.listed(limit=100) if each["id"] == ticket["id"]]
    assert listed["satisfaction"] == read
    found: int | None = read
    return found


async def test_a_customer_rates_a_resolved_ticket_and_everybody_sees_the_score(office: Office) -> None:
    ticket = await resolved(office)
    assert ticket["satisfaction"] is None
    made = await rated(office, ticket, 4, comment="  Quick.  ")
    assert (made["score"], made["comment"], made["resolution"]) == (4, "Quick.", 1)
    assert (made["ticketId"], made["ticketNumber"]) == (ticket["id"], ticket["number"])
    assert made["ratedBy"]["id"] == str(office.front.seed.users["customer"])
    assert await satisfaction(office, ticket) == 4
    assert (await office.patched(ticket, tags=["x"]))["satisfaction"] == 4
    assert (await office.read(ticket, "customer"))["satisfaction"] == 4
    assert await office.listed(url=path(ticket) + "/ratings") == [made]


async def test_each_resolution_is_rated_once(office: Office) -> None:
    ticket = await resolved(office)
    await rated(office, ticket, 1)
    problem(await rate(office, ticket, 5), 409, "already-rated")
    reopened = await office.patched(ticket, "customer", status="OPEN")
    assert reopened["satisfaction"] == await satisfaction(office, ticket) == 1, (
        "of the latest resolution that there was"
    )
    problem(await rate(office, ticket, 5), 409, "not-rateable")
    again = await office.patched(ticket, status="RESOLVED")
    assert again["satisfaction"] is None
    assert await satisfaction(office, ticket) is None
    assert (await rated(office, ticket, 5))["resolution"] == 2
    assert await satisfaction(office, ticket) == 5
    ratings = await office.walked(path(ticket) + "/ratings", limit=1)
    assert [(each["resolution"], each["score"]) for each in ratings] == [(2, 5), (1, 1)]


async def test_a_closed_ticket_can_be_rated_and_one_that_was_not_resolved_cannot(office: Office) -> None:
    closed = await office.patched(await resolved(office), "customer", status="CLOSED")
    await rated(office, closed)
    opened, cancelled = await office.opened(), await office.patched(await office.opened(), status="CANCELLED")
    merged, into = await resolved(office), await office.opened()
    answer = await office.call("agent", "POST", path(merged) + "/merge", json={"intoId": into["id"]})
    assert answer.status_code == 200, answer.text
    for ticket in (opened, cancelled, merged):
        problem(await rate(office, ticket), 409, "not-rateable")
        assert await office.listed(url=path(ticket) + "/ratings") == []


async def test_only_a_customer_who_sees_the_ticket_rates_it(office: Office) -> None:
    ticket = await resolved(office)
    for who in ("agent", "lead", "admin"):
        problem(await rate(office, ticket, who=who), 403, "staff-cannot-rate")
    problem(await rate(office, ticket, who="otherAdmin"), 404, "not-found")
    foreign = await resolved(office, customerEmail=f"{fresh()}@elsewhere.example")
    problem(await rate(office, foreign), 404, "not-found")
    problem(await rate(office, {"id": some_id()}), 404, "not-found")


@pytest.mark.parametrize(
    "body",
    [{}, {"score": 0}, {"score": 6}, {"score": "5"}, {"score": 4.5}, {"score": True}, {"score": None}],
    ids=str,
)
async def test_a_score_is_a_whole_number_from_one_to_five(office: Office, body: dict[str, Any]) -> None:
    ticket = await resolved(office)
    bad = {**body, "comment": "a\0b", "stars": 5}
    answer = await office.call("customer", "POST", path(ticket) + "/rating", json=bad)
    assert places(problem(answer, 422, "invalid")) == {"/score", "/comment", "/stars"}
    assert await satisfaction(office, ticket) is None


async def test_of_many_ratings_at_once_one_counts(office: Office) -> None:
    ticket = await resolved(office)
    answers = await asyncio.gather(*(rate(office, ticket, 1 + n % 5) for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    [only] = [answer.json() for answer in answers if answer.status_code == 201]
    assert await office.listed(url=path(ticket) + "/ratings") == [only]
    counted = "select count(*) from events where entity_id = %s and type = 'ticket.rated'"
    assert list(await office.rows(counted, UUID(ticket["id"]))) == [(1,)]


async def test_a_rating_and_a_reopening_at_once_never_leave_a_rating_of_what_was_not_resolved(office: Office) -> None:
    for _ in range(5):
        ticket = await resolved(office)
        reopening = office.call("customer", "PATCH", path(ticket), json={"status": "OPEN"})
        answer, moved = await asyncio.gather(rate(office, ticket, 3), reopening)
        assert moved.status_code == 200
        assert answer.status_code in (201, 409)
        expected = 3 if answer.status_code == 201 else None
        assert await satisfaction(office, ticket) == expected


async def test_the_same_key_gets_the_first_answer(office: Office) -> None:
    ticket, headers = await resolved(office), {"Idempotency-Key": fresh()}
    first, again = [await rate(office, ticket, 2, headers=headers) for _ in range(2)]
    assert (again.status_code, again.text) == (201, first.text)
    problem(await rate(office, ticket, 3, headers=headers), 422, "key-reused")


async def notices(office: Office, ticket: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Who is told of a rating of the ticket."""
    query = "select recipient, channel, payload from notifications where process_id = %s and template = 'low_rating'"
    return list(await office.rows(query, UUID(ticket["id"])))


async def test_a_bad_rating_is_told_to_whoever_had_the_ticket(office: Office) -> None:
    agent, team = str(office.front.seed.users["agent"]), str(office.front.seed.teams["Engineering"])
    for fields, recipient in (({"assigneeId": agent}, agent), ({"teamId": team}, f"lead:{team}"), ({}, "role:LEAD")):
        ticket = await resolved(office, **fields)
        await rated(office, ticket, 2, comment="Slow.")
        [(told, channel, payload)] = await notices(office, ticket)
        assert (told, channel) == (recipient, "PREFERRED")
        assert (payload["score"], payload["remark"]) == (2, "Slow.")
    fine = await resolved(office, assigneeId=agent)
    await rated(office, fine, 3)
    assert await notices(office, fine) == []


async def test_listeners_hear_of_a_rating_without_what_was_written(office: Office) -> None:
    ticket = await resolved(office)
    made = await rated(office, ticket, 1, comment="between us")
    query = "select payload, internal, version, account_id, address from events where entity_id = %s and type = 'ticket.rated'"
    [(payload, internal, version, account, address)] = await office.rows(query, UUID(ticket["id"]))
    assert payload == {"number": int(ticket["number"][4:]), "score": 1, "resolution": 1, "ratingId": made["id"]}
    assert (internal, version, str(account), address) == (
        False,
        ticket["version"],
        ticket["accountId"],
        "customer@example.com",
    )


async def test_ratings_are_found_by_time_assignee_team_and_score(office: Office) -> None:
    start = datetime.now(UTC)
    agent, team = str(office.front.seed.users["agent"]), str(office.front.seed.teams["Engineering"])
    one, two = await resolved(office, assigneeId=agent), await resolved(office, teamId=team)
    first, second = await rated(office, one, 2), await rated(office, two, 5)
    assert (first["assigneeId"], second["teamId"]) == (agent, team)
    since = {"from": start.isoformat()}
    assert await office.walked("/api/ratings", 1, **since) == [second, first]
    for query, found in (
        ({"assigneeId": agent}, [first]),
        ({"teamId": team}, [second]),
        ({"score": [1, 2]}, [first]),
        ({"assigneeId": agent, "score": 5}, []),
        ({"to": start.isoformat()}, []),
        ({"to": second["createdAt"]}, [first]),
    ):
        assert await office.listed(url="/api/ratings", **(since | query)) == found
    backwards = {"from": start.isoformat(), "to": (start - timedelta(days=1)).isoformat()}
    problem(await office.call("agent", "GET", "/api/ratings", params=backwards), 422, "bad-period")
    problem(await office.call("customer", "GET", "/api/ratings"), 403, "role-too-low")
    await office.patched(await office.patched(one, status="OPEN"), assigneeId=None)
    assert await office.listed(url="/api/ratings", **since, assigneeId=agent) == [first], "whose work it was then"


async def test_the_metrics_tell_the_mean_by_group(office: Office) -> None:
    now, words = datetime.now(UTC), [fresh(), fresh()]
    for category, scores in zip(words, ((5, 4, 4), (1,)), strict=True):
        for score in scores:
            await rated(office, await resolved(office, category=category), score)
    await resolved(office, category=words[1])
    query = {"from": now.isoformat(), "to": (now + timedelta(days=1)).isoformat()}
    by = {}
    for group_by in ("category", "month", "tier", "team", "severity"):
        answer = await office.call("agent", "GET", "/api/sla/metrics", params={**query, "groupBy": group_by})
        assert answer.status_code == 200, answer.text
        assert answer.json()["satisfaction"] == 3.5
        by[group_by] = {
            group["key"]: group["satisfaction"] for group in answer.json()["groups"] if group["satisfaction"]
        }
    assert by["category"] == {words[0]: 4.33, words[1]: 1.0}
    assert by["month"] == {f"{datetime.now(UTC):%Y-%m}": 3.5}
    assert by["severity"] == {"SEV3": 3.5}
    assert by["team"] == {None: 3.5}
    nothing = {"from": "1999-01-01T00:00:00Z", "to": "1999-02-01T00:00:00Z"}
    assert (await office.call("agent", "GET", "/api/sla/metrics", params=nothing)).json()["satisfaction"] is None
