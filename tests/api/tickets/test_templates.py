"""Templates over HTTP: kept as records, filled in for requests, and applied to tickets as macros in one decision each."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.api.front import places, problem, some_id
from tests.api.tickets.office import Office, fresh, path
from tests.api.tickets.test_fields import defined, shop

__all__ = ["shop"]

TEMPLATES = "/api/ticket-templates"


@pytest_asyncio.fixture(loop_scope="session")
async def alone(office: Office) -> AsyncIterator[Office]:
    """The office without templates."""
    await office.execute("delete from ticket_templates")
    yield office


async def made(office: Office, **fields: Any) -> dict[str, Any]:
    """A new template."""
    return await office.front.created("lead", TEMPLATES, {"name": fresh(), "body": "Hello"} | fields)


async def applied(office: Office, ticket: dict[str, Any], template: dict[str, Any], **headers: str) -> Any:
    """What a macro answers."""
    where = f"{path(ticket)}/macros/{template['id']}"
    return await office.call("agent", "POST", where, headers={name.replace("_", "-"): v for name, v in headers.items()})


async def test_a_template_is_kept_changed_and_deleted(alone: Office) -> None:
    key = {"Idempotency-Key": fresh()}
    body = {"name": "Greeting", "subject": "About {{ ticket.number }}", "changes": {"category": None, "addTags": ["x"]}}
    first = await alone.call("lead", "POST", TEMPLATES, json=body, headers=key)
    again = await alone.call("lead", "POST", TEMPLATES, json=body, headers=key)
    assert (first.status_code, again.json()) == (201, first.json())
    assert first.json()["changes"] == body["changes"], "only what was said"
    assert (first.json()["internal"], first.json()["active"], first.json()["position"]) == (False, True, 1)
    where = first.headers["location"]
    assert (await alone.call("agent", "GET", where)).json() == first.json()
    problem(await alone.call("agent", "POST", TEMPLATES, json=body), 403, "role-too-low")
    changed = await alone.call("lead", "PATCH", where, json={"changes": {"tags": []}}, headers={"If-Match": '"v1"'})
    assert (changed.json()["changes"], changed.json()["version"]) == ({"tags": []}, 2)
    problem(await alone.call("lead", "PATCH", where, json={}, headers={"If-Match": '"v1"'}), 412, "stale")
    problem(await alone.call("lead", "DELETE", where, headers={"If-Match": '"v1"'}), 412, "stale")
    assert (await alone.call("lead", "DELETE", where)).status_code == 204
    problem(await alone.call("lead", "GET", where), 404, "not-found")


async def test_a_macro_can_be_looked_at_before_it_is_used(alone: Office) -> None:
    ticket = await alone.opened(subject="No light")
    changes = {"status": "PENDING_CUSTOMER", "assigneeId": "me", "addTags": ["lamp"], "category": None}
    macro = await made(alone, name="Ask", body="About {{ ticket.subject }}: {{ agent.name }}", changes=changes)
    note = await made(alone, name="Note", body="Who knows?", internal=True)
    where = f"{path(ticket)}/macros"
    before = await alone.counts()
    seen = await alone.call("agent", "GET", f"{where}/{macro['id']}")
    me = (await alone.call("agent", "GET", "/api/me")).json()
    assert seen.json() == {
        "templateId": macro["id"],
        "name": "Ask",
        "body": f"About No light: {me['name']}",
        "internal": False,
        "changes": changes | {"assigneeId": me["id"]},
    }
    only_said = (await alone.call("agent", "GET", f"{where}/{note['id']}")).json()
    assert (only_said["body"], only_said["internal"], only_said["changes"]) == ("Who knows?", True, {})
    assert (await alone.counts(), await alone.read(ticket)) == (before, ticket)
    problem(await alone.call("customer", "GET", f"{where}/{macro['id']}"), 403, "role-too-low")
    problem(await alone.call("otherAdmin", "GET", f"{where}/{macro['id']}"), 404, "not-found")
    problem(await alone.call("agent", "GET", f"{where}/{some_id()}"), 404, "not-found")


async def test_a_name_is_taken_while_its_template_is_in_force(alone: Office) -> None:
    first = await made(alone, name="Same")
    taken = await alone.call("lead", "POST", TEMPLATES, json={"name": "Same", "body": "x"})
    assert places(problem(taken, 409, "name-taken")) == {"/name"}
    await alone.call("lead", "PATCH", f"{TEMPLATES}/{first['id']}", json={"active": False})
    await made(alone, name="Same")
    back = await alone.call("lead", "PATCH", f"{TEMPLATES}/{first['id']}", json={"active": True})
    problem(back, 409, "name-taken")
    assert [each["active"] for each in await alone.walked(TEMPLATES, 1)] == [False, True]
    assert [each["id"] for each in await alone.listed(url=TEMPLATES, active=False)] == [first["id"]]


async def test_what_no_ticket_could_take_is_refused_all_at_once(shop: Office) -> None:
    bad = {
        "name": "",
        "subject": "{{ ticket.password }}",
        "body": "{{ ticket.number",
        "internal": "yes",
        "changes": {
            "status": "GONE",
            "priority": None,
            "assigneeId": "him",
            "tags": ["a"],
            "addTags": ["b"],
            "fields": [],
            "who": 1,
        },
    }
    document = problem(await shop.call("lead", "POST", TEMPLATES, json=bad), 422, "invalid")
    inner = {"status", "priority", "assigneeId", "addTags", "fields", "who"}
    assert places(document) == {"/name", "/subject", "/body", "/internal", *(f"/changes/{name}" for name in inner)}
    said = {each["pointer"]: each["detail"] for each in document["errors"]}
    assert "ticket.password" in said["/subject"]
    assert "not closed" in said["/body"]
    both = {"name": fresh(), "changes": {"addTags": ["a", "b"], "removeTags": ["b"]}}
    assert places(problem(await shop.call("lead", "POST", TEMPLATES, json=both), 422, "invalid")) == {
        "/changes/removeTags"
    }
    nobody = {"name": fresh(), "changes": {"assigneeId": some_id(), "teamId": some_id()}}
    document = problem(await shop.call("lead", "POST", TEMPLATES, json=nobody), 422, "unknown-reference")
    assert places(document) == {"/changes/assigneeId", "/changes/teamId"}
    for nothing in ({}, {"changes": {}}, {"body": None}):
        problem(await shop.call("lead", "POST", TEMPLATES, json={"name": fresh()} | nothing), 422, "empty-template")
    await defined(shop, "seats", "INTEGER", required=True)
    await defined(shop, "region", "TEXT", required=True)
    wrong = {"name": fresh(), "changes": {"fields": {"seats": "many", "other": 1}}}
    document = problem(await shop.call("lead", "POST", TEMPLATES, json=wrong), 422, "unfit-fields")
    assert places(document) == {"/changes/fields/seats", "/changes/fields/other"}


async def test_a_request_is_completed_by_its_template(office: Office) -> None:
    team = str(office.front.seed.teams["Engineering"])
    template = await made(
        office,
        subject="Set-up for {{ account.name }} {{ ticket.number }}",
        body="{{ customer.name }} <{{ customer.email }}> of {{ tenant.name }}: {{ ticket.subject }}, {{ ticket.fields.region }},"
        " {{ ticket.severity }}, taken by {{ agent.name }} for {{ team.name }}",
        changes={
            "status": "RESOLVED",
            "priority": "HIGH",
            "severity": "SEV2",
            "category": "Set-up",
            "assigneeId": "me",
            "teamId": team,
            "addTags": ["setup"],
            "fields": {"region": "EU", "kind": "new"},
        },
    )
    body = {"customerEmail": "customer@example.com", "templateId": template["id"], "priority": "LOW"}
    ticket = await office.front.created("agent", "/api/tickets", body | {"fields": {"kind": "old"}})
    assert ticket["subject"] == "Set-up for Example Corporation"
    assert ticket["description"] == (
        "Casey Customer <customer@example.com> of Acme Support: Set-up for Example Corporation, EU,"
        " SEV2, taken by Alex Agent for Engineering"
    )
    assert (ticket["priority"], ticket["severity"], ticket["category"]) == ("LOW", "SEV2", "Set-up")
    assert (ticket["status"], ticket["assigneeId"]) == ("OPEN", str(office.front.seed.users["agent"]))
    assert (ticket["teamId"], ticket["tags"]) == (team, ["setup"])
    assert ticket["fields"] == {"region": "EU", "kind": "old"}
    own = await office.front.created(
        "agent", "/api/tickets", body | {"subject": "Mine", "description": "Mine", "tags": []}
    )
    assert (own["subject"], own["description"], own["tags"]) == ("Mine", "Mine", [])


async def test_what_neither_request_nor_template_says_is_missing(office: Office) -> None:
    bare = {"customerEmail": "customer@example.com"}
    answer = await office.call("agent", "POST", "/api/tickets", json=bare | {"priority": "URGENTLY"})
    assert places(problem(answer, 422, "invalid")) == {"/subject", "/description", "/priority"}
    answer = await office.call("agent", "POST", "/api/tickets", json=bare | {"templateId": "x", "subject": None})
    assert places(problem(answer, 422, "invalid")) == {"/templateId", "/subject"}
    note = await made(office, body="Among us", internal=True, subject="{{ ticket.category }}")
    answer = await office.call("agent", "POST", "/api/tickets", json=bare | {"templateId": note["id"]})
    assert places(problem(answer, 422, "invalid")) == {"/subject", "/description"}
    off = await made(office, active=False)
    for template in (off["id"], some_id()):
        answer = await office.call("agent", "POST", "/api/tickets", json=bare | {"templateId": template})
        assert places(problem(answer, 422, "unknown-template")) == {"/templateId"}
    theirs = bare | {"templateId": off["id"]}
    problem(await office.call("customer", "POST", "/api/tickets", json=theirs), 403, "forbidden")


async def test_a_repeated_request_gets_its_first_answer_whatever_the_template_says_now(office: Office) -> None:
    template = await made(office, subject="First", body="First")
    body = {"customerEmail": "customer@example.com", "templateId": template["id"]}
    key = {"Idempotency-Key": fresh()}
    first = await office.call("agent", "POST", "/api/tickets", json=body, headers=key)
    where = f"{TEMPLATES}/{template['id']}"
    await office.call("lead", "PATCH", where, json={"subject": "Second"})
    again = await office.call("agent", "POST", "/api/tickets", json=body, headers=key)
    assert (again.status_code, again.json()["id"], again.json()["subject"]) == (201, first.json()["id"], "First")
    assert (await office.call("lead", "DELETE", where)).status_code == 204
    gone = await office.call("agent", "POST", "/api/tickets", json=body, headers=key)
    assert gone.json()["id"] == first.json()["id"]
    other = await office.call("agent", "POST", "/api/tickets", json=body | {"priority": "LOW"}, headers=key)
    problem(other, 422, "key-reused")


async def test_a_macro_does_everything_in_one_decision(office: Office) -> None:
    ticket = await office.opened(tags=["old", "kept"], fields={"a": 1, "b": 2}, category="Login")
    template = await made(
        office,
        body="Dear {{ customer.name }}, {{ ticket.number }} is {{ ticket.status }}; b was {{ ticket.fields.b }}. {{ agent.name }}",
        changes={
            "status": "PENDING_CUSTOMER",
            "priority": "URGENT",
            "category": None,
            "assigneeId": "me",
            "addTags": ["new", "kept"],
            "removeTags": ["old", "never"],
            "fields": {"b": 3, "a": None},
            "reason": "As ever",
        },
    )
    answer = await applied(office, ticket, template)
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["status"], after["priority"], after["category"]) == ("PENDING_CUSTOMER", "URGENT", None)
    assert (after["tags"], after["fields"]) == (["kept", "new"], {"b": 3})
    assert after["assigneeId"] == str(office.front.seed.users["agent"])
    assert answer.headers["etag"] == f'"v{after["version"]}"'
    assert after == await office.read(ticket)
    [comment] = await office.listed(url=path(ticket) + "/comments")
    assert comment["body"] == f"Dear Casey Customer, {ticket['number']} is NEW; b was 2. Alex Agent"
    assert (comment["internal"], comment["author"]["name"]) == (False, "Alex Agent")
    history = await office.listed(url=path(ticket) + "/history")
    assert [each["revision"] for each in history] == [2, 1]
    assert await office.found(tag="new", field="b:3", q=ticket["number"]) == [ticket["subject"]]


async def test_a_macro_repeated_under_its_key_happens_once(office: Office) -> None:
    ticket = await office.opened()
    template = await made(office, body="{{ ticket.status }}", internal=True, changes={"status": "IN_PROGRESS"})
    key = fresh()
    first = await applied(office, ticket, template, Idempotency_Key=key)
    again = await applied(office, ticket, template, Idempotency_Key=key)
    assert (again.status_code, again.json()["version"]) == (200, first.json()["version"])
    await office.call("lead", "DELETE", f"{TEMPLATES}/{template['id']}")
    assert (await applied(office, ticket, template, Idempotency_Key=key)).status_code == 200
    problem(await applied(office, ticket, await made(office), Idempotency_Key=key), 422, "key-reused")
    [comment] = await office.listed(url=path(ticket) + "/comments")
    assert (comment["body"], comment["internal"]) == ("NEW", True)
    assert await office.listed("customer", path(ticket) + "/comments") == []


async def test_what_a_macro_may_not_do_changes_nothing(shop: Office) -> None:
    ticket = await shop.opened()
    before = await shop.read(ticket)
    back = await made(shop, body="Back", changes={"status": "NEW", "addTags": ["x"]})
    done = await shop.patched(await shop.opened(), status="CANCELLED")
    problem(await applied(shop, await shop.patched(ticket, status="OPEN"), back), 409, "illegal-transition")
    problem(await applied(shop, done, back), 409, "ticket-final")
    problem(await applied(shop, ticket, back, If_Match='"v77"'), 412, "stale")
    problem(await applied(shop, ticket, await made(shop), If_Match='"v77"'), 412, "stale")
    problem(await applied(shop, ticket, await made(shop, active=False)), 409, "inactive-template")
    problem(await applied(shop, ticket, await made(shop, body=None, subject="Only")), 422, "unfit-template")
    problem(await applied(shop, ticket, await made(shop, body="{{ ticket.category }}")), 422, "unfit-template")
    problem(await applied(shop, ticket, {"id": some_id()}), 404, "not-found")
    problem(await applied(shop, {"id": some_id()}, back), 404, "not-found")
    older = await made(shop, changes={"fields": {"region": "EU"}})
    await defined(shop, "seats", "INTEGER")
    document = problem(await applied(shop, ticket, older), 422, "unfit-fields")
    assert places(document) == {"/fields/region"}
    assert (await shop.read(ticket))["version"] == before["version"] + 1
    assert await shop.listed(url=path(ticket) + "/comments") == []


async def test_an_internal_macro_calls_the_colleagues_whom_it_names(office: Office) -> None:
    ticket = await office.opened()
    template = await made(office, body="@lead please look at {{ ticket.number }}", internal=True)
    assert (await applied(office, ticket, template)).status_code == 200
    lead = str(office.front.seed.users["lead"])
    query = "select recipient from notifications where process_id = %s and template = 'mentioned'"
    assert await office.rows(query, ticket["id"]) == [(lead,)]


@pytest.mark.parametrize("who", ["customer", "otherAdmin"])
async def test_macros_are_the_staffs_and_the_tenants_own(office: Office, who: str) -> None:
    ticket, template = await office.opened(), await made(office)
    answer = await office.call(who, "POST", f"{path(ticket)}/macros/{template['id']}")
    assert answer.status_code == (403 if who == "customer" else 404)
