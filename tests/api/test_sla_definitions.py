"""Definitions over HTTP: what is promised to whom."""

import asyncio
import json
from typing import Any

import pytest

from domain.customers import Tier
from domain.sla.clocks import ClockKind
from domain.sla.targets import LONGEST_MINUTES, seeded
from domain.tickets.model import Severity
from tests.api.front import Front, places, problem, some_id

PATH = "/api/sla/definitions"
CALENDARS = "/api/sla/calendars"
WHO = "otherAdmin"
"""A tenant whose promises no other test looks at."""

CREDIT = {
    "steps": [{"overrunMinutes": 0, "percent": "5"}, {"overrunMinutes": 60, "percent": "12.5"}],
    "capPercent": "50",
}


async def calendar(api: Front, name: str = "Round the clock") -> str:
    listed = (await api.call(WHO, "GET", CALENDARS, params={"limit": 100})).json()["data"]
    return next(each["id"] for each in listed if each["name"] == name)


async def definition(api: Front, **fields: Any) -> dict[str, Any]:
    """A body that is good as it stands."""
    promise = {"tier": "PREMIUM", "severity": "SEV1", "kind": "NEXT_RESPONSE", "targetMinutes": 30}
    return {**promise, "calendarId": await calendar(api), **fields}


async def listed(api: Front, **params: Any) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = (await api.call(WHO, "GET", PATH, params={"limit": 100, **params})).json()["data"]
    return data


async def test_every_tenant_begins_with_the_guides_promises(api: Front) -> None:
    found = {
        (each["tier"], each["severity"], each["kind"]): each
        for kind in ("FIRST_RESPONSE", "RESOLUTION")
        for each in (await api.call("agent", "GET", PATH, params={"limit": 100, "kind": kind})).json()["data"]
    }
    assert len(found) == 32
    for promise in seeded():
        each = found[promise.tier, promise.severity, promise.kind]
        assert (each["targetMinutes"], each["calendarName"]) == (promise.minutes, promise.calendar)
        assert (each["unit"], each["warnings"], each["version"]) == ("business minutes", [], 1)
    granted = found[Tier.PREMIUM, Severity.SEV1, ClockKind.FIRST_RESPONSE]["credit"]
    assert granted == {"steps": [{"overrunMinutes": 0, "percent": "5"}], "capPercent": "50"}
    assert found[Tier.BASIC, Severity.SEV1, ClockKind.RESOLUTION]["credit"] is None


async def test_a_definition_is_added_read_and_changed(api: Front) -> None:
    body = await definition(api, severity="SEV2", credit=CREDIT)
    added = await api.created(WHO, PATH, body)
    assert {name: added[name] for name in body} == body
    assert (added["version"], added["calendarName"], added["warnings"]) == (1, "Round the clock", [])
    path = f"{PATH}/{added['id']}"
    assert (await api.call(WHO, "GET", path)).json() == added
    office = await calendar(api, "Business hours")
    changed = await api.call(WHO, "PUT", path, json={"targetMinutes": 45, "calendarId": office})
    assert changed.headers["etag"] == '"v2"'
    second = changed.json()
    assert (second["id"], second["targetMinutes"], second["calendarName"]) == (added["id"], 45, "Business hours")
    assert second["credit"] is None
    versions = (await api.call(WHO, "GET", f"{path}/versions")).json()["data"]
    assert [each["version"] for each in versions] == [2, 1]
    assert versions[1]["credit"] == CREDIT
    assert versions[1]["supersededAt"] == second["updatedAt"]


