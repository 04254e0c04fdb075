"""API keys that work on tickets: as the staff, under their own name."""

import uuid
from typing import Any

from tests.api.front import problem
from tests.api.keys import call, made
from tests.api.tickets.office import Office, path


async def test_a_key_opens_a_ticket_once_and_answers_it_as_the_desk(office: Office) -> None:
    key = await made(office.front, "AGENT", "tickets:read", "tickets:write")
    body = {"customerEmail": "customer@example.com", "subject": "Disk full", "description": "By the monitor."}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await call(office.front, key, "POST", "/api/tickets", json=body, headers=headers)
    assert first.status_code == 201, first.text
    again = await call(office.front, key, "POST", "/api/tickets", json=body, headers=headers)
    assert again.json()["id"] == first.json()["id"]
    ticket = first.json()
    said = await call(office.front, key, "POST", path(ticket) + "/comments", json={"body": "We free some space."})
    assert said.status_code == 201, said.text
    assert said.json()["author"] == {"id": key["id"], "name": key["name"], "role": "AGENT"}
    assert (await office.read(ticket))["firstResponseAt"] is not None, "it is the desk's answer"
    promised = (await office.call("agent", "GET", path(ticket) + "/sla")).json()["clocks"]
    [response] = [clock for clock in promised if clock["kind"] == "FIRST_RESPONSE"]
    assert response["state"] == "MET"


async def test_a_customers_ticket_goes_through_a_keys_hands(office: Office) -> None:
    key = await made(office.front, "LEAD")
    ticket = await office.opened("customer")
    agent = str(office.front.seed.users["agent"])

    async def does(method: str, place: str, **body: Any) -> None:
        answer = await call(office.front, key, method, path(ticket) + place, json=body)
        assert answer.status_code in (200, 201), answer.text

    await does("PATCH", "", assigneeId=agent)
    await does("POST", "/comments", body="To each other", internal=True)
    await does("POST", "/comments", body="To the customer", status="PENDING_CUSTOMER")
    await does("POST", "/sla/RESOLUTION/waive", reason="Agreed on the phone")
    history = await office.walked(path(ticket) + "/history", 100)
    hands = [entry["actor"] for entry in history if entry["actor"]["name"] == key["name"]]
    assert len(hands) == 4
    assert {(actor["id"], actor["role"]) for actor in hands} == {(key["id"], "LEAD")}
    seen = await office.listed("customer", path(ticket) + "/comments")
    assert [(each["body"], each["author"]["name"]) for each in seen] == [("To the customer", key["name"])]


async def test_a_key_is_nobodys_assignee(office: Office) -> None:
    key = await made(office.front, "AGENT")
    ticket = await office.opened()
    answer = await call(office.front, key, "PATCH", path(ticket), json={"assigneeId": key["id"]})
    assert answer.status_code == 422, answer.text


async def test_a_macro_that_assigns_to_whoever_applies_it_is_refused_to_a_key_and_does_nothing(office: Office) -> None:
    key, ticket = await made(office.front, "AGENT"), await office.opened()
    fields = {"name": uuid.uuid4().hex, "body": "Taken", "changes": {"assigneeId": "me", "priority": "URGENT"}}
    template = await office.front.created("lead", "/api/ticket-templates", fields)
    answer = await call(office.front, key, "POST", f"{path(ticket)}/macros/{template['id']}")
    assert answer.status_code == 422, answer.text
    assert await office.read(ticket) == ticket


async def test_a_key_uploads_a_file_and_answers_with_it(office: Office) -> None:
    key, ticket = await made(office.front, "AGENT", "tickets:read", "tickets:write"), await office.opened()
    file = {"file": ("log.txt", b"All is well.\n", "text/plain")}
    sent = await call(office.front, key, "POST", path(ticket) + "/attachments", files=file)
    assert sent.status_code == 201, sent.text
    body = {"body": "See the log.", "attachmentIds": [sent.json()["id"]]}
    said = await call(office.front, key, "POST", path(ticket) + "/comments", json=body)
    assert said.status_code == 201, said.text
    problem(await call(office.front, key, "POST", "/api/attachments", files=file), 403, "scope-missing")


async def test_a_key_that_reads_changes_nothing(office: Office) -> None:
    key = await made(office.front, "ADMIN", "tickets:read")
    ticket = await office.opened()
    before = await office.counts()
    for method, place in (("POST", "/api/tickets"), ("PATCH", path(ticket)), ("POST", path(ticket) + "/comments")):
        problem(await call(office.front, key, method, place, json={"body": "x"}), 403, "scope-missing")
    assert await office.counts() == before
    assert (await call(office.front, key, "GET", path(ticket) + "/history")).status_code == 200


async def test_a_revoked_keys_history_still_tells_its_name(office: Office) -> None:
    key = await made(office.front, "AGENT")
    ticket = await office.opened()
    await call(office.front, key, "PATCH", path(ticket), json={"priority": "URGENT"})
    await office.call("admin", "DELETE", f"/api/api-keys/{key['id']}")
    newest = (await office.listed(url=path(ticket) + "/history"))[0]
    assert newest["actor"]["name"] == key["name"]
    kept = (await office.call("admin", "GET", f"/api/api-keys/{newest['actor']['id']}")).json()
    assert kept["name"] == key["name"]
