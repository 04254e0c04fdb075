"""Saved views over HTTP: the list's own filters under a name, for oneself, a team or everybody."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from db.tables.tickets import support_tickets
from db.tickets.reads import TicketFilters, narrowed
from domain.identity import Actor, Role
from runtime.settings import APP_ROLE
from tests.api.front import places, problem, some_id
from tests.api.test_exports import CSV, table
from tests.api.tickets.office import Office, fresh
from tests.api.tickets.test_fields import FIELDS, defined, shop

__all__ = ["shop"]

VIEWS = "/api/views"


async def made(office: Office, who: str = "agent", **fields: Any) -> dict[str, Any]:
    """A new view."""
    return await office.front.created(who, VIEWS, {"name": "Some"} | fields)


def at(view: dict[str, Any], more: str = "") -> str:
    """Where a view is."""
    return f"{VIEWS}/{view['id']}{more}"


async def seen(office: Office, who: str, view: dict[str, Any]) -> bool:
    """Whether somebody sees a view, alone and in the list."""
    alone = (await office.call(who, "GET", at(view))).status_code == 200
    listed = view["id"] in [each["id"] for each in await office.walked(VIEWS, 100, who)]
    assert alone == listed
    return alone


async def test_a_view_is_kept_changed_and_deleted(office: Office) -> None:
    body = {"name": "Mine", "filters": {"assigneeId": ["me"], "status": ["OPEN"]}, "columns": ["number", "sla.state"]}
    key = {"Idempotency-Key": fresh()}
    first = await office.call("agent", "POST", VIEWS, json=body, headers=key)
    again = await office.call("agent", "POST", VIEWS, json=body, headers=key)
    assert (first.status_code, again.json()) == (201, first.json())
    view = first.json()
    assert (view["filters"], view["sort"], view["columns"]) == (body["filters"], "-createdAt", body["columns"])
    assert (view["shared"], view["teamId"], view["mine"], view["editable"]) == (False, None, True, True)
    assert view["ownerId"] == str(office.front.seed.users["agent"])
    changed = await office.call(
        "agent", "PATCH", at(view), json={"filters": {}, "columns": None}, headers={"If-Match": '"v1"'}
    )
    assert (changed.json()["filters"], changed.json()["columns"], changed.headers["etag"]) == ({}, None, '"v2"')
    problem(await office.call("agent", "PATCH", at(view), json={}, headers={"If-Match": '"v1"'}), 412, "stale")
    assert (await office.call("agent", "DELETE", at(view))).status_code == 204
    problem(await office.call("agent", "GET", at(view)), 404, "not-found")


async def test_filters_are_judged_as_the_list_judges_them(office: Office) -> None:
    filters = {
        "status": ["GONE"],
        "assigneeId": ["him"],
        "accountId": "x",
        "createdFrom": "2026-01-01",
        "customerEmail": "x" * 255,
        "q": 5,
        "field": ["x"],
        "limit": 5,
        "who": 1,
    }
    bad = {"name": "", "filters": filters, "sort": "name", "columns": ["number", "password", "fields.Up"], "shared": 1}
    named = places(problem(await office.call("agent", "POST", VIEWS, json=bad), 422, "invalid"))
    assert named == {
        *("/name", "/sort", "/columns/1", "/columns/2", "/shared"),
        *("/filters/status/0", "/filters/assigneeId/0", "/filters/accountId", "/filters/createdFrom"),
        *("/filters/customerEmail", "/filters/q", "/filters/field/0", "/filters/limit", "/filters/who"),
    }
    nobody = {"name": "x", "teamId": some_id()}
    assert places(problem(await office.call("agent", "POST", VIEWS, json=nobody), 422, "unknown-reference")) == {
        "/teamId"
    }


async def test_every_filter_of_the_list_is_one_of_views(office: Office) -> None:
    document = office.front.app.openapi()
    of_views = document["components"]["schemas"]["ViewFilters"]["properties"].keys()
    parameters = document["paths"]["/api/tickets"]["get"]["parameters"]
    of_the_list = {each["name"] for each in parameters if each["in"] == "query"}
    assert of_views == of_the_list - {"sort", "limit", "cursor"}


async def test_a_view_shows_its_tickets_page_by_page(office: Office) -> None:
    tag = fresh()
    tickets = [await office.opened(tags=[tag], subject=f"{n}", priority="LOW" if n % 2 else "HIGH") for n in range(5)]
    view = await made(office, filters={"tag": [tag], "priority": ["LOW", "HIGH"]}, sort="createdAt")
    listed = await office.walked(at(view, "/tickets"), 2)
    assert [each["subject"] for each in listed] == ["0", "1", "2", "3", "4"]
    assert listed == await office.walked("/api/tickets", 2, tag=tag, sort="createdAt")
    await office.call("agent", "PATCH", at(view), json={"sort": "-priority", "filters": {"tag": [tag], "q": "0"}})
    assert [each["id"] for each in await office.walked(at(view, "/tickets"), 2)] == [tickets[0]["id"]]
    rows = table(await office.call("agent", "GET", at(view, "/tickets"), headers=CSV))
    assert [row["subject"] for row in rows] == ["0"]
    answer = await office.call("agent", "GET", at(view, "/tickets"), params={"limit": 101, "tag": "x", "cursor": "y"})
    assert {"limit", "tag"} <= places(problem(answer, 422, "invalid"))
    problem(await office.call("agent", "GET", at(view, "/tickets"), params={"cursor": "y"}), 422, "bad-cursor")


async def test_me_is_whoever_looks(office: Office) -> None:
    tag = fresh()
    view = await made(office, "lead", filters={"assigneeId": ["me"], "tag": [tag]}, shared=True)
    for who in ("agent", "lead"):
        await office.opened(tags=[tag], subject=who, assigneeId=str(office.front.seed.users[who]))
    for who in ("agent", "lead"):
        assert [each["subject"] for each in await office.listed(who, at(view, "/tickets"))] == [who]


async def test_own_views_are_ones_own_and_shared_ones_are_read_by_all(office: Office) -> None:
    own = await made(office)
    assert (await seen(office, "agent", own), await seen(office, "lead", own)) == (True, False)
    problem(await office.call("lead", "PATCH", at(own), json={"name": "x"}), 404, "not-found")
    problem(await office.call("lead", "GET", at(own, "/tickets")), 404, "not-found")
    shared = await made(office, "lead", shared=True)
    assert await seen(office, "agent", shared)
    read = (await office.call("agent", "GET", at(shared))).json()
    assert (read["mine"], read["editable"]) == (False, False)
    refused = problem(await office.call("agent", "PATCH", at(shared), json={"name": "x"}), 403, "forbidden")
    assert refused["requiredRole"] == "LEAD"
    problem(await office.call("agent", "DELETE", at(shared)), 403, "forbidden")
    theirs = await made(office, shared=True)
    renamed = await office.call("lead", "PATCH", at(theirs), json={"name": "Better", "shared": False})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Better")
    assert (await seen(office, "agent", theirs), await seen(office, "lead", theirs)) == (True, False)
    problem(await office.call("otherAdmin", "GET", at(shared)), 404, "not-found")


async def test_a_teams_view_is_read_by_its_members(office: Office) -> None:
    first_line, engineering = (str(office.front.seed.teams[name]) for name in ("First line", "Engineering"))
    ours = await made(office, "lead", teamId=first_line)
    others = await made(office, "lead", teamId=engineering)
    assert (await seen(office, "agent", ours), await seen(office, "agent", others)) == (True, False)
    problem(await office.call("agent", "DELETE", at(ours)), 403, "forbidden")


async def test_counts_tell_how_many_tickets_each_view_has_now(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.execute("delete from ticket_views")
    tag = fresh()
    for n in range(3):
        await office.opened(tags=[tag, *(["rare"] if n == 0 else [])])
    theirs = await made(office, "lead", shared=True, filters={"tag": [tag]})
    hidden = await made(office, "lead", filters={"tag": [tag]})
    every = await made(office, filters={"tag": [tag]})
    none = await made(office, filters={"tag": [fresh()]})

    async def counted() -> dict[str, tuple[int, bool]]:
        data = (await office.call("agent", "GET", f"{VIEWS}/counts")).json()["data"]
        return {each["viewId"]: (each["count"], each["more"]) for each in data}

    assert await counted() == {none["id"]: (0, False), every["id"]: (3, False), theirs["id"]: (3, False)}
    assert hidden["id"] not in await counted()
    monkeypatch.setattr("api.views.MOST_COUNTED", 2)
    assert (await counted())[every["id"]] == (2, True)
    monkeypatch.setattr("api.views.MOST_VIEWS_COUNTED", 2)
    assert list(await counted()) == [none["id"], every["id"]], "the own ones first"


async def test_a_view_that_takes_too_long_has_no_count_and_holds_up_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.execute("delete from ticket_views")
    ticket = await office.opened(tags=[fresh()])
    quick = await made(office, filters={"q": f"{ticket['number']}", "priority": ["LOW"]})
    slow = await made(office, filters={"tag": ticket["tags"]})
    plain = await made(office, filters={"tag": [], "status": ["CANCELLED"]})

    async def counted() -> dict[str, int | None]:
        answer = await office.call("agent", "GET", f"{VIEWS}/counts")
        assert answer.status_code == 200, answer.text
        return {each["viewId"]: each["count"] for each in answer.json()["data"]}

    free = await counted()
    assert free[slow["id"]] == 1
    monkeypatch.setattr("api.views.COUNT_SECONDS", 0.2)
    async with await psycopg.AsyncConnection.connect(office.servers.owner.conninfo()) as other:
        await other.execute("lock table ticket_tags in access exclusive mode")
        assert await counted() == free | {slow["id"]: None}
    monkeypatch.setattr("api.views.ALL_COUNTS_SECONDS", 0.0)
    assert await counted() == dict.fromkeys((quick["id"], slow["id"], plain["id"]))


MANY = """
insert into support_tickets (id, tenant_id, number, status, status_since, customer_email, subject, description, priority, severity,
    channel, sla_tier, tags, fields, reopens, created_at, updated_at, version, team_id)