async def test_a_promise_that_is_made_already_gets_its_next_version(api: Front) -> None:
    body = await definition(api, severity="SEV3")
    first = await api.created(WHO, PATH, body)
    response = await api.call(WHO, "POST", PATH, json={**body, "targetMinutes": 20})
    second = response.json()
    assert (response.status_code, second["id"], second["version"]) == (201, first["id"], 2)
    assert response.headers["location"] == f"{PATH}/{first['id']}"
    assert (await api.created(WHO, PATH, {**body, "targetMinutes": 20}))["version"] == 2
    assert (await api.call(WHO, "DELETE", f"{PATH}/{first['id']}")).status_code == 204
    assert await listed(api, tier="PREMIUM", severity="SEV3", kind="NEXT_RESPONSE") == []
    [ended] = await listed(api, tier="PREMIUM", severity="SEV3", kind="NEXT_RESPONSE", active=False)
    assert (ended["id"], ended["version"], ended["active"]) == (first["id"], 3, False)
    again = await api.created(WHO, PATH, {**body, "targetMinutes": 20})
    assert (again["id"], again["version"], again["active"]) == (first["id"], 4, True)


async def test_two_who_make_the_same_promise_at_once_make_two_versions_of_it(api: Front) -> None:
    body = await definition(api, tier="ENTERPRISE", severity="SEV4")
    made = await asyncio.gather(*(api.created(WHO, PATH, {**body, "targetMinutes": minutes}) for minutes in (70, 80)))
    assert {each["version"] for each in made} == {1, 2}
    assert len({each["id"] for each in made}) == 1


async def test_a_change_of_nothing_makes_no_version(api: Front) -> None:
    body = await definition(api, severity="SEV4", credit=CREDIT)
    added = await api.created(WHO, PATH, body)
    spelt = {"steps": [{"overrunMinutes": 0, "percent": 5.0}, {"overrunMinutes": 60, "percent": "12.50"}]}
    same = await api.call(WHO, "PUT", f"{PATH}/{added['id']}", json={**body, "credit": {**spelt, "capPercent": 50}})
    assert (same.status_code, same.json()) == (200, added)


async def test_of_two_changes_to_one_version_the_second_is_refused(api: Front) -> None:
    added = await api.created(WHO, PATH, await definition(api, tier="BASIC"))
    path, body = f"{PATH}/{added['id']}", {"calendarId": added["calendarId"]}
    answers = await asyncio.gather(
        *(
            api.call(WHO, "PUT", path, json={**body, "targetMinutes": minutes}, headers={"If-Match": '"v1"'})
            for minutes in (10, 20)
        )
    )
    taken, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert (taken.status_code, taken.json()["version"]) == (200, 2)
    problem(refused, 412, "stale")
    problem(await api.call(WHO, "DELETE", path, headers={"If-Match": '"v1"'}), 412, "stale")


async def test_a_definition_stays_with_its_promise(api: Front) -> None:
    [each] = await listed(api, tier="BASIC", severity="SEV1", kind="RESOLUTION")
    same = {name: each[name] for name in ("tier", "severity", "kind", "targetMinutes", "calendarId")}
    other = {**same, "tier": "PREMIUM", "severity": "SEV2"}
    refused = problem(await api.call(WHO, "PUT", f"{PATH}/{each['id']}", json=other), 422, "other-promise")
    assert places(refused) == {"/tier", "/severity"}
    assert (await api.call(WHO, "PUT", f"{PATH}/{each['id']}", json=same)).json() == each


async def test_a_list_is_narrowed_by_tier_severity_and_kind(api: Front) -> None:
    found = await listed(api, tier=["BASIC", "PREMIUM"], severity="SEV1", kind=["RESOLUTION", "FIRST_RESPONSE"])
    assert sorted((each["tier"], each["kind"]) for each in found) == [
        *(("BASIC", "FIRST_RESPONSE"), ("BASIC", "RESOLUTION")),
        *(("PREMIUM", "FIRST_RESPONSE"), ("PREMIUM", "RESOLUTION")),
    ]


