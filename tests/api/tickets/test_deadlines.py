"""The promise ledger over HTTP: what is due, when, who owes it, and how it ended."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.api.front import places, problem
from tests.api.tickets.office import Office, fresh, path

URL = "/api/deadlines"
KINDS = ["CUSTOMER_REMINDER", "AUTO_RESOLVE", "AUTO_CLOSE"]
"""What waiting and resolved tickets owe; their clocks are the concern of other tests."""


async def owner(office: Office) -> str:
    """Somebody of the staff who owes nothing yet."""
    email = f"owner-{UUID(int=len(await office.rows('select 1 from users')))}@acme-support.example"
    user = await office.front.created("admin", "/api/users", {"email": email, "name": "Olga Owner", "role": "AGENT"})
    return str(user["id"])


async def promises(office: Office, of: str, **query: Any) -> dict[str, dict[str, Any]]:
    """What somebody owes, by kind."""
    return {row["kind"]: row for row in await office.listed(url=URL, owner=of, **({"kind": KINDS} | query))}


async def test_a_waiting_ticket_owes_a_reminder_and_a_resolution(office: Office) -> None:
    who = await owner(office)
    ticket = await office.patched(await office.opened(assigneeId=who), status="PENDING_CUSTOMER")
    found = await promises(office, who)
    reminder = found["CUSTOMER_REMINDER"]
    assert list(found) == ["CUSTOMER_REMINDER", "AUTO_RESOLVE"]
    assert (reminder["process"], reminder["entityId"], reminder["cycle"]) == ("ticket", ticket["id"], 1)
    assert (reminder["state"], reminder["settledAt"], reminder["ownerId"]) == ("ARMED", None, who)
    assert (await office.call("agent", "GET", reminder["link"])).json() == ticket


async def test_the_end_of_a_promise_is_told(office: Office) -> None:
    who = await owner(office)
    ticket = await office.patched(await office.opened("agent", assigneeId=who), status="PENDING_CUSTOMER")
    reply = await office.commented(ticket, "customer")
    found = await promises(office, who)
    assert {row["state"] for row in found.values()} == {"MET"}
    assert {row["settledAt"] for row in found.values()} == {reply["createdAt"]}


async def test_a_cancelled_promise_is_told_too(office: Office) -> None:
    who = await owner(office)
    ticket = await office.patched(await office.opened(assigneeId=who), status="RESOLVED")
    await office.patched(ticket, status="OPEN")
    assert {kind: row["state"] for kind, row in (await promises(office, who)).items()} == {"AUTO_CLOSE": "CANCELLED"}


async def test_each_filter_narrows(office: Office) -> None:
    who = await owner(office)
    await office.patched(await office.opened(assigneeId=who), status="PENDING_CUSTOMER")
    await office.patched(await office.opened(assigneeId=who), status="RESOLVED")
    assert list(await promises(office, who, kind="AUTO_CLOSE")) == ["AUTO_CLOSE"]
    assert len(await promises(office, who, kind=["AUTO_CLOSE", "CUSTOMER_REMINDER"])) == 2
    assert await promises(office, who, state="FIRED") == {}
    due = datetime.fromisoformat((await promises(office, who, kind="CUSTOMER_REMINDER"))["CUSTOMER_REMINDER"]["dueAt"])
    after = (due + timedelta(microseconds=1)).isoformat()
    assert "CUSTOMER_REMINDER" in await promises(office, who, **{"from": due.isoformat(), "to": after})
    assert await promises(office, who, to=due.isoformat()) == {}
    assert set(await promises(office, who, **{"from": after})) == {"AUTO_RESOLVE", "AUTO_CLOSE"}


async def test_the_next_due_come_first_and_a_walk_misses_none(office: Office) -> None:
    who = await owner(office)
    for status in ("RESOLVED", "PENDING_CUSTOMER", "PENDING_CUSTOMER"):
        await office.patched(await office.opened(assigneeId=who), status=status)
    everything = await office.listed(url=URL, owner=who, kind=KINDS)
    assert len(everything) == 5
    assert [row["dueAt"] for row in everything] == sorted(row["dueAt"] for row in everything)
    assert await office.walked(URL, 2, owner=who, kind=KINDS) == everything


async def test_a_promise_keeps_its_id(office: Office) -> None:
    who = await owner(office)
    ticket = await office.patched(await office.opened(assigneeId=who), status="PENDING_CUSTOMER")
    before = (await promises(office, who))["AUTO_RESOLVE"]["id"]
    await office.commented(ticket, "customer")
    assert (await promises(office, who))["AUTO_RESOLVE"]["id"] == before


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("from=2026-03-02T09:00:00&to=soon", {"from", "to"}),
        ("owner=me&state=LATE&limit=0", {"owner", "state", "limit"}),
        ("due_from=2026-03-02T09:00:00Z", {"due_from"}),
        ("colour=red", {"colour"}),
        ("kind=%00", {"kind"}),
    ],
)
async def test_a_ledger_asked_for_badly_names_each_parameter(office: Office, query: str, named: set[str]) -> None:
    assert places(problem(await office.call("agent", "GET", f"{URL}?{query}"), 422, "invalid")) == named


async def test_a_forged_cursor_is_refused(office: Office) -> None:
    problem(await office.call("agent", "GET", f"{URL}?cursor=AAAA"), 422, "bad-cursor")


async def test_the_ledger_is_the_staffs_and_the_tenants(office: Office) -> None:
    who = await owner(office)
    await office.patched(await office.opened(assigneeId=who), status="RESOLVED")
    problem(await office.call("customer", "GET", URL), 403, "role-too-low")
    assert await office.listed("otherAdmin", URL, owner=who) == []


async def test_a_calendar_shows_what_its_reader_owes(office: Office) -> None:
    agent = str(office.front.seed.users["agent"])
    ticket = await office.patched(await office.opened(assigneeId=agent), status="PENDING_CUSTOMER")
    url = (await office.call("agent", "GET", URL + "/feed")).json()["url"]
    response = await office.call(None, "GET", url)
    assert response.headers["content-type"].startswith("text/calendar")
    text = response.text.replace("\r\n ", "")
    assert text.startswith("BEGIN:VCALENDAR")
    assert path(ticket) in text
    stamp = datetime.fromisoformat(ticket["sla"]["nextDeadlineAt"]).strftime("%Y%m%dT%H%M%SZ")
    assert f"DTSTART:{stamp}" in text


@pytest.mark.parametrize("token", ["", "AAAA", "%00", "é", "A" * 64])
async def test_a_forged_calendar_is_turned_away(office: Office, token: str) -> None:
    response = await office.call(None, "GET", f"/api/deadlines.ics?token={token}")
    assert response.status_code == 401, response.text


async def test_a_feed_ends_with_its_owners_access(office: Office) -> None:
    body = {"email": f"{fresh()}@acme-support.example", "name": "Leaving", "role": "AGENT"}
    user = await office.front.created("admin", "/api/users", body)
    headers = {"Authorization": f"Bearer {office.front.token('agent', user_id=UUID(user['id']))}"}
    url = (await office.call(None, "GET", URL + "/feed", headers=headers)).json()["url"]
    assert (await office.call(None, "GET", url)).status_code == 200
    await office.call("admin", "PATCH", f"/api/users/{user['id']}", json={"active": False})
    assert (await office.call(None, "GET", url)).status_code == 401
