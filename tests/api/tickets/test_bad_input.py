"""What cannot be accepted is refused with the right problem, every bad field is named, and nothing has changed."""

import json
from typing import Any

import pytest

from tests.api.front import places, problem, some_id
from tests.api.tickets.office import Office, fresh, path

JSON = {"Content-Type": "application/json"}
GOOD: dict[str, Any] = {"customerEmail": "c@shop.example", "subject": "S", "description": "D"}
DEEP: Any = {}
for _ in range(30):
    DEEP = {"d": DEEP}

BAD_FIELDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "unknown fields": ({"prioritty": "LOW", "status": "OPEN"}, {"/prioritty", "/status"}),
    "snake case": ({"sla_tier": "BASIC"}, {"/sla_tier"}),
    "wrong types": (
        {"customerEmail": 7, "subject": ["S"], "description": None, "tags": "vip", "fields": [1], "teamId": 7},
        {"/customerEmail", "/subject", "/description", "/tags", "/fields", "/teamId"},
    ),
    "bad enums": (
        {"priority": "high", "severity": "SEV5", "channel": "FAX", "slaTier": "GOLD"},
        {"/priority", "/severity", "/channel", "/slaTier"},
    ),
    "null for what has a default": (
        {"priority": None, "severity": None, "tags": None},
        {"/priority", "/severity", "/tags"},
    ),
    "no address": ({"customerEmail": "nobody"}, {"/customerEmail"}),
    "an endless address": ({"customerEmail": "a" * 300 + "@shop.example"}, {"/customerEmail"}),
    "blanks": ({"subject": "  ", "description": "", "category": " "}, {"/subject", "/description", "/category"}),
    "NUL": (
        {"subject": "a\0b", "description": "\0", "category": "\0x", "tags": ["ok", "\0"], "fields": {"a": "\0"}},
        {"/subject", "/description", "/category", "/tags/1", "/fields"},
    ),
    "NUL in an address": ({"customerEmail": "a\0@shop.example"}, {"/customerEmail"}),
    "NUL in the name of a field": ({"fields": {"\0": 1}}, {"/fields"}),
    "too long": (
        {"subject": "s" * 301, "description": "d" * 100_001, "category": "c" * 65},
        {"/subject", "/description", "/category"},
    ),
    "too many tags": ({"tags": [str(n) for n in range(51)]}, {"/tags"}),
    "a subject of a megabyte": ({"subject": "s" * 1_000_000}, {"/subject"}),
    "fields too deep": ({"fields": DEEP}, {"/fields"}),
    "fields too many": ({"fields": {str(n): n for n in range(3000)}}, {"/fields"}),
    "fields too large": ({"fields": {"a": "x" * 40_000}}, {"/fields"}),
    "white space only": ({"description": " \n "}, {"/description"}),
    "more than a line": ({"subject": "a\r\nBcc: evil@x.example", "tags": ["a\nb"]}, {"/subject", "/tags/0"}),
    "ids of nothing": ({"assigneeId": "me", "teamId": "us"}, {"/assigneeId", "/teamId"}),
    "unknown people": ({"assigneeId": some_id(), "teamId": some_id()}, {"/assigneeId", "/teamId"}),
}

SURROGATES = {
    "subject": rb'{"customerEmail":"c@shop.example","subject":"\ud800","description":"D"}',
    "description": rb'{"customerEmail":"c@shop.example","subject":"S","description":"a\udfffb"}',
    "tags/0": rb'{"customerEmail":"c@shop.example","subject":"S","description":"D","tags":["\ud800"]}',
    "fields": rb'{"customerEmail":"c@shop.example","subject":"S","description":"D","fields":{"\ud83d":1}}',
}


@pytest.mark.parametrize("case", BAD_FIELDS, ids=str)
async def test_a_new_ticket_with_bad_fields_names_them_all(office: Office, case: str) -> None:
    fields, named = BAD_FIELDS[case]
    before = await office.counts()
    document = problem(await office.call("agent", "POST", "/api/tickets", json=GOOD | fields), 422, "invalid")
    assert places(document) == named
    assert await office.counts() == before


PATCHABLE = {
    "priority",
    "severity",
    "subject",
    "description",
    "tags",
    "fields",
    "category",
    "slaTier",
    "assigneeId",
    "teamId",
}


@pytest.mark.parametrize("case", BAD_FIELDS, ids=str)
async def test_a_change_with_bad_fields_names_them_all(office: Office, case: str) -> None:
    fields, named = BAD_FIELDS[case]
    body = {name: value for name, value in fields.items() if name in PATCHABLE}
    expected = {place for place in named if place.split("/")[1] in PATCHABLE}
    if not expected:
        return
    ticket = await office.opened()
    before = await office.counts()
    document = problem(await office.call("agent", "PATCH", path(ticket), json=body), 422, "invalid")
    assert places(document) == expected
    assert (await office.counts(), await office.read(ticket)) == (before, ticket)


