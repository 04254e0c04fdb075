"""Custom fields over HTTP: defined by administrators, held by tickets, seen by customers as far as they may, and filtered by."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection

from db.ticket_fields import definitions
from domain.tickets.fields import Definitions
from tests.api.front import places, problem
from tests.api.test_exports import CSV, table
from tests.api.tickets.office import Office, eventually, fresh, path

FIELDS = "/api/ticket-fields"


@pytest_asyncio.fixture(loop_scope="session")
async def shop(office: Office) -> AsyncIterator[Office]:
    """The office, whose fields are free again after the test; not even those that are gone rule anything then."""
    yield office
    for each in await office.listed("admin", FIELDS, limit=100):
        assert (await office.call("admin", "DELETE", f"{FIELDS}/{each['id']}")).status_code == 204
    await office.execute("delete from ticket_fields")
    office.front.app.state.services.desk.fields.kept.clear()


async def defined(office: Office, key: str, kind: str = "TEXT", **more: Any) -> dict[str, Any]:
    """A new field."""
    return await office.front.created("admin", FIELDS, {"key": key, "label": key.title(), "type": kind} | more)


async def test_a_field_is_defined_changed_and_deleted(shop: Office) -> None:
    body = {"key": "region", "label": "Region", "type": "SELECT", "options": ["EU", "US", "EU"]}
    key = {"Idempotency-Key": fresh()}
    first = await shop.call("admin", "POST", FIELDS, json=body, headers=key)
    again = await shop.call("admin", "POST", FIELDS, json=body, headers=key)
    assert (first.status_code, again.json()) == (201, first.json())
    made = first.json()
    assert made["options"] == ["EU", "US"]
    assert (made["required"], made["customerVisible"], made["customerEditable"], made["active"]) == (*[False] * 3, True)
    where = first.headers["location"]
    assert (await shop.call("agent", "GET", where)).json() == made
    changed = await shop.call("admin", "PATCH", where, json={"label": "Area"}, headers={"If-Match": '"v1"'})
    assert (changed.json()["label"], changed.headers["etag"]) == ("Area", '"v2"')
    stale = await shop.call("admin", "PATCH", where, json={"label": "B"}, headers={"If-Match": '"v1"'})
    problem(stale, 412, "stale")
    taken = await shop.call("admin", "POST", FIELDS, json=body)
    assert places(problem(taken, 409, "key-taken")) == {"/key"}
    assert (await shop.call("admin", "DELETE", where)).status_code == 204
    problem(await shop.call("admin", "GET", where), 404, "not-found")
    assert (await shop.call("admin", "POST", FIELDS, json=body)).status_code == 201, "the key is free again"


async def test_what_cannot_be_a_field_is_refused_all_at_once(shop: Office) -> None:
    bad = {"key": "Region 1", "label": " ", "type": "COLOUR", "options": "EU", "required": 1, "who": 1}
    answer = await shop.call("admin", "POST", FIELDS, json=bad)
    named = places(problem(answer, 422, "invalid"))
    assert named == {"/key", "/label", "/type", "/options", "/required", "/who"}
    unfit = {"key": "a", "label": "A", "type": "SELECT", "customerEditable": True}
    answer = await shop.call("admin", "POST", FIELDS, json=unfit)
    assert places(problem(answer, 422, "unfit-definition")) == {"/options", "/customerEditable"}
    made = await defined(shop, "colour", options=[])
    for change, kind in (
        ({"key": "color"}, "invalid"),
        ({"type": "URL"}, "invalid"),
        ({"options": ["red"]}, "unfit-definition"),
        ({"customerEditable": True}, "unfit-definition"),
        ({"label": None}, "invalid"),
    ):
        answer = await shop.call("admin", "PATCH", f"{FIELDS}/{made['id']}", json=change)
        assert places(problem(answer, 422, kind)) == {f"/{name}" for name in change}


async def test_fields_come_in_their_order_and_customers_see_theirs(shop: Office) -> None:
    last = await defined(shop, "last", position=7, customerVisible=True)
    await defined(shop, "first", position=2)
    await defined(shop, "behind", customerVisible=True)
    off = await defined(shop, "off", customerVisible=True, active=False)
    assert [each["key"] for each in await shop.walked(FIELDS, 1)] == ["first", "last", "behind", "off"]
    assert [each["key"] for each in await shop.listed(url=FIELDS, active=False)] == ["off"]
    assert [each["key"] for each in await shop.walked(FIELDS, 1, "customer")] == ["last", "behind"]
    assert (await shop.call("customer", "GET", f"{FIELDS}/{last['id']}")).status_code == 200
    problem(await shop.call("customer", "GET", f"{FIELDS}/{off['id']}"), 404, "not-found")


async def test_without_definitions_fields_are_free(shop: Office) -> None:
    ticket = await shop.opened(fields={"What ever": {"a": [1, None]}, "n": None})
    assert ticket["fields"] == {"What ever": {"a": [1, None]}, "n": None}
    assert (await shop.read(ticket, "customer"))["fields"] == ticket["fields"]


async def test_a_whole_number_that_not_every_reader_holds_is_refused(shop: Office) -> None:
    ticket = await shop.opened()

    async def refused(sent: dict[str, Any]) -> set[str]:
        answers = [
            await shop.call("agent", "POST", "/api/tickets", json=ticket_with(**sent)),
            await shop.call("agent", "PATCH", path(ticket), json={"fields": sent}),
        ]
        errors = [problem(answer, 422, "invalid")["errors"][0] for answer in answers]
        assert errors[0] == errors[1]
        return {errors[0]["pointer"], errors[0]["code"]}

    for number in (2**53, -(10**400)):
        assert await refused({"free": {"deep": [number]}}) == {"/fields", "json_integer"}
    await defined(shop, "seats", "NUMBER")
    assert await refused({"seats": 10**400}) == {"/fields", "json_integer"}
    assert (await shop.patched(ticket, fields={"seats": 2**53 - 1}))["fields"] == {"seats": 2**53 - 1}
    unread = f'{{"fields": {{"seats": {"9" * 5000}}}}}'  # more digits than Python reads
    headers = {"Content-Type": "application/json"}
    problem(await shop.call("agent", "PATCH", path(ticket), content=unread, headers=headers), 422, "invalid")


async def test_a_defined_field_is_held_against_its_definition(shop: Office) -> None:
    await defined(shop, "seats", "INTEGER", required=True)
    await defined(shop, "plan", "SELECT", options=["A", "B"])
    before = await shop.counts()
    answer = await shop.call("agent", "POST", "/api/tickets", json=ticket_with(plan="C", other=1))
    named = places(problem(answer, 422, "unfit-fields"))
    assert named == {"/fields/plan", "/fields/other", "/fields/seats"}
    missing = await shop.call("agent", "POST", "/api/tickets", json=ticket_with())
    assert places(problem(missing, 422, "unfit-fields")) == {"/fields/seats"}
    assert await shop.counts() == before
    ticket = await shop.opened(fields={"seats": 3, "plan": None})
    assert ticket["fields"] == {"seats": 3}
    wrong = await shop.call("agent", "PATCH", path(ticket), json={"fields": {"plan": "A"}})
    assert places(problem(wrong, 422, "unfit-fields")) == {"/fields/seats"}
    assert (await shop.patched(ticket, fields={"plan": "B", "seats": 4}))["fields"] == {"plan": "B", "seats": 4}
    assert (await shop.patched(ticket, priority="LOW"))["fields"] == {"plan": "B", "seats": 4}


def ticket_with(**fields: Any) -> dict[str, Any]:
    """A request with custom fields."""
    return {"customerEmail": "customer@example.com", "subject": "S", "description": "D", "fields": fields}


async def test_a_repeat_gets_its_first_answer_although_the_definitions_have_changed(shop: Office) -> None:
    key = {"Idempotency-Key": fresh()}
    first = await shop.call("agent", "POST", "/api/tickets", json=ticket_with(any="x"), headers=key)
    patch = {"Idempotency-Key": fresh()}
    changed = await shop.call("agent", "PATCH", path(first.json()), json={"fields": {"any": "y"}}, headers=patch)
    await defined(shop, "region")
    again = await shop.call("agent", "POST", "/api/tickets", json=ticket_with(any="x"), headers=key)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    other = await shop.call("agent", "PATCH", path(first.json()), json={"fields": {"any": "y"}}, headers=patch)
    assert (other.status_code, other.json()["version"]) == (200, changed.json()["version"])
    problem(await shop.call("agent", "POST", "/api/tickets", json=ticket_with(any="x")), 422, "unfit-fields")


async def test_customers_fill_in_what_is_theirs_only(shop: Office) -> None:
    await defined(shop, "mine", required=True, customerVisible=True, customerEditable=True)
    await defined(shop, "seen", required=True, customerVisible=True)
    await defined(shop, "secret", required=True)
    answer = await shop.call("customer", "POST", "/api/tickets", json=ticket_with(seen="x", secret="x"))
    errors = problem(answer, 422, "unfit-fields")["errors"]
    assert {each["pointer"]: each["code"] for each in errors} == {
        "/fields/mine": "missing",
        "/fields/seen": "not_editable",
        "/fields/secret": "unknown_field",
    }
    ticket = await shop.opened("customer", fields={"mine": "x"})
    assert ticket["fields"] == {"mine": "x"}


async def test_customers_see_no_value_that_is_the_staffs_own_anywhere(shop: Office) -> None:
    hidden = await defined(shop, "secret")
    await defined(shop, "seen", customerVisible=True)
    mark = fresh()
    ticket = await shop.opened(subject=mark, fields={"secret": "hush", "seen": "here"})
    assert ticket["fields"] == {"secret": "hush", "seen": "here"}
    commented = await shop.patched(ticket, status="RESOLVED")
    assert commented["fields"] == ticket["fields"]

    async def views() -> list[dict[str, Any]]:
        reopened = (await shop.call("customer", "PATCH", path(ticket), json={"status": "OPEN"})).json()
        await shop.patched(ticket, status="RESOLVED")
        return [await shop.read(ticket, "customer"), (await shop.listed("customer", q=mark))[0], reopened]

    assert [each["fields"] for each in await views()] == [{"seen": "here"}] * 3
    answer = await shop.call("customer", "GET", "/api/tickets", params={"q": mark}, headers=CSV)
    assert [(row["fields.seen"], row["fields"]) for row in table(answer)] == [("here", "")]
    assert "hush" not in answer.text
    assert "secret" not in answer.text
    staff = await shop.call("agent", "GET", "/api/tickets", params={"q": mark}, headers=CSV)
    assert [(row["fields.seen"], row["fields.secret"]) for row in table(staff)] == [("here", "hush")]
    # An oracle would do as well as a look.
    asked = await shop.call("customer", "GET", "/api/tickets", params={"field": "secret:hush"})
    assert places(problem(asked, 422, "unknown-field")) == {"field"}
    # Not even when the definition goes, and its values stay.
    for each in await shop.listed("admin", FIELDS):
        assert (await shop.call("admin", "DELETE", f"{FIELDS}/{each['id']}")).status_code == 204
    assert hidden["key"] in (await shop.read(ticket))["fields"]
    assert [each["fields"] for each in await views()] == [{"seen": "here"}] * 3
    assert (await shop.call("customer", "GET", "/api/tickets", params={"field": "secret:hush"})).status_code == 422


SLOW_COMMIT = """
create function slow_commit() returns trigger language plpgsql as $$ begin perform pg_sleep(1); return null; end $$;
create constraint trigger slow_commit after update on ticket_fields deferrable initially deferred
    for each row execute function slow_commit()
