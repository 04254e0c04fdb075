"""Broken promises over HTTP: facts that stay, actions that are done once, credits that stay under the cap."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.api.front import Front, places, problem, some_id
from tests.api.records import Records

PATH = "/api/sla/breaches"
MAY = datetime(2012, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def records(api: Front) -> Records:
    return Records(api.settings.postgres, api.seed.tenant_id)


async def account(api: Front, fee: str = "1000", currency: str = "USD") -> UUID:
    """An account whose credits no other test touches."""
    body = {"name": f"Account {uuid.uuid4().hex}", "tier": "PREMIUM", "monthlyFee": fee, "currency": currency}
    return UUID((await api.created("lead", "/api/customers/accounts", body))["id"])


async def broken(api: Front, records: Records, owner: UUID | None = None, at: datetime = MAY, **fields: Any) -> UUID:
    """A breach of a PREMIUM SEV1 promise, whose rule caps credits at half of the fee."""
    return records.breach(records.ticket(at, account=owner), at, **fields)


async def read(api: Front, breach: UUID) -> dict[str, Any]:
    response = await api.call("agent", "GET", f"{PATH}/{breach}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def done(api: Front, who: str, breach: UUID, verb: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    response = await api.call(who, "POST", f"{PATH}/{breach}/{verb}", json=body, headers=headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_breach_shows_its_facts(api: Front, records: Records) -> None:
    owner = await account(api)
    ticket = records.ticket(MAY, account=owner)
    breach = records.breach(ticket, MAY, detected=MAY + HOUR + timedelta(seconds=2))
    found = await read(api, breach)
    expected = {
        "id": str(breach),
        "ticketId": str(ticket),
        "accountId": str(owner),
        "kind": "FIRST_RESPONSE",
        "cycle": 1,
        "deadlineAt": "2012-05-01T01:00:00Z",
        "breachedAt": "2012-05-01T01:00:00Z",
        "detectedAt": "2012-05-01T01:00:02Z",
        "overrunSeconds": 3600.0,
        "cause": "DEADLINE",
        "annulled": False,
        "acknowledgedBy": None,
        "waived": False,
        "proposedCredit": None,
        "credit": None,
        "version": 1,
    }
    assert {name: found[name] for name in expected} == expected


async def test_the_overrun_of_a_promise_not_kept_grows(api: Front, records: Records) -> None:
    start = datetime.now(UTC) - 3 * HOUR
    breach = records.breach(records.ticket(start), start, ended=None, met=None)
    first = (await read(api, breach))["overrunSeconds"]
    assert 2 * 3600 <= first < (await read(api, breach))["overrunSeconds"]


async def test_acknowledging_tells_who_when_and_why_and_happens_once(api: Front, records: Records) -> None:
    breach = await broken(api, records)
    found = await done(api, "agent", breach, "acknowledge", {"reason": "Nobody was on shift"}, **{"If-Match": '"v1"'})
    assert found["acknowledgedBy"]["id"] == str(api.seed.users["agent"])
    assert (found["reason"], found["version"]) == ("Nobody was on shift", 2)
    assert found == await read(api, breach)
    again = await api.call("lead", "POST", f"{PATH}/{breach}/acknowledge", json={})
    assert problem(again, 409, "already-done")["doneBy"] == str(api.seed.users["agent"])


async def test_a_repeat_under_the_same_key_gets_the_first_answer(api: Front, records: Records) -> None:
    breach = await broken(api, records, await account(api))
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = await done(api, "lead", breach, "credit", {"amount": "10"}, **key)
    assert await done(api, "lead", breach, "credit", {"amount": "10"}, **key) == first
    other = await api.call("lead", "POST", f"{PATH}/{breach}/credit", json={"amount": "11"}, headers=key)
    problem(other, 422, "key-reused")
    problem(await api.call("lead", "POST", f"{PATH}/{breach}/credit", json={"amount": "10"}), 409, "already-done")
    assert (first["credit"]["amount"], first["credit"]["currency"]) == ("10.00", "USD")
    assert first["credit"]["by"]["id"] == str(api.seed.users["lead"])


async def test_an_old_copy_is_not_acted_on(api: Front, records: Records) -> None:
    breach = await broken(api, records)
    await done(api, "agent", breach, "acknowledge", {})
    stale = await api.call("lead", "POST", f"{PATH}/{breach}/waive", json={"reason": "x"}, headers={"If-Match": '"v1"'})
    problem(stale, 412, "stale")


async def test_the_proposal_is_the_last_one_cut_to_what_is_left(api: Front, records: Records) -> None:
    owner = await account(api)
    first, second = await broken(api, records, owner), await broken(api, records, owner, MAY + HOUR)
    records.proposal(first, "5", "50", step=0)
    records.proposal(first, "10", "100", step=1)
    assert (await read(api, first))["proposedCredit"] == {"amount": "100.00", "currency": "USD", "percent": "10"}
    await done(api, "lead", second, "credit", {"amount": 420})
    assert (await read(api, first))["proposedCredit"]["amount"] == "80.00"
    credited = await done(api, "lead", first, "credit", {"amount": "80.00"})
    assert credited["proposedCredit"]["amount"] == "80.00"


async def test_the_cap_is_that_of_the_account_and_the_month(api: Front, records: Records) -> None:
    owner, other = await account(api), await account(api)
    full = await broken(api, records, owner)
    await done(api, "lead", full, "credit", {"amount": "450"})
    same_month = await broken(api, records, owner, MAY + timedelta(days=30))
    refused = await api.call("lead", "POST", f"{PATH}/{same_month}/credit", json={"amount": "50.01"})
    document = problem(refused, 422, "bad-credit")
    assert (places(document), document["left"]) == ({"/amount"}, "50.00")
    await done(api, "lead", same_month, "credit", {"amount": "50"})
    next_month = await broken(api, records, owner, datetime(2012, 6, 1, tzinfo=UTC))
    await done(api, "lead", next_month, "credit", {"amount": "500"})
    await done(api, "lead", await broken(api, records, other), "credit", {"amount": "500"})


async def test_without_a_rule_the_monthly_fee_is_the_cap(api: Front, records: Records) -> None:
    owner = await account(api, "40")
    ticket = records.ticket(MAY, account=owner, tier="BASIC")
    breach = records.breach(ticket, MAY)
    refused = await api.call("lead", "POST", f"{PATH}/{breach}/credit", json={"amount": "40.01"})
    assert problem(refused, 422, "bad-credit")["left"] == "40.00"
    await done(api, "lead", breach, "credit", {"amount": "40"})


async def test_credits_at_once_do_not_exceed_the_cap_together(api: Front, records: Records) -> None:
    owner = await account(api)
    breaches = [await broken(api, records, owner, MAY + n * HOUR) for n in range(4)]
    calls = [api.call("lead", "POST", f"{PATH}/{breach}/credit", json={"amount": "200"}) for breach in breaches]
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 422, 422]


async def test_the_same_breach_is_credited_once_by_many_at_once(api: Front, records: Records) -> None:
    breach = await broken(api, records, await account(api))
    calls = [api.call("lead", "POST", f"{PATH}/{breach}/credit", json={"amount": "1"}) for _ in range(4)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*calls)) == [200, 409, 409, 409]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"amount": "10", "currency": "EUR"}, {"/currency"}),
        ({"amount": "1.005", "currency": "EUR"}, {"/currency", "/amount"}),
        ({"amount": "0.001"}, {"/amount"}),
    ],
)
async def test_another_currency_or_too_fine_an_amount_is_refused(
    api: Front, records: Records, body: dict[str, Any], pointers: set[str]
) -> None:
    breach = await broken(api, records, await account(api))
    document = problem(await api.call("lead", "POST", f"{PATH}/{breach}/credit", json=body), 422, "bad-credit")
    assert places(document) == pointers
    assert (await read(api, breach))["credit"] is None


@pytest.mark.parametrize(
    ("verb", "body", "pointers"),
    [
        ("credit", {"amount": 0, "currency": "usd", "note": 1}, {"/amount", "/currency", "/note"}),
        ("credit", {"amount": "-1"}, {"/amount"}),
        ("credit", {}, {"/amount"}),
        ("waive", {}, {"/reason"}),
        ("waive", {"reason": "  "}, {"/reason"}),
        ("acknowledge", {"reason": 5, "by": "me"}, {"/reason", "/by"}),
    ],
)
async def test_every_bad_field_is_named(
    api: Front, records: Records, verb: str, body: dict[str, Any], pointers: set[str]
) -> None:
    breach = await broken(api, records)
    document = problem(await api.call("lead", "POST", f"{PATH}/{breach}/{verb}", json=body), 422, "invalid")
    assert places(document) == pointers
    assert (await read(api, breach))["version"] == 1


async def test_a_ticket_without_an_account_is_not_credited(api: Front, records: Records) -> None:
    breach = await broken(api, records)
    problem(await api.call("lead", "POST", f"{PATH}/{breach}/credit", json={"amount": "1"}), 409, "nobody-to-credit")


async def test_waived_and_credited_exclude_each_other(api: Front, records: Records) -> None:
    owner = await account(api)
    waived, credited = await broken(api, records, owner), await broken(api, records, owner)
    records.proposal(waived, "5", "50")
    found = await done(api, "lead", waived, "waive", {"reason": "The customer asked for it"})
    assert (found["waived"], found["waivedReason"]) == (True, "The customer asked for it")
    assert found["proposedCredit"] is None
    problem(await api.call("lead", "POST", f"{PATH}/{waived}/credit", json={"amount": "1"}), 409, "breach-waived")
    problem(await api.call("lead", "POST", f"{PATH}/{waived}/waive", json={"reason": "x"}), 409, "already-done")
    await done(api, "lead", credited, "credit", {"amount": "1"})
    problem(await api.call("lead", "POST", f"{PATH}/{credited}/waive", json={"reason": "x"}), 409, "breach-credited")


async def test_the_ticket_hears_of_what_is_decided_about_its_breaches(
    api: Front, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[UUID] = []

    async def wake(kind: str, process_id: UUID, tenant_id: UUID) -> None:
        woken.append(process_id)
        raise RuntimeError("Temporal is away")  # which is no reason to refuse

    monkeypatch.setattr(api.app.state.services.processes, "wake", wake)
    breach = await broken(api, records)
    found = await done(api, "lead", breach, "waive", {"reason": "The customer asked for it"})
    assert woken == [UUID(found["ticketId"])]


async def test_an_annulled_breach_stays_and_is_neither_waived_nor_credited(api: Front, records: Records) -> None:
    breach = await broken(api, records, await account(api), state="ANNULLED")
    assert (await read(api, breach))["annulled"] is True
    for verb, body in (("credit", {"amount": "1"}), ("waive", {"reason": "x"})):
        problem(await api.call("lead", "POST", f"{PATH}/{breach}/{verb}", json=body), 409, "breach-annulled")


async def listed(api: Front, who: str = "agent", **query: Any) -> list[str]:
    response = await api.call(who, "GET", PATH, params=query)
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()["data"]]


async def test_breaches_are_found_by_what_they_are(api: Front, records: Records) -> None:
    owner, start = await account(api), datetime(2013, 1, 1, tzinfo=UTC)
    first = str(await broken(api, records, owner, start))
    second = str(await broken(api, records, owner, start + HOUR, kind="RESOLUTION"))
    of_both = {"accountId": str(owner)}
    assert await listed(api, **of_both) == [second, first]
    assert await listed(api, **of_both, kind="RESOLUTION") == [second]
    assert await listed(api, **of_both, kind=["RESOLUTION", "FIRST_RESPONSE"]) == [second, first]
    assert await listed(api, **of_both, to="2013-01-01T02:00:00Z") == [first]
    assert await listed(api, **{**of_both, "from": "2013-01-01T02:00:00Z"}) == [second]
    assert await listed(api, ticketId=(await read(api, UUID(first)))["ticketId"]) == [first]
    await done(api, "agent", UUID(first), "acknowledge", {})
    assert await listed(api, **of_both, acknowledged=True) == [first]
    assert await listed(api, **of_both, acknowledged=False) == [second]


async def test_pages_hold_every_breach_once(api: Front, records: Records) -> None:
    owner = await account(api)
    all_of_them = [str(await broken(api, records, owner, MAY + (n // 2) * HOUR)) for n in range(5)]
    query, found = {"accountId": str(owner), "limit": 2}, list[str]()
    while True:
        page = (await api.call("agent", "GET", PATH, params=query)).json()
        found += [each["id"] for each in page["data"]]
        if not page["page"]["hasMore"]:
            break
        query["cursor"] = page["page"]["nextCursor"]
    assert sorted(found) == sorted(all_of_them)
    problem(await api.call("agent", "GET", PATH, params={"cursor": "x"}), 422, "bad-cursor")
    backwards = {"from": "2013-01-02T00:00:00Z", "to": "2013-01-01T00:00:00Z"}
    assert places(problem(await api.call("agent", "GET", PATH, params=backwards), 422, "bad-period")) == {"from", "to"}


async def test_leads_decide_agents_take_notice_and_customers_see_nothing(api: Front, records: Records) -> None:
    breach = await broken(api, records, await account(api))
    problem(await api.call("agent", "POST", f"{PATH}/{breach}/credit", json={"amount": "1"}), 403, "role-too-low")
    problem(await api.call("agent", "POST", f"{PATH}/{breach}/waive", json={"reason": "x"}), 403, "role-too-low")
    problem(await api.call("customer", "GET", f"{PATH}/{breach}"), 403, "role-too-low")
    problem(await api.call("customer", "GET", PATH), 403, "role-too-low")


async def test_another_tenants_breach_does_not_exist(api: Front, records: Records) -> None:
    breach = await broken(api, records, await account(api))
    for who, target in (("otherAdmin", str(breach)), ("admin", some_id())):
        for verb, body in (("credit", {"amount": "1"}), ("waive", {"reason": "x"}), ("acknowledge", {})):
            problem(await api.call(who, "POST", f"{PATH}/{target}/{verb}", json=body), 404, "not-found")
    assert str(breach) not in await listed(api, "otherAdmin", limit=100)
