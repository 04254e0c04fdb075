"""Customer accounts over HTTP."""

from datetime import date

import pytest

from domain.customers import Tier
from tests.api.front import Front, places, problem, some_id

PATH = "/api/customers/accounts"


async def test_an_account_is_added_read_and_found(api: Front) -> None:
    body = {
        "name": "Initech",
        "tier": "PREMIUM",
        "domains": ["Initech.example", "initech.example", "bücher-initech.example"],
        "timeZone": "America/Chicago",
        "monthlyFee": 1500.5,
        "currency": "EUR",
        "csmId": str(api.seed.users["lead"]),
        "renewalDate": date(2030, 2, 28).isoformat(),
    }
    account = await api.created("lead", PATH, body)
    assert account["domains"] == ["initech.example", "xn--bcher-initech-wob.example"]
    assert account["monthlyFee"] == "1500.50"
    assert account["renewalDate"] == "2030-02-28"
    assert (await api.call("agent", "GET", f"{PATH}/{account['id']}")).json() == account
    found = (await api.call("agent", "GET", PATH, params={"q": "NITEC", "tier": ["PREMIUM", "BASIC"]})).json()
    assert [each["id"] for each in found["data"]] == [account["id"]]


async def test_a_domain_belongs_to_one_account_of_a_tenant(api: Front) -> None:
    await api.created("lead", PATH, {"name": "First", "tier": "BASIC", "domains": ["taken.example"]})
    body = {"name": "Second", "tier": "BASIC", "domains": ["free.example", "taken.example"]}
    document = problem(await api.call("lead", "POST", PATH, json=body), 409, "domain-taken")
    assert places(document) == {"/domains"}
    assert (await api.call("lead", "GET", PATH, params={"q": "Second"})).json()["data"] == []
    await api.created("otherAdmin", PATH, {"name": "Elsewhere", "tier": "BASIC", "domains": ["taken.example"]})


WRONG = {
    "name": " ",
    "tier": "GOLD",
    "timeZone": "Mars/Olympus",
    "domains": ["ok.example", "not a domain"],
    "monthlyFee": "-1",
    "currency": "usd",
    "csmId": "me",
    "renewalDate": "tomorrow",
    "fee": 1,
}


async def test_every_bad_field_of_an_account_is_named(api: Front) -> None:
    document = problem(await api.call("lead", "POST", PATH, json=WRONG), 422, "invalid")
    assert places(document) == {f"/{name}" for name in WRONG if name != "domains"} | {"/domains/1"}


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e400", "12345678901234567", True, None, "ten", {}, 1e308])
async def test_what_is_no_amount_of_money_is_refused(api: Front, amount: object) -> None:
    response = await api.call("lead", "POST", PATH, json={"name": "M", "tier": "BASIC", "monthlyFee": amount})
    assert places(problem(response, 422, "invalid")) == {"/monthlyFee"}


@pytest.mark.parametrize(("amount", "currency"), [("1.005", "USD"), (1.5, "JPY")])
async def test_a_fee_finer_than_its_currency_is_refused(api: Front, amount: object, currency: str) -> None:
    body = {"name": "M", "tier": "BASIC", "monthlyFee": amount, "currency": currency}
    bad = {**body, "domains": ["no domain"]}
    document = problem(await api.call("lead", "POST", PATH, json=bad), 422, "invalid")
    assert places(document) == {"/monthlyFee", "/domains/0"}


async def test_a_currency_that_no_longer_fits_the_fee_is_refused(api: Front) -> None:
    account = await api.created("lead", PATH, {"name": "C", "tier": "BASIC", "monthlyFee": "9.99"})
    response = await api.call("lead", "PATCH", f"{PATH}/{account['id']}", json={"currency": "JPY"})
    problem(response, 422, "fee-not-in-currency")
    both = await api.call("lead", "PATCH", f"{PATH}/{account['id']}", json={"currency": "JPY", "monthlyFee": 10})
    assert both.json()["monthlyFee"] == "10"


async def test_a_change_replaces_domains_and_moves_the_version_once(api: Front) -> None:
    account = await api.created("lead", PATH, {"name": "D", "tier": "BASIC", "domains": ["d1.example", "d2.example"]})
    path = f"{PATH}/{account['id']}"
    same = await api.call("lead", "PATCH", path, json={"domains": ["d2.example", "d1.example"], "name": "D"})
    assert same.headers["etag"] == '"v1"'
    change = {"domains": ["d2.example", "d3.example"], "tier": "ENTERPRISE"}
    changed = await api.call("lead", "PATCH", path, json=change, headers={"If-Match": '"v1"'})
    assert changed.json()["domains"] == ["d2.example", "d3.example"]
    assert changed.headers["etag"] == '"v2"'
    problem(await api.call("lead", "PATCH", path, json={"name": "E"}, headers={"If-Match": '"v1"'}), 412, "stale")


async def test_a_manager_who_does_not_exist_is_named(api: Front) -> None:
    for field, stranger in (("csmId", some_id()), ("tamId", str(api.seed.users["otherAdmin"]))):
        body = {"name": "S", "tier": "BASIC", field: stranger}
        document = problem(await api.call("lead", "POST", PATH, json=body), 422, "unknown-reference")
        assert places(document) == {f"/{field}"}


async def test_a_customer_sees_the_own_account_only(api: Front) -> None:
    own, other = api.seed.accounts[Tier.ENTERPRISE], api.seed.accounts[Tier.BASIC]
    assert [each["id"] for each in (await api.call("customer", "GET", PATH)).json()["data"]] == [str(own)]
    assert (await api.call("customer", "GET", f"{PATH}/{own}")).status_code == 200
    problem(await api.call("customer", "GET", f"{PATH}/{other}"), 404, "not-found")


async def test_a_customer_without_an_account_sees_none(api: Front) -> None:
    user = await api.created("admin", "/api/users", {"email": "c@nowhere.example", "name": "C", "role": "CUSTOMER"})
    headers = {"Authorization": f"Bearer {api.token('customer', user_id=user['id'])}"}
    assert (await api.http.get(PATH, headers=headers)).json()["data"] == []
    account = api.seed.accounts[Tier.ENTERPRISE]
    problem(await api.http.get(f"{PATH}/{account}", headers=headers), 404, "not-found")


async def test_agents_read_and_leads_write(api: Front) -> None:
    problem(await api.call("agent", "POST", PATH, json={"name": "A", "tier": "BASIC"}), 403, "role-too-low")
    path = f"{PATH}/{api.seed.accounts[Tier.BASIC]}"
    problem(await api.call("customer", "PATCH", path, json={"tier": "PREMIUM"}), 403, "role-too-low")
    assert (await api.call("agent", "GET", path)).status_code == 200


async def test_another_tenants_account_does_not_exist(api: Front) -> None:
    path = f"{PATH}/{api.seed.accounts[Tier.BASIC]}"
    problem(await api.call("otherAdmin", "GET", path), 404, "not-found")
    problem(await api.call("otherAdmin", "PATCH", path, json={"name": "Mine"}), 404, "not-found")