select gen_random_uuid(), %(tenant)s, 1000000 + n, 'OPEN', now(), 'a@b.example', 'S', 'D', 'LOW', 'SEV4', 'API', 'BASIC', '{}', '{}',
    0, now() - n * interval '1 minute', now(), 1, case when n > 19990 then %(small)s else %(large)s end::uuid
from generate_series(1, 20000) n
"""


async def test_the_tickets_of_a_small_team_are_found_by_its_index(office: Office) -> None:
    tenant, small = office.front.seed.tenant_id, uuid4()
    actor = Actor(id=office.front.seed.users["agent"], role=Role.AGENT, name="A", email="a@b.example")
    query = narrowed(select(support_tickets), actor, TicketFilters(any_of={"team_id": [small]}))
    page = query.order_by(support_tickets.c.created_at.desc(), support_tickets.c.id.desc()).limit(26)
    written = page.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    async with await psycopg.AsyncConnection.connect(office.servers.owner.conninfo()) as connection:
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(MANY, {"tenant": tenant, "small": small, "large": uuid4()})
        await connection.execute("analyze support_tickets")
        await connection.execute("select set_config('summit.tenant', %s, true)", (str(tenant),))
        await connection.execute(f"set local role {APP_ROLE}".encode())
        rows = await (await connection.execute(f"explain {written}".encode())).fetchall()
        await connection.rollback()
    plan = "\n".join(line for (line,) in rows)
    assert "ix_support_tickets_team" in plan
    assert "team_id = " in plan.partition("Index Cond")[2].partition("\n")[0]
    assert "Sort" not in plan


async def test_a_view_that_cannot_be_shown_any_more_says_why(shop: Office) -> None:
    region = await defined(shop, "region")
    await defined(shop, "other")
    view = await made(shop, filters={"field": ["region:EU"], "tag": [fresh()]})
    assert await shop.listed(url=at(view, "/tickets")) == []
    await shop.call("admin", "DELETE", f"{FIELDS}/{region['id']}")
    problem(await shop.call("agent", "GET", at(view, "/tickets")), 422, "unknown-field")
    counted = (await shop.call("agent", "GET", f"{VIEWS}/counts")).json()["data"]
    assert view["id"] not in [each["viewId"] for each in counted]
    old = await made(shop)
    await shop.execute('update ticket_views set filters = \'{"status": ["LOST"]}\' where id = %s', old["id"])
    problem(await shop.call("agent", "GET", at(old, "/tickets")), 409, "outdated-view")
    assert (await shop.call("agent", "GET", f"{VIEWS}/counts")).status_code == 200
    assert (await shop.call("agent", "GET", at(old))).json()["filters"] == {"status": ["LOST"]}
