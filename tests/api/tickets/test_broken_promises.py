"""A promise from the ticket's creation to the credit for breaking it, and what the metrics and a simulation say of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.ids import workflow_id
from tests.api.tickets.office import Office, fresh
from tests.stack import fast_forward

DAY = timedelta(days=1)


async def account(office: Office, **fields: Any) -> dict[str, Any]:
    """A PREMIUM account with a domain of its own."""
    name = fresh()
    body = {"name": name, "tier": "PREMIUM", "monthlyFee": "1000", "domains": [f"{name}.example"]}
    return await office.front.created("lead", "/api/customers/accounts", body | fields)


async def opened(office: Office, owner: dict[str, Any], category: str) -> dict[str, Any]:
    """A ticket of an account's customer."""
    return await office.opened(customerEmail=f"c@{owner['domains'][0]}", severity="SEV1", category=category)


async def figures(office: Office, category: str) -> dict[str, Any]:
    """How the promises to a category's tickets were kept."""
    now = datetime.now(UTC)
    query = {"from": (now - DAY).isoformat(), "to": (now + DAY).isoformat(), "groupBy": "category"}
    response = await office.call("agent", "GET", "/api/sla/metrics", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = next(group for group in response.json()["groups"] if group["key"] == category)
    return found


async def breaches(office: Office, ticket: dict[str, Any]) -> list[dict[str, Any]]:
    """The ticket's broken promises."""
    return await office.listed(url="/api/sla/breaches", ticketId=ticket["id"])


async def broken(office: Office, ticket: dict[str, Any]) -> dict[str, Any]:
    """The breach of the first response, after its quarter of an hour is over."""
    handle = office.environment.client.get_workflow_handle(workflow_id("ticket", ticket["id"]))
    await fast_forward(office.environment, handle, minutes=16)
    async with asyncio.timeout(20):
        while True:
            found = await breaches(office, ticket)
            if found:
                return found[0]
            await asyncio.sleep(0.1)


async def test_a_promise_kept_counts_as_met(office: Office) -> None:
    owner, category = await account(office), fresh()
    await office.commented(await opened(office, owner, category))
    found = await figures(office, category)
    assert (found["responseCompliance"], found["totalBreaches"]) == (100.0, 0)
    assert 0 < found["medianResponseSeconds"] < 60


async def test_a_promise_broken_is_proposed_a_credit_that_a_lead_grants(office: Office) -> None:
    owner, category = await account(office), fresh()
    ticket = await opened(office, owner, category)
    breach = await broken(office, ticket)
    assert (breach["kind"], breach["cause"], breach["accountId"]) == ("FIRST_RESPONSE", "DEADLINE", owner["id"])
    due = datetime.fromisoformat(ticket["createdAt"]) + timedelta(minutes=15)
    assert datetime.fromisoformat(breach["breachedAt"]) == datetime.fromisoformat(breach["deadlineAt"]) == due
    assert breach["proposedCredit"] == {"amount": "50.00", "currency": "USD", "percent": "5"}
    url = f"/api/sla/breaches/{breach['id']}/credit"
    granted = await office.call("lead", "POST", url, json={"amount": breach["proposedCredit"]["amount"]})
    assert granted.status_code == 200, granted.text
    found = await figures(office, category)
    assert (found["responseCompliance"], found["totalBreaches"], found["creditTotal"]) == (0.0, 1, "50.00")


async def test_d30_one_that_is_open_and_broken_counts_beside_one_that_is_resolved_and_kept(office: Office) -> None:
    owner, category = await account(office), fresh()
    await broken(office, await opened(office, owner, category))
    kept = await opened(office, owner, category)
    await office.commented(kept)
    await office.patched(kept, status="RESOLVED")
    found = await figures(office, category)
    assert (found["responseCompliance"], found["resolutionCompliance"], found["totalBreaches"]) == (50.0, 100.0, 1)


async def test_d14_a_merge_takes_a_broken_ticket_off_the_lists_and_leaves_the_breach_on_record(office: Office) -> None:
    owner, category = await account(office), fresh()
    source, target = await opened(office, owner, category), await opened(office, owner, category)
    breach = await broken(office, source)
    await office.commented(target)

    async def listed(**query: Any) -> list[str]:
        return [each["id"] for each in await office.listed(category=category, **query)]

    assert await listed(slaState="breached") == [source["id"]]
    before = await figures(office, category)
    merged = await office.call("agent", "POST", f"/api/tickets/{source['id']}/merge", json={"intoId": target["id"]})
    assert merged.status_code == 200, merged.text
    assert await listed(slaState=["breached", "at_risk", "paused"]) == []
    assert (await listed(slaState="ok"), set(await listed())) == ([target["id"]], {source["id"], target["id"]})
    [kept] = await breaches(office, source)
    assert {**kept, "overrunSeconds": breach["overrunSeconds"]} == breach
    assert await breaches(office, target) == []
    assert await figures(office, category) == before
    assert (before["responseCompliance"], before["totalBreaches"]) == (50.0, 1)


async def test_a_breach_that_was_waived_says_so_with_its_clock(office: Office) -> None:
    ticket = await opened(office, await account(office), fresh())
    breach = await broken(office, ticket)
    await office.call("lead", "POST", f"/api/sla/breaches/{breach['id']}/waive", json={"reason": "Our line was down."})
    answer = await office.call("agent", "GET", f"/api/tickets/{ticket['id']}/sla")
    clocks = {each["kind"]: each for each in answer.json()["clocks"]}
    assert "breached " in clocks["FIRST_RESPONSE"]["explanation"]
    told = [(each["action"], each["reason"]) for each in clocks["FIRST_RESPONSE"]["adjustments"]]
    assert told == [("WAIVE", "Our line was down.")]
    assert clocks["RESOLUTION"]["adjustments"] == []


async def test_the_history_of_a_broken_promise_is_for_people(office: Office) -> None:
    ticket = await opened(office, await account(office), fresh())
    breach = await broken(office, ticket)
    *later, creation = await office.listed(url=f"/api/tickets/{ticket['id']}/history")
    rows = [row for row in later if any(change["after"] == "BREACHED" for change in row["changes"].get("clocks", ()))]
    [change] = [change for change in rows[-1]["changes"]["clocks"] if change["after"] == "BREACHED"]
    assert (change["before"], change["cause"]) == ("RUNNING", "DEADLINE")
    assert (change["breachedAt"], change["target"]["minutes"]) == (breach["breachedAt"], 15)
    assert "First response breached at " in rows[-1]["summary"]
    assert "15 business minutes were promised" in rows[-1]["summary"]
    assert "“Breach to the managers” fired for first response: told everybody with the role LEAD" in rows[-1]["summary"]
    assert "“Page engineering for PREMIUM SEV1 and SEV2” fired: paged whoever is on call" in creation["summary"]
    assert "MISSED" not in str(later)
    assert not [name for name in names(later) if "_" in name and not name.isupper()]


def names(document: Any) -> list[str]:
    """Every name of a member in a document."""
    if isinstance(document, list):
        return [name for each in document for name in names(each)]
    if isinstance(document, dict):
        return [*document, *(name for each in document.values() for name in names(each))]
    return []


async def test_a_simulation_reads_what_decisions_have_written(office: Office) -> None:
    owner, category = await account(office), fresh()
    kept = await opened(office, owner, category)
    await office.commented(kept)
    await office.patched(kept, status="PENDING_CUSTOMER")
    await office.patched(kept, status="OPEN")
    now = datetime.now(UTC)
    target = {"tier": "PREMIUM", "severity": "SEV1", "kind": "RESOLUTION", "targetMinutes": 1}
    body = {"from": (now - DAY).isoformat(), "to": (now + DAY).isoformat(), "definitions": [target]}
    job = (await office.call("lead", "POST", "/api/sla/simulations", json=body)).json()
    async with asyncio.timeout(60):
        while job["state"] not in ("DONE", "FAILED"):
            await asyncio.sleep(0.1)
            job = (await office.call("lead", "GET", f"/api/jobs/{job['id']}")).json()
    assert job["state"] == "DONE", job
    assert job["result"]["tickets"] >= 1
    assert job["result"]["changed"]["cured"] == 0
