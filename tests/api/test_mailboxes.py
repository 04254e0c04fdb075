"""Mailboxes over HTTP: one address belongs to one of them, and there is always one default."""

import asyncio
import uuid
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.front import Front, places, problem, some_id
from tests.stack import Database


def box(**fields: Any) -> dict[str, Any]:
    return {"address": f"{uuid.uuid4().hex}@desk.example", "name": "Billing", **fields}


async def patched(api: Front, mailbox: dict[str, Any], **fields: Any) -> httpx.Response:
    return await api.call("admin", "PATCH", f"/api/mailboxes/{mailbox['id']}", json=fields)


async def defaults(api: Front) -> list[str]:
    found = (await api.call("agent", "GET", "/api/mailboxes", params={"limit": 100})).json()["data"]
    return [each["address"] for each in found if each["isDefault"]]


async def test_a_mailbox_is_added_read_and_listed(api: Front) -> None:
    body = box(teamId=str(api.seed.teams["Engineering"]), category="Billing")
    made = await api.created("admin", "/api/mailboxes", body)
    assert {name: made[name] for name in body} == body
    assert (made["active"], made["isDefault"], made["version"]) == (True, False, 1)
    assert (await api.call("agent", "GET", f"/api/mailboxes/{made['id']}")).json() == made
    assert made in (await api.call("agent", "GET", "/api/mailboxes")).json()["data"]


async def test_a_repeat_under_a_key_adds_no_second_one(api: Front) -> None:
    body, key = box(), {"Idempotency-Key": uuid.uuid4().hex}
    first = await api.created("admin", "/api/mailboxes", body, **key)
    assert await api.created("admin", "/api/mailboxes", body, **key) == first


async def test_an_address_belongs_to_one_active_mailbox_of_all_tenants(api: Front) -> None:
    made = await api.created("admin", "/api/mailboxes", box(address="Shared@Desk.example"))
    assert made["address"] == "shared@desk.example"
    for who in ("admin", "otherAdmin"):
        taken = await api.call(who, "POST", "/api/mailboxes", json=box(address="shared@desk.example"))
        assert places(problem(taken, 409, "address-taken")) == {"/address"}
    assert (await patched(api, made, active=False)).status_code == 200
    await api.created("otherAdmin", "/api/mailboxes", box(address="shared@desk.example"))
    problem(await patched(api, made, active=True), 409, "address-taken")


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"address": "support+x@desk.example"}, {"/address"}),
        ({"address": "Support <support@desk.example>", "name": " "}, {"/address", "/name"}),
        ({"address": "nobody"}, {"/address"}),
        ({"teamId": some_id()}, {"/teamId"}),
        ({"category": "x" * 65, "active": None}, {"/category", "/active"}),
        ({"colour": "red"}, {"/colour"}),
    ],
)
async def test_every_bad_field_is_named(api: Front, fields: dict[str, Any], where: set[str]) -> None:
    refused = await api.call("admin", "POST", "/api/mailboxes", json=box(**fields))
    assert refused.status_code == 422, refused.text
    assert places(refused.json()) == where


async def test_another_default_takes_the_place_of_the_one_before(api: Front) -> None:
    [before] = await defaults(api)
    made = await api.created("admin", "/api/mailboxes", box(isDefault=True))
    assert await defaults(api) == [made["address"]]
    problem(await patched(api, made, isDefault=False), 409, "default-mailbox")
    problem(await patched(api, made, active=False), 409, "default-mailbox")
    problem(await api.call("admin", "DELETE", f"/api/mailboxes/{made['id']}"), 409, "default-mailbox")
    refused = await api.call("admin", "POST", "/api/mailboxes", json=box(isDefault=True, active=False))
    problem(refused, 409, "default-mailbox")
    [old] = [
        each
        for each in (await api.call("agent", "GET", "/api/mailboxes", params={"limit": 100})).json()["data"]
        if each["address"] == before
    ]
    assert (await patched(api, old, isDefault=True)).status_code == 200
    assert await defaults(api) == [before]


async def test_the_first_mailbox_of_a_tenant_is_its_default_however_many_come_at_once(
    api: Front, postgres: Database
) -> None:
    slug = uuid.uuid4().hex
    with psycopg.connect(postgres.owner.conninfo()) as connection:
        [(tenant,)] = connection.execute("insert into tenants (slug, name) values (%s, 'New') returning id", (slug,))
        query = "insert into users (tenant_id, email, name, role) values (%s, %s, 'A', 'ADMIN') returning id"
        [(admin,)] = connection.execute(query, (tenant, f"{slug}@x.example"))
    token = api.token("admin", tenant_id=tenant, user_id=admin)
    headers = {"Authorization": f"Bearer {token}"}
    made = await asyncio.gather(
        *(api.http.post("/api/mailboxes", json=box(active=False), headers=headers) for _ in range(4))
    )
    assert {each.status_code for each in made} == {201}
    assert sorted((each.json()["isDefault"], each.json()["active"]) for each in made) == [
        *[(False, False)] * 3,
        (True, True),
    ]


async def test_a_stale_copy_changes_nothing(api: Front) -> None:
    made = await api.created("admin", "/api/mailboxes", box())
    await patched(api, made, name="Invoices")
    path, headers = f"/api/mailboxes/{made['id']}", {"If-Match": '"v1"'}
    assert (await api.call("admin", "PATCH", path, json={"name": "Old"}, headers=headers)).status_code == 412
    assert (await api.call("admin", "DELETE", path, headers=headers)).status_code == 412
    read = (await api.call("agent", "GET", path)).json()
    assert (read["name"], read["version"]) == ("Invoices", 2)


async def test_a_mailbox_to_which_nothing_came_can_be_deleted(api: Front) -> None:
    made = await api.created("admin", "/api/mailboxes", box())
    path = f"/api/mailboxes/{made['id']}"
    assert (await api.call("admin", "DELETE", path)).status_code == 204
    problem(await api.call("agent", "GET", path), 404, "not-found")
