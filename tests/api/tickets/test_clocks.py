"""A ticket's clocks over HTTP: explained, adjusted by hand, filtered by, and brought under an edited policy."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.front import places, problem, some_id
from tests.api.tickets.office import Office, fresh, path

REASON = {"reason": "Agreed on the phone."}
PREMIUM = {"slaTier": "PREMIUM", "severity": "SEV1", "customerEmail": "new@nobody.example"}


async def clocks(office: Office, ticket: dict[str, Any], who: str = "agent") -> dict[str, dict[str, Any]]:
    """Its clocks by kind and cycle."""
    response = await office.call(who, "GET", path(ticket) + "/sla")
    assert response.status_code == 200, response.text
    return {f"{each['kind']} {each['cycle']}": each for each in response.json()["clocks"]}


async def adjusted(office: Office, ticket: dict[str, Any], verb: str, kind: str = "RESOLUTION", **headers: str) -> Any:
    """The answer to adjusting a clock."""
    return await office.call("lead", "POST", f"{path(ticket)}/sla/{kind}/{verb}", json=REASON, headers=headers)


async def done(office: Office, job: dict[str, Any]) -> dict[str, Any]:
    """A job at its end; an API of these tests that has no Temporal may have had it first, and put it back."""
    async with asyncio.timeout(120):
        while job["state"] not in ("DONE", "FAILED"):
            await asyncio.sleep(0.1)
            job = (await office.call("lead", "GET", f"/api/jobs/{job['id']}")).json()
    return job


async def test_a_new_ticket_explains_what_is_promised(office: Office) -> None:
    ticket = await office.opened(**PREMIUM)
    assert (ticket["sla"]["state"], ticket["sla"]["nextKind"]) == ("ok", "FIRST_RESPONSE")
    found = await clocks(office, ticket)
    first = found["FIRST_RESPONSE 1"]
    created = datetime.fromisoformat(ticket["createdAt"])
    assert list(found) == ["FIRST_RESPONSE 1", "RESOLUTION 1"]
    assert (first["state"], first["targetMinutes"], first["calendar"]) == ("RUNNING", 15, "Round the clock")
    assert datetime.fromisoformat(first["deadlineAt"]) == created + timedelta(minutes=15)
    assert ticket["sla"]["nextDeadlineAt"] == first["deadlineAt"]
    assert 0 < first["elapsedSeconds"] < 60
    assert first["elapsedSeconds"] + first["remainingSeconds"] == pytest.approx(900)
    [segment] = first["segments"]
    assert (segment["from"], segment["state"]) == (ticket["createdAt"], "RUNNING")
    assert "15 min of “Round the clock”" in first["explanation"]


async def test_pauses_show_as_segments_and_in_the_standing(office: Office) -> None:
    ticket = await office.opened(**PREMIUM)
    await office.commented(ticket)
    waiting = await office.patched(ticket, status="PENDING_CUSTOMER")
    assert waiting["sla"]["state"] == "paused"
    clock = (await clocks(office, ticket))["RESOLUTION 1"]
    assert (clock["state"], clock["holds"], clock["deadlineAt"]) == ("PAUSED", ["CUSTOMER"], None)
    assert [each["state"] for each in clock["segments"]] == ["RUNNING", "PAUSED"]
    await office.patched(ticket, status="OPEN")
    clock = (await clocks(office, ticket))["RESOLUTION 1"]
    assert [each["state"] for each in clock["segments"]] == ["RUNNING", "PAUSED", "RUNNING"]
    paused = clock["segments"][1]["seconds"]
    due = datetime.fromisoformat(ticket["createdAt"]) + timedelta(hours=4, seconds=paused)
    assert abs(datetime.fromisoformat(clock["deadlineAt"]) - due) < timedelta(milliseconds=1)


async def test_a_lead_pauses_resumes_and_waives(office: Office) -> None:
    ticket = await office.opened(**PREMIUM)
    key = {"Idempotency-Key": fresh()}
    response = await adjusted(office, ticket, "pause", **key)
    assert response.status_code == 200, response.text
    paused = next(each for each in response.json()["clocks"] if each["kind"] == "RESOLUTION")
    assert (paused["state"], paused["holds"]) == ("PAUSED", ["MANUAL"])
    assert (await adjusted(office, ticket, "pause", **key)).status_code == 200
    problem(await adjusted(office, ticket, "pause"), 409, "clock-stands")
    assert (await adjusted(office, ticket, "resume")).status_code == 200
    problem(await adjusted(office, ticket, "resume"), 409, "clock-stands")
    waived = (await adjusted(office, ticket, "waive")).json()["clocks"][1]
    assert (waived["state"], waived["waived"]) == ("CANCELLED", True)
    history = await office.listed(url=path(ticket) + "/history")
    assert [(entry["command"], entry["reason"]) for entry in history[:3]] == [
        ("waive", REASON["reason"]),
        ("resume", REASON["reason"]),
        ("pause", REASON["reason"]),
    ]
    assert history[0]["summary"] == f"Resolution waived by {history[0]['actor']['name']}: {REASON['reason']}"


async def test_who_adjusted_a_clock_and_why_is_told_with_it_to_the_staff(office: Office) -> None:
    email = (await office.call("customer", "GET", "/api/me")).json()["email"]
    ticket = await office.opened(**PREMIUM | {"customerEmail": email})
    for verb in ("pause", "resume", "waive"):
        assert (await adjusted(office, ticket, verb)).status_code == 200
    found = await clocks(office, ticket)
    clock, lead = found["RESOLUTION 1"], (await office.call("lead", "GET", "/api/me")).json()["name"]
    assert [(each["action"], each["actor"], each["reason"]) for each in clock["adjustments"]] == [
        (verb, lead, REASON["reason"]) for verb in ("PAUSE", "RESUME", "WAIVE")
    ]
    assert [(each["state"], each["reason"]) for each in clock["segments"]] == [
        ("RUNNING", None),
        ("PAUSED", REASON["reason"]),
        ("RUNNING", None),
    ]
    assert clock["segments"][1]["from"] == clock["adjustments"][0]["at"]
    assert found["FIRST_RESPONSE 1"]["adjustments"] == []
    seen = (await clocks(office, ticket, "customer"))["RESOLUTION 1"]
    assert (seen["adjustments"], {each["reason"] for each in seen["segments"]}) == ([], {None})


async def test_a_clock_names_the_zone_in_which_its_calendar_is_read(office: Office) -> None:
    account = {"name": fresh(), "tier": "BASIC", "timeZone": "Asia/Tokyo", "domains": [f"{fresh()}.example"]}
    await office.front.created("lead", "/api/customers/accounts", account)
    abroad = await office.opened(customerEmail=f"ada@{account['domains'][0]}")
    assert (await clocks(office, abroad))["RESOLUTION 1"]["timeZone"] == "Asia/Tokyo", (
        "the calendar has none of its own"
    )
    assert (await clocks(office, await office.opened(**PREMIUM)))["RESOLUTION 1"]["timeZone"] == "UTC"


async def test_adjusting_badly_is_refused_and_changes_nothing(office: Office) -> None:
    ticket = await office.opened(**PREMIUM)
    before = await clocks(office, ticket)
    url = path(ticket) + "/sla"
    problem(await office.call("agent", "POST", url + "/RESOLUTION/pause", json=REASON), 403, "role-too-low")
    document = problem(
        await office.call("lead", "POST", url + "/RESOLUTION/pause", json={"reason": "  "}), 422, "invalid"
    )
    assert places(document) == {"/reason"}
    assert (await office.call("lead", "POST", url + "/LUNCH/pause", json=REASON)).status_code == 422
    problem(await office.call("lead", "POST", url + "/NEXT_RESPONSE/pause", json=REASON), 404, "no-clock")
    other = f"/api/tickets/{some_id()}/sla"
    problem(await office.call("lead", "POST", other + "/RESOLUTION/pause", json=REASON), 404, "not-found")
    problem(await office.call("agent", "GET", other), 404, "not-found")
    assert {name: each["state"] for name, each in (await clocks(office, ticket)).items()} == {
        name: each["state"] for name, each in before.items()
    }


async def test_a_customer_reads_what_was_promised_to_them(office: Office) -> None:
    email = office.front.settings and (await office.call("customer", "GET", "/api/me")).json()["email"]
    own, others = await office.opened(customerEmail=email), await office.opened(**PREMIUM)
    assert set(await clocks(office, own, "customer")) == {"FIRST_RESPONSE 1", "RESOLUTION 1"}
    problem(await office.call("customer", "GET", path(others) + "/sla"), 404, "not-found")
    problem(await office.call("otherAdmin", "GET", path(own) + "/sla"), 404, "not-found")


async def test_a_list_is_narrowed_by_standing(office: Office) -> None:
    tag = fresh()
    for subject in ("well", "waiting", "in danger", "broken", "over", "broken and over"):
        ticket = await office.opened(tags=[tag], subject=subject, **PREMIUM)
        if subject == "waiting":
            await office.commented(ticket)
            await office.patched(ticket, status="PENDING_CUSTOMER")
        if "over" in subject:
            await office.patched(ticket, status="CANCELLED")
        if subject == "broken and over":
            await office.rows(
                "update support_tickets set sla_standing = 'breached' where id = %s returning 1", ticket["id"]
            )
        if subject in ("in danger", "broken"):
            standing = "breached" if subject == "broken" else "ok"
            await office.rows(
                "update support_tickets set sla_standing = %s, at_risk_at = now() - interval '1 s', overdue_since = case"
                " when %s = 'breached' then now() end where id = %s returning 1",
                *(standing, standing, ticket["id"]),
            )
    for state, subjects in {
        "ok": ["well"],
        "paused": ["waiting"],
        "at_risk": ["in danger"],
        "breached": ["broken and over", "broken"],
    }.items():
        assert await office.found(tag=tag, slaState=state) == subjects
        assert {ticket["sla"]["state"] for ticket in await office.listed(tag=tag, slaState=state)} == {state}
    assert await office.found(tag=tag, slaState=["ok", "breached"], sort="nextDeadline") == [
        "broken",
        "well",
        "broken and over",
    ]
    problem(await office.call("agent", "GET", "/api/tickets?slaState=late"), 422, "invalid")


async def test_a_definition_is_reapplied_to_open_tickets_by_a_job(office: Office) -> None:
    calendar = (await office.listed("lead", "/api/sla/calendars"))[0]["id"]
    body = {"targetMinutes": 30, "calendarId": calendar}
    promise = {"tier": "ENTERPRISE", "severity": "SEV4", "kind": "NEXT_RESPONSE"}
    definition = await office.front.created("lead", "/api/sla/definitions", body | promise)
    url = f"/api/sla/definitions/{definition['id']}"
    email = (await office.call("customer", "GET", "/api/me")).json()["email"]
    tickets = [await office.opened(severity="SEV4", customerEmail=email) for _ in range(3)]
    for ticket in tickets:
        await office.commented(ticket)
        await office.commented(ticket, "customer")
    assert (await office.call("lead", "PUT", url, json=body | {"targetMinutes": 600})).json()["version"] == 2
    assert (await clocks(office, tickets[0]))["NEXT_RESPONSE 1"]["targetMinutes"] == 30
    key = {"Idempotency-Key": fresh()}
    asked = await office.call("lead", "POST", url + "/reapply", headers=key)
    assert asked.status_code == 202, asked.text
    assert (await office.call("lead", "POST", url + "/reapply", headers=key)).json()["id"] == asked.json()["id"]
    job = await done(office, asked.json())
    assert (job["state"], job["failures"]) == ("DONE", [])
    assert job["done"] == job["total"] == 3
    for ticket in tickets:
        clock = (await clocks(office, ticket))["NEXT_RESPONSE 1"]
        assert (clock["state"], clock["targetMinutes"], clock["definitionVersion"]) == ("RUNNING", 600, 2)
    problem(await office.call("agent", "POST", url + "/reapply"), 403, "role-too-low")
    problem(await office.call("lead", "POST", f"/api/sla/definitions/{some_id()}/reapply"), 404, "not-found")
    assert (await office.call("lead", "DELETE", url)).status_code == 204
    ended = await done(office, (await office.call("lead", "POST", url + "/reapply")).json())
    assert ended["done"] == 3
    assert (await clocks(office, tickets[0]))["NEXT_RESPONSE 1"]["state"] == "CANCELLED"


async def test_c28_an_edited_calendar_moves_the_deadlines_that_are_counted_on_it(office: Office) -> None:
    ticket = await office.opened(**PREMIUM)
    before = (await clocks(office, ticket))["FIRST_RESPONSE 1"]
    url = f"/api/sla/calendars/{before['calendarId']}"
    calendar = (await office.call("lead", "GET", url)).json()
    day = datetime.fromisoformat(ticket["createdAt"]).date()
    closed = [{"date": str(day + timedelta(days=n)), "windows": []} for n in range(2)]
    kept = {name: calendar[name] for name in ("name", "timeZone", "week", "country")}
    assert (await office.call("lead", "PUT", url, json={**kept, "holidays": closed})).status_code == 200
    [job] = await office.listed("lead", "/api/jobs", kind="RECOUNT", limit=1)
    assert (await done(office, job))["state"] == "DONE"
    for _ in range(200):
        if (await clocks(office, ticket))["FIRST_RESPONSE 1"]["deadlineAt"] != before["deadlineAt"]:
            break
        await asyncio.sleep(0.1)
    moved = datetime.fromisoformat((await clocks(office, ticket))["FIRST_RESPONSE 1"]["deadlineAt"])
    assert moved.date() == day + timedelta(days=2)
    newest = (await office.listed(url=path(ticket) + "/history"))[0]
    editor = (await office.call("lead", "GET", "/api/me")).json()["name"]
    assert (newest["command"], newest["actor"]["name"]) == ("recalculate", "Summit")
    assert f"“{calendar['name']}” was edited by {editor}" in newest["summary"]
    assert {change["calendarEdit"]["editor"] for change in newest["changes"]["clocks"]} == {editor}
    assert (await office.call("lead", "PUT", url, json={**kept, "holidays": []})).status_code == 200


async def test_c12_c15_after_closing_a_follow_up_has_clocks_of_its_own(office: Office) -> None:
    email = (await office.call("customer", "GET", "/api/me")).json()["email"]
    ticket = await office.opened(customerEmail=email)
    await office.patched(ticket, status="RESOLVED")
    await office.patched(ticket, status="CLOSED")
    comment = await office.commented(ticket, "customer")
    assert comment["ticketId"] != ticket["id"]
    fresh_ones = await clocks(office, {"id": comment["ticketId"]})
    assert {name: each["state"] for name, each in fresh_ones.items()} == {
        "FIRST_RESPONSE 1": "RUNNING",
        "RESOLUTION 1": "RUNNING",
    }
    assert {each["state"] for each in (await clocks(office, ticket)).values()} == {"MET"}