"""
COMMITTING = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query = 'COMMIT'"


async def test_what_is_hidden_stays_so_although_somebody_looked_before_the_commit(shop: Office) -> None:
    made = await defined(shop, "secret", customerVisible=True)
    ticket = await shop.opened(fields={"secret": "hush"})
    await shop.execute(SLOW_COMMIT)
    try:
        hide = {"customerVisible": False}
        change = asyncio.create_task(shop.call("admin", "PATCH", f"{FIELDS}/{made['id']}", json=hide))

        async def committing() -> bool:
            return bool((await shop.rows(COMMITTING))[0][0])

        await eventually(5, committing)
        shop.front.app.state.services.desk.fields.kept.clear()
        assert (await shop.read(ticket, "customer"))["fields"] == {"secret": "hush"}
        assert not change.done()
        assert (await change).status_code == 200
        assert (await shop.read(ticket, "customer"))["fields"] == {}
    finally:
        await shop.execute("drop trigger slow_commit on ticket_fields; drop function slow_commit()")


async def test_definitions_that_were_read_before_a_change_are_not_kept_after_it(
    shop: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields, tenant = shop.front.app.state.services.desk.fields, shop.front.seed.tenant_id
    read, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(connection: AsyncConnection) -> Definitions:
        found = await definitions(connection)
        read.set()
        await go_on.wait()
        return found

    fields.kept.clear()
    monkeypatch.setattr("api.kept_fields.definitions", slowly)
    before = asyncio.create_task(fields.of(tenant))
    await read.wait()
    await defined(shop, "region")
    go_on.set()
    assert "region" not in (await before).live
    assert "region" in (await fields.of(tenant)).live


async def test_another_process_follows_within_seconds(shop: Office) -> None:
    fields = shop.front.app.state.services.desk.fields
    await shop.opened(fields={"free": 1})
    tenant = shop.front.seed.tenant_id
    until, before = fields.kept[tenant]
    await defined(shop, "region")
    fields.kept[tenant] = (until, before)  # as a process has it that did not hear of it
    assert (await shop.call("agent", "POST", "/api/tickets", json=ticket_with(free=1))).status_code == 201
    fields.kept[tenant] = (0.0, before)
    assert (await shop.call("agent", "POST", "/api/tickets", json=ticket_with(free=1))).status_code == 422


async def test_tickets_are_found_by_their_fields(shop: Office) -> None:
    await defined(shop, "region", "SELECT", options=["EU", "US"], customerVisible=True)
    await defined(shop, "seats", "NUMBER")
    await defined(shop, "areas", "MULTISELECT", options=["web", "api", "a:b"])
    await defined(shop, "vip", "BOOLEAN")
    tag = fresh()
    for subject, fields in {
        "one": {"region": "EU", "seats": 5, "areas": ["web", "a:b"], "vip": True},
        "two": {"region": "US", "seats": 5.0, "areas": ["web", "api"], "vip": False},
        "three": {"region": "EU", "seats": 5.25},
        "four": {},
    }.items():
        await shop.opened(subject=subject, tags=[tag], fields=fields)

    async def found(*field: str, who: str = "agent") -> set[str]:
        return set(await shop.found(who, tag=tag, field=list(field)))

    assert await found("region:EU") == {"one", "three"}
    assert await found("region:EU", "region:US") == {"one", "two", "three"}
    assert await found("region:EU", "areas:web") == {"one"}
    assert await found("areas:a:b") == {"one"}
    assert await found("seats:5") == await found("seats:5.00") == {"one", "two"}
    assert await found("seats:5.250") == {"three"}
    assert await found("vip:TRUE") == {"one"}
    assert await found("region:eu") == await found("seats:x") == set()
    assert await found("region:EU", who="customer") == {"one", "three"}
    for wrong in ("nothing:x", "seats:5"):
        who = "customer" if wrong == "seats:5" else "agent"
        answer = await shop.call(who, "GET", "/api/tickets", params={"field": wrong})
        assert places(problem(answer, 422, "unknown-field")) == {"field"}
    for wrong in ("region", "region:", ":x"):
        problem(await shop.call("agent", "GET", "/api/tickets", params={"field": wrong}), 422, "invalid")


async def test_the_index_follows_every_change(shop: Office) -> None:
    tag = fresh()
    ticket = await shop.opened(
        tags=[tag], fields={"a": "x", "deep": {"b": "y"}, "long": "z" * 201, "n": None, "k" * 101: 1}
    )

    async def indexed() -> set[tuple[str, str]]:
        query = "select key, value from ticket_field_values where ticket_id = %s"
        return {(key, value) for key, value in await shop.rows(query, ticket["id"])}

    assert await indexed() == {("a", "x")}
    await shop.patched(ticket, priority="LOW")
    assert await indexed() == {("a", "x")}
    await shop.patched(ticket, fields={"a": ["x", "x", 1.50, True, None, {"c": 1}], "b": "new"})
    assert await indexed() == {("a", "x"), ("a", "1.5"), ("a", "true"), ("b", "new")}
    await shop.patched(ticket, fields={})
    assert await indexed() == set()
    assert await shop.found(tag=tag, field="a:x") == []


@pytest.mark.parametrize("value", ["x" * 200, "'; drop table users; --", "ä" * 150])
async def test_any_text_can_be_a_value(shop: Office, value: str) -> None:
    tag = fresh()
    await shop.opened(subject="it", tags=[tag], fields={"a": value})
    assert await shop.found(tag=tag, field=f"a:{value}") == ["it"]


async def test_the_filter_uses_its_index_under_row_level_security(shop: Office) -> None:
    plan = await shop.planned("select ticket_id from ticket_field_values where key = 'a' and value in ('x', 'y')")
    assert "ix_ticket_field_values_value" in plan
    assert "key = 'a'" in plan.partition("Index Cond")[2].partition("\n")[0]
