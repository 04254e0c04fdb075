"""A tenant's settings over HTTP, and the open promises that follow them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from tests.api.front import Front, places, problem

TICKET = {"customerEmail": "customer@example.com", "subject": "No dashboard", "description": "It answers 403."}
CONFIRM = "update processes set confirmed_revision = revision where tenant_id = %s"
UNCONFIRMED = "select id from processes where confirmed_revision < revision and tenant_id = %s and not final"


@pytest_asyncio.fixture(loop_scope="session")
async def settings(playground: Front) -> AsyncIterator[dict[str, Any]]:
    """The settings as they are; put back afterwards."""
    before = (await playground.call("admin", "GET", "/api/settings")).json()
    yield before
    names = ("name", "remindAfterMinutes", "resolveAfterMinutes", "reopenGraceMinutes")
    await change(playground, **{name: before[name] for name in names})


async def change(api: Front, **fields: Any) -> dict[str, Any]:
    response = await api.call("admin", "PATCH", "/api/settings", json=fields)
    assert response.status_code == 200, response.text
    changed: dict[str, Any] = response.json()
    return changed


async def ticket(api: Front, status: str) -> UUID:
    made = await api.created("agent", "/api/tickets", TICKET)
    response = await api.call("agent", "PATCH", f"/api/tickets/{made['id']}", json={"status": status})
    assert response.status_code == 200, response.text
    return UUID(made["id"])


def rows(api: Front, statement: str) -> set[UUID]:
    # The application's own role: what is checked is what the auditor will see of this tenant.
    with psycopg.connect(api.settings.postgres.conninfo()) as connection:
        connection.execute("select set_config('summit.tenant', %s, true)", (str(api.seed.tenant_id),))
        cursor = connection.execute(statement, (api.seed.tenant_id,))
        return {row[0] for row in cursor.fetchall()} if cursor.description else set()


async def test_a_change_is_read_by_everybody_on_the_desk(playground: Front, settings: dict[str, Any]) -> None:
    changed = await change(playground, remindAfterMinutes=60, name="Acme Care")
    assert (changed["remindAfterMinutes"], changed["name"]) == (60, "Acme Care")
    assert changed["resolveAfterMinutes"] == settings["resolveAfterMinutes"]
    assert changed["version"] == settings["version"] + 1
    read = await playground.call("agent", "GET", "/api/settings")
    assert read.json() == changed
    assert read.headers["etag"] == f'"v{changed["version"]}"'
    other = (await playground.call("otherAdmin", "GET", "/api/settings")).json()
    assert (other["slug"], other["name"]) == ("globex", "Globex")


async def test_a_stale_copy_is_refused_and_changes_nothing(playground: Front, settings: dict[str, Any]) -> None:
    changed = await change(playground, remindAfterMinutes=61)
    stale = {"If-Match": f'"v{settings["version"]}"'}
    refused = await playground.call("admin", "PATCH", "/api/settings", json={"remindAfterMinutes": 5}, headers=stale)
    assert problem(refused, 412, "stale")["currentVersion"] == changed["version"]
    assert (await playground.call("admin", "GET", "/api/settings")).json() == changed
    fresh = {"If-Match": f'"v{changed["version"]}"'}
    taken = await playground.call("admin", "PATCH", "/api/settings", json={"remindAfterMinutes": 62}, headers=fresh)
    assert taken.status_code == 200


async def test_what_changes_nothing_makes_no_version(playground: Front, settings: dict[str, Any]) -> None:
    assert await change(playground) == settings
    assert await change(playground, name=settings["name"]) == settings


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"remindAfterMinutes": -1, "resolveAfterMinutes": 525_601}, {"/remindAfterMinutes", "/resolveAfterMinutes"}),
        ({"reopenGraceMinutes": 1.5, "name": " "}, {"/reopenGraceMinutes", "/name"}),
        ({"name": None, "remindAfterMinutes": None}, {"/name", "/remindAfterMinutes"}),
        ({"slug": "mine", "isDefault": True}, {"/slug", "/isDefault"}),
    ],
    ids=["out of range", "no minutes", "null", "unknown"],
)
async def test_bad_settings_are_named_all_at_once(
    playground: Front, settings: dict[str, Any], body: dict[str, Any], named: set[str]
) -> None:
    refused = await playground.call("admin", "PATCH", "/api/settings", json=body)
    assert places(problem(refused, 422, "invalid")) == named
    assert (await playground.call("admin", "GET", "/api/settings")).json() == settings


async def test_only_an_admin_changes_settings(playground: Front, settings: dict[str, Any]) -> None:
    refused = await playground.call("lead", "PATCH", "/api/settings", json={"remindAfterMinutes": 5})
    problem(refused, 403, "role-too-low")
    problem(await playground.call("customer", "GET", "/api/settings"), 403, "role-too-low")


async def test_open_promises_are_due_to_be_derived_again(playground: Front, settings: dict[str, Any]) -> None:
    waiting, resolved = await ticket(playground, "PENDING_CUSTOMER"), await ticket(playground, "RESOLVED")
    idle, over = await ticket(playground, "IN_PROGRESS"), await ticket(playground, "CANCELLED")
    rows(playground, CONFIRM)
    await change(playground, remindAfterMinutes=settings["remindAfterMinutes"] + 1)
    unconfirmed = rows(playground, UNCONFIRMED)
    assert unconfirmed >= {waiting, resolved}
    assert not unconfirmed & {idle, over}


async def test_a_new_name_leaves_promises_alone(playground: Front, settings: dict[str, Any]) -> None:
    waiting = await ticket(playground, "PENDING_CUSTOMER")
    rows(playground, CONFIRM)
    await change(playground, name="Acme Helpers")
    assert waiting not in rows(playground, UNCONFIRMED)