@pytest.mark.parametrize("field", SURROGATES)
async def test_a_lone_surrogate_is_refused(office: Office, field: str) -> None:
    before = await office.counts()
    response = await office.call("agent", "POST", "/api/tickets", content=SURROGATES[field], headers=JSON)
    document = problem(response, 422, "invalid")
    assert places(document) in ({f"/{field}"}, {""})
    assert await office.counts() == before


async def test_a_lone_surrogate_in_a_comment_is_refused(office: Office) -> None:
    ticket = await office.opened()
    response = await office.call(
        "agent", "POST", path(ticket) + "/comments", content=rb'{"body":"\ud800"}', headers=JSON
    )
    problem(response, 422, "invalid")
    assert await office.listed(url=path(ticket) + "/comments") == []


BAD_COMMENTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, {"/body"}),
    "empty": ({"body": ""}, {"/body"}),
    "NUL": ({"body": "a\0"}, {"/body"}),
    "several": (
        {"body": 7, "internal": "maybe", "status": "DONE", "who": 1},
        {"/body", "/internal", "/status", "/who"},
    ),
    "a naive time": ({"body": "x", "occurredAt": "2026-03-02T09:00:00", "reason": "r"}, {"/occurredAt"}),
    "a number for a time": ({"body": "x", "occurredAt": 7, "reason": "r"}, {"/occurredAt"}),
    "no reason": ({"body": "x", "occurredAt": "2026-03-02T09:00:00Z"}, {"/reason"}),
    "before the ticket": ({"body": "x", "occurredAt": "2020-03-02T09:00:00Z", "reason": "r"}, {"/occurredAt"}),
    "after now": ({"body": "x", "occurredAt": "2999-03-02T09:00:00Z", "reason": "r"}, {"/occurredAt"}),
}


@pytest.mark.parametrize("case", BAD_COMMENTS, ids=str)
async def test_a_comment_with_bad_fields_names_them_all(office: Office, case: str) -> None:
    body, named = BAD_COMMENTS[case]
    ticket = await office.opened()
    before = await office.counts()
    document = problem(await office.call("lead", "POST", path(ticket) + "/comments", json=body), 422, "invalid")
    assert places(document) == named
    assert await office.counts() == before


async def test_an_oversized_body_is_turned_away(office: Office) -> None:
    before = await office.counts()
    huge = json.dumps(GOOD | {"description": "d" * 1_100_000}).encode()
    problem(await office.call("agent", "POST", "/api/tickets", content=huge, headers=JSON), 413, "body-too-large")
    assert await office.counts() == before


@pytest.mark.parametrize("key", ["", "k" * 256, "tab\there"], ids=["empty", "long", "control"])
async def test_a_key_that_is_none_is_refused(office: Office, key: str) -> None:
    before = await office.counts()
    response = await office.call("agent", "POST", "/api/tickets", json=GOOD, headers={"Idempotency-Key": key})
    assert places(problem(response, 422, "invalid")) == {"Idempotency-Key"}
    assert await office.counts() == before


async def test_another_tenants_name_on_a_ticket_is_forbidden(office: Office) -> None:
    before = await office.counts()
    body = GOOD | {"tenantId": str(office.front.seed.other_tenant_id)}
    response = await office.call("agent", "POST", "/api/tickets", json=body)
    assert response.status_code == 403, response.text
    assert await office.counts() == before


async def test_another_tenants_ticket_is_not_found_whatever_one_does(office: Office) -> None:
    ticket = await office.opened()
    await office.commented(ticket)
    ticket, before = await office.read(ticket), await office.counts()
    for method, suffix, body in (
        ("GET", "", None),
        ("PATCH", "", {"subject": "Mine"}),
        ("GET", "/comments", None),
        ("POST", "/comments", {"body": "Mine"}),
        ("GET", "/history", None),
    ):
        rest = {"json": body} if body else {}
        problem(await office.call("otherAdmin", method, path(ticket) + suffix, **rest), 404, "not-found")
    assert (await office.counts(), await office.read(ticket)) == (before, ticket)
    assert await office.listed("otherAdmin", q=ticket["number"]) == []


async def test_another_tenants_people_and_teams_are_unknown(office: Office) -> None:
    stranger = str(office.front.seed.users["otherAdmin"])
    response = await office.call("agent", "POST", "/api/tickets", json=GOOD | {"assigneeId": stranger})
    assert places(problem(response, 422, "invalid")) == {"/assigneeId"}
    ticket = await office.opened()
    response = await office.call("agent", "PATCH", path(ticket), json={"assigneeId": stranger})
    assert places(problem(response, 422, "invalid")) == {"/assigneeId"}