async def test_pages_of_definitions_made_in_one_instant_miss_none(api: Front) -> None:
    whole = await listed(api)
    found, cursor = [], None
    while True:
        params = {"limit": 7, **({"cursor": cursor} if cursor else {})}
        page = (await api.call(WHO, "GET", PATH, params=params)).json()
        found += [each["id"] for each in page["data"]]
        cursor = page["page"]["nextCursor"]
        if cursor is None:
            break
    assert found == [each["id"] for each in whole]
    assert len(set(found)) == len(found) >= 32


@pytest.mark.parametrize("minutes", [0, -5, 0.5, "60", None, True, LONGEST_MINUTES + 1, 1e400])
async def test_a_target_under_a_minute_or_without_end_is_refused(api: Front, minutes: object) -> None:
    body = await definition(api)
    response = await api.call(WHO, "POST", PATH, content=json_of({**body, "targetMinutes": minutes}), headers=JSON)
    assert places(problem(response, 422, "invalid")) == {"/targetMinutes"}


JSON = {"Content-Type": "application/json"}


def json_of(body: dict[str, Any]) -> str:
    """JSON as lenient clients write it, infinity included."""
    return json.dumps(body).replace("Infinity", "1e400")


WRONG_CREDITS = {
    "no step": ({"steps": []}, {"/credit/steps"}),
    "too many steps": (
        {"steps": [{"overrunMinutes": n, "percent": n + 1} for n in range(11)]},
        {"/credit/steps"},
    ),
    "not later": (
        {"steps": [{"overrunMinutes": 5, "percent": 1}, {"overrunMinutes": 5, "percent": 2}]},
        {"/credit/steps/1"},
    ),
    "not more": (
        {"steps": [{"overrunMinutes": 0, "percent": 2}, {"overrunMinutes": 5, "percent": 2}]},
        {"/credit/steps/1"},
    ),
    "above the cap": (
        {"steps": [{"overrunMinutes": 0, "percent": 51}], "capPercent": 50},
        {"/credit/steps/0/percent"},
    ),
    "no step and no cap": ({"steps": [], "capPercent": 0}, {"/credit/steps", "/credit/capPercent"}),
    "not later under a bad cap": (
        {"steps": [{"overrunMinutes": 5, "percent": 1}, {"overrunMinutes": 5, "percent": 2}], "capPercent": 101},
        {"/credit/steps/1", "/credit/capPercent"},
    ),
    "no numbers": (
        {"steps": [{"overrunMinutes": -1, "percent": "five"}], "capPercent": 101, "fee": 1},
        {"/credit/steps/0/overrunMinutes", "/credit/steps/0/percent", "/credit/capPercent", "/credit/fee"},
    ),
}


@pytest.mark.parametrize(("credit", "wrong"), WRONG_CREDITS.values(), ids=WRONG_CREDITS)
async def test_credits_that_make_no_sense_are_refused(api: Front, credit: Any, wrong: set[str]) -> None:
    body = await definition(api, tier="ENTERPRISE", severity="SEV1", credit=credit)
    assert places(problem(await api.call(WHO, "POST", PATH, json=body), 422, "invalid")) == wrong
    assert await listed(api, tier="ENTERPRISE", severity="SEV1", kind="NEXT_RESPONSE") == []


async def test_everything_that_is_wrong_with_a_definition_is_told_at_once(api: Front) -> None:
    body = {
        "tier": "GOLD",
        "severity": "P1",
        "kind": "REPLY",
        "targetMinutes": 0,
        "calendarId": "Business hours",
        "credit": {"steps": [{"overrunMinutes": 0, "percent": 90}], "capPercent": "50"},
        "target": 60,
    }
    wrong = {f"/{name}" for name in body if name != "credit"} | {"/credit/steps/0/percent"}
    assert places(problem(await api.call(WHO, "POST", PATH, json=body), 422, "invalid")) == wrong
    assert places(problem(await api.call(WHO, "PUT", f"{PATH}/{some_id()}", json=body), 422, "invalid")) == wrong