async def test_a_customer_is_nobodys_assignee(office: Office) -> None:
    customer = str(office.front.seed.users["customer"])
    response = await office.call("agent", "POST", "/api/tickets", json=GOOD | {"assigneeId": customer})
    assert places(problem(response, 422, "invalid")) == {"/assigneeId"}


@pytest.mark.parametrize("ticket_id", ["7", "SUP-1001", "null", "%00", some_id() + "x"])
async def test_an_id_that_is_none_is_refused(office: Office, ticket_id: str) -> None:
    response = await office.call("agent", "GET", f"/api/tickets/{ticket_id}")
    assert places(problem(response, 422, "invalid")) == {"ticket_id"}


BAD_QUERIES = {
    "sort=subject": {"sort"},
    "sort=-": {"sort"},
    "sort=--createdAt": {"sort"},
    "limit=0": {"limit"},
    "limit=101": {"limit"},
    "limit=many": {"limit"},
    "status=open": {"status"},
    "status=OPEN&status=DONE": {"status"},
    "severity=1&priority=x&slaTier=y&channel=z": {"severity", "priority", "slaTier", "channel"},
    "assigneeId=me&teamId=us&accountId=them": {"assigneeId", "teamId", "accountId"},
    "createdFrom=yesterday": {"createdFrom"},
    "createdTo=2026-03-02T09:00:00": {"createdTo"},
    "dueBefore=tomorrow": {"dueBefore"},
    "dueBefore=2026-03-02T09:00:00&due_before=x": {"dueBefore", "due_before"},
    "colour=red": {"colour"},
    "colour=red&limit=0": {"colour", "limit"},
    "customer_email=a@b.example": {"customer_email"},
    "tag=%00": {"tag"},
    "createdFrom=0": {"createdFrom"},
    "bogus=1": {"bogus"},
    "cursor=AAAA": {"cursor"},
    "cursor=": {"cursor"},
    "cursor=%00": {"cursor"},
    "cursor=%F0%9F%98%80": {"cursor"},
    "cursor=" + "A" * 501: {"cursor"},
}


@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda query: query[:40])
async def test_a_list_asked_for_badly_names_each_parameter(office: Office, query: str) -> None:
    document = problem(
        await office.call("agent", "GET", f"/api/tickets?{query}"),
        422,
        "invalid" if "cursor=" not in query else kind(query),
    )
    assert places(document) == BAD_QUERIES[query]


def kind(query: str) -> str:
    """A cursor that is too long is a bad parameter; one that was forged is known as such."""
    return "invalid" if len(query) > 500 else "bad-cursor"


async def test_a_cursor_holds_for_its_own_order_only(office: Office) -> None:
    tag = fresh()
    for _ in range(2):
        await office.opened(tags=[tag])
    page = (await office.call("agent", "GET", f"/api/tickets?tag={tag}&limit=1&sort=createdAt")).json()["page"]
    response = await office.call("agent", "GET", f"/api/tickets?limit=1&sort=-updatedAt&cursor={page['nextCursor']}")
    problem(response, 422, "bad-cursor")


async def test_a_cursor_holds_for_its_own_list_only(office: Office) -> None:
    ticket = await office.opened()
    for body in ("one", "two"):
        await office.commented(ticket, body=body)
    page = (await office.call("agent", "GET", f"/api/tickets/{ticket['id']}/comments?limit=1")).json()["page"]
    other = await office.opened()
    for other_list in ("/api/tickets", f"/api/tickets/{other['id']}/comments", "/api/users"):
        response = await office.call("agent", "GET", other_list, params={"cursor": page["nextCursor"]})
        problem(response, 422, "bad-cursor")


async def test_a_cursor_with_one_character_changed_is_forged(office: Office) -> None:
    tag = fresh()
    for _ in range(2):
        await office.opened(tags=[tag])
    cursor = (await office.call("agent", "GET", f"/api/tickets?tag={tag}&limit=1")).json()["page"]["nextCursor"]
    for at in (0, len(cursor) // 2, len(cursor) - 2):
        forged = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        problem(await office.call("agent", "GET", "/api/tickets", params={"cursor": forged}), 422, "bad-cursor")


@pytest.mark.parametrize(
    "suffix", ["?x=1", "/comments?x=1", "/comments?sort=body", "/history?limit=0", "/history?cursor=zz"]
)
async def test_other_reads_know_their_parameters_too(office: Office, suffix: str) -> None:
    ticket = await office.opened()
    assert (await office.call("agent", "GET", path(ticket) + suffix)).status_code == 422