async def test_a_calendar_that_cannot_be_used_is_refused(api: Front) -> None:
    week = {"name": "Ended", "week": {"MON": [["09:00", "17:00"]]}}
    ended = (await api.created(WHO, CALENDARS, week))["id"]
    await api.call(WHO, "DELETE", f"{CALENDARS}/{ended}")
    foreign = (await api.call("lead", "GET", CALENDARS)).json()["data"][0]["id"]
    [each] = await listed(api, tier="BASIC", severity="SEV1", kind="RESOLUTION")
    for unusable in (ended, foreign, some_id()):
        body = await definition(api, calendarId=unusable)
        refused = problem(await api.call(WHO, "POST", PATH, json=body), 422, "unknown-reference")
        assert places(refused) == {"/calendarId"}
        change = {"targetMinutes": 1, "calendarId": unusable}
        refused = problem(await api.call(WHO, "PUT", f"{PATH}/{each['id']}", json=change), 422, "unknown-reference")
        assert places(refused) == {"/calendarId"}
    assert (await api.call(WHO, "GET", f"{PATH}/{each['id']}")).json() == each


async def test_a_higher_tier_that_is_served_worse_is_told_and_not_refused(api: Front) -> None:
    [basic] = await listed(api, tier="BASIC", severity="SEV4", kind="FIRST_RESPONSE")
    generous = {"targetMinutes": 60, "calendarId": await calendar(api)}
    changed = (await api.call(WHO, "PUT", f"{PATH}/{basic['id']}", json=generous)).json()
    assert changed["warnings"] == [
        "PROFESSIONAL waits 19 h 0 min on average and BASIC only 1 h 0 min: the higher tier is served worse.",
        "ENTERPRISE waits 4 h 0 min on average and BASIC only 1 h 0 min: the higher tier is served worse.",
        "PREMIUM waits 4 h 0 min on average and BASIC only 1 h 0 min: the higher tier is served worse.",
    ]
    [enterprise] = await listed(api, tier="ENTERPRISE", severity="SEV4", kind="FIRST_RESPONSE")
    assert enterprise["warnings"] == [changed["warnings"][1]]
    alone = await api.created(WHO, PATH, await definition(api, tier="PROFESSIONAL", severity="SEV1"))
    assert "ENTERPRISE is promised nothing here, and PROFESSIONAL is." in alone["warnings"]
    await api.call(WHO, "PUT", f"{PATH}/{basic['id']}", json={name: basic[name] for name in generous})


async def test_a_repeated_creation_makes_one_version(api: Front) -> None:
    body, key = await definition(api, tier="BASIC", severity="SEV2"), {"Idempotency-Key": "one-definition"}
    first = await api.created(WHO, PATH, body, **key)
    await api.call(WHO, "PUT", f"{PATH}/{first['id']}", json={**body, "targetMinutes": 31})
    again = await api.call(WHO, "POST", PATH, json=body, headers=key)
    assert (again.status_code, again.json()) == (201, first)
    assert (await api.call(WHO, "GET", f"{PATH}/{first['id']}")).json()["version"] == 2


async def test_agents_read_and_leads_write(api: Front) -> None:
    problem(await api.call("agent", "POST", PATH, json={}), 403, "role-too-low")
    problem(await api.call("customer", "GET", PATH), 403, "role-too-low")
    assert (await api.call("agent", "GET", PATH)).status_code == 200


async def test_another_tenants_definition_does_not_exist(api: Front) -> None:
    [ours] = await listed(api, tier="BASIC", severity="SEV1", kind="RESOLUTION")
    path = f"{PATH}/{ours['id']}"
    for method, target in (("GET", path), ("DELETE", path), ("GET", f"{path}/versions")):
        problem(await api.call("admin", method, target), 404, "not-found")
    change = {"targetMinutes": 1, "calendarId": ours["calendarId"]}
    problem(await api.call("admin", "PUT", path, json=change), 404, "not-found")
    assert (await api.call(WHO, "GET", path)).json() == ours
